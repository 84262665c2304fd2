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

pub async fn ended_sessions_are_found_many_at_a_time(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let id = |n: u16| SessionId(u128::from(n).to_be_bytes());
    assert!(store.ended_sessions(&[]).await.expect("ended").is_empty());
    for n in [3, 500, 7] {
        store.end_session(id(n), LATER).await.expect("end");
    }
    let asked: Vec<SessionId> = (1..=500).chain([3]).map(id).collect();
    let mut ended = store.ended_sessions(&asked).await.expect("ended");
    ended.sort_unstable();
    assert_eq!(ended, [id(3), id(7), id(500)], "each once");
    assert!(store.ended_sessions(&[id(4)]).await.expect("ended").is_empty());
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
