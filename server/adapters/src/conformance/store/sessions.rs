//! The suites of [`sockeye_core::ports::Sessions`] and [`sockeye_core::ports::Conversations`].

use sockeye_core::{ports::Store, session::SessionId, time::Timestamp};

use crate::conformance::{Fixture, values::group_id};

type AnyStore = dyn Store;

/// Far enough for any clock that a fixture uses.
const LATER: Timestamp = Timestamp::from_millis(4_000_000_000_000);

pub async fn an_ended_session_is_remembered(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    assert!(!store.session_ended(SessionId([1; 16])).await.expect("ended"));
    store.end_session(SessionId([1; 16]), LATER).await.expect("end");
    assert!(store.session_ended(SessionId([1; 16])).await.expect("ended"));
    assert!(!store.session_ended(SessionId([2; 16])).await.expect("ended"));
}

pub async fn a_session_may_be_ended_again(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    store.end_session(SessionId([1; 16]), LATER).await.expect("end");
    store.end_session(SessionId([1; 16]), LATER).await.expect("end");
    assert!(store.session_ended(SessionId([1; 16])).await.expect("ended"));
}

pub async fn ended_sessions_survive_a_restart(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    store.end_session(SessionId([1; 16]), LATER).await.expect("end");
    drop(store);
    assert!(fixture.open().await.session_ended(SessionId([1; 16])).await.expect("ended"));
}

pub async fn an_unknown_group_is_none(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    assert!(store.group(group_id(1)).await.expect("group").is_none());
}
