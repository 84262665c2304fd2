//! The suite of [`Presence`].

use std::sync::Arc;

use sockeye_core::ports::Presence;
use tokio::task::JoinSet;

use super::{
    Fixture,
    values::{device_id, user_id},
};

/// Tests of a [`Presence`]; give an expression that makes a [`Fixture`].
#[macro_export]
macro_rules! presence_suite {
    ($fixture:expr) => {
        $crate::conformance_checks!(
            [$crate::conformance::presence],
            $fixture,
            [
                a_user_is_online_exactly_while_a_device_is_connected,
                everybody_online_is_listed_once_in_order_of_ids,
                repeated_calls_change_nothing,
                concurrent_calls_leave_no_ghosts,
            ]
        );
    };
}

type AnyPresence = dyn Presence;

pub async fn a_user_is_online_exactly_while_a_device_is_connected(fixture: &impl Fixture<AnyPresence>) {
    let presence = fixture.open().await;
    assert!(presence.online().await.expect("online").is_empty());
    presence.connect(user_id(1), device_id(1)).await.expect("connect");
    presence.connect(user_id(1), device_id(2)).await.expect("connect");
    presence.disconnect(user_id(1), device_id(1)).await.expect("disconnect");
    assert_eq!(presence.online().await.expect("online"), [user_id(1)]);
    presence.disconnect(user_id(1), device_id(2)).await.expect("disconnect");
    assert!(presence.online().await.expect("online").is_empty());
}

pub async fn everybody_online_is_listed_once_in_order_of_ids(fixture: &impl Fixture<AnyPresence>) {
    let presence = fixture.open().await;
    for number in [3, 1, 2, 3, 1] {
        let device = device_id(number * 10);
        presence.connect(user_id(number), device).await.expect("connect");
        presence.connect(user_id(number), device_id(number * 10 + 1)).await.expect("connect");
    }
    assert_eq!(presence.online().await.expect("online"), [user_id(1), user_id(2), user_id(3)]);
}

pub async fn repeated_calls_change_nothing(fixture: &impl Fixture<AnyPresence>) {
    let presence = fixture.open().await;
    presence.disconnect(user_id(1), device_id(1)).await.expect("disconnect");
    presence.connect(user_id(1), device_id(1)).await.expect("connect");
    presence.connect(user_id(1), device_id(1)).await.expect("connect");
    presence.disconnect(user_id(1), device_id(2)).await.expect("disconnect");
    assert_eq!(presence.online().await.expect("online"), [user_id(1)]);
    presence.disconnect(user_id(1), device_id(1)).await.expect("disconnect");
    presence.disconnect(user_id(1), device_id(1)).await.expect("disconnect");
    assert!(presence.online().await.expect("online").is_empty());
}

pub async fn concurrent_calls_leave_no_ghosts(fixture: &impl Fixture<AnyPresence>) {
    let presence = fixture.open().await;
    let mut devices = JoinSet::new();
    for number in 0..100 {
        let presence = Arc::clone(&presence);
        devices.spawn(async move {
            let (user, device) = (user_id(number % 10), device_id(number));
            presence.connect(user, device).await.expect("connect");
            tokio::task::yield_now().await;
            assert!(presence.online().await.expect("online").contains(&user));
            if number >= 10 {
                presence.disconnect(user, device).await.expect("disconnect");
            }
        });
    }
    devices.join_all().await;
    assert_eq!(presence.online().await.expect("online"), (0..10).map(user_id).collect::<Vec<_>>());
    for number in 0..10 {
        presence.disconnect(user_id(number), device_id(number)).await.expect("disconnect");
    }
    assert!(presence.online().await.expect("online").is_empty());
}
