//! Who is online, over nodes.

use sockeye_adapters::conformance::values::{device_id, user_id};
use sockeye_core::{
    id::UserId,
    ports::{BusEvent, Presence, Received},
};

use super::nodes::{
    Node,
    Temper::{Hasty, Patient},
    ask, prefix, redis_url, until,
};

const CHANGED: Received = Received::Event(BusEvent::PresenceChanged);

fn users(numbers: impl IntoIterator<Item = u64>) -> Vec<UserId> {
    numbers.into_iter().map(user_id).collect()
}

async fn keys(prefix: &str) -> Vec<String> {
    let mut keys: Vec<String> = ask(&redis_url(), &["KEYS", &format!("{prefix}:presence:*")]).await;
    keys.sort();
    keys
}

/// At once: `connect` returns when the others can see it.
#[tokio::test]
async fn nodes_see_each_others_users() {
    let (url, prefix) = (redis_url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    a.presence.connect(user_id(1), device_id(1)).await.unwrap();
    assert_eq!(b.online().await, users([1]));
    b.presence.connect(user_id(1), device_id(2)).await.unwrap();
    b.presence.connect(user_id(2), device_id(3)).await.unwrap();
    assert_eq!(a.online().await, users([1, 2]));
    a.presence.disconnect(user_id(1), device_id(1)).await.unwrap();
    assert_eq!(b.online().await, users([1, 2]), "still there with the other device");
    b.presence.disconnect(user_id(1), device_id(2)).await.unwrap();
    assert_eq!(a.online().await, users([2]));
}

/// Readers take changes when they are few, and everything when they are many.
#[tokio::test]
async fn nodes_agree_however_far_one_is_behind() {
    let (url, prefix) = (redis_url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    let mut count = 0;
    for more in [1, 500, 20, 700, 5] {
        for number in count..count + more {
            a.presence.connect(user_id(number), device_id(number)).await.unwrap();
        }
        count += more;
        a.presence.disconnect(user_id(0), device_id(0)).await.unwrap();
        a.presence.connect(user_id(0), device_id(0)).await.unwrap();
        assert_eq!(b.online().await, users(0..count));
    }
    let changes = format!("{prefix}:presence:changes:{}", a.redis.node());
    assert!(ask::<u64>(&url, &["LLEN", &changes]).await <= 512);
}

#[tokio::test]
async fn a_node_that_died_is_offline_when_its_lease_ends_and_the_others_are_told() {
    let (url, prefix) = (redis_url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Hasty).await, Node::start(&url, &prefix, Patient).await);
    a.presence.connect(user_id(1), device_id(1)).await.unwrap();
    b.presence.connect(user_id(2), device_id(2)).await.unwrap();
    assert_eq!(b.online().await, users([1, 2]));
    let mut at_b = b.subscribe().await;
    let dead = a.redis.node().to_owned();
    drop(a);
    while b.online().await != users([2]) {
        at_b.until(&CHANGED).await;
    }
    until("its keys to be removed", async || keys(&prefix).await.iter().all(|key| !key.contains(&dead)))
        .await;
}

#[tokio::test]
async fn a_node_that_leaves_is_offline_at_once_and_leaves_nothing() {
    let (url, prefix) = (redis_url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    a.presence.connect(user_id(1), device_id(1)).await.unwrap();
    b.presence.connect(user_id(2), device_id(2)).await.unwrap();
    let mut at_b = b.subscribe().await;
    a.presence.leave().await;
    assert_eq!(b.online().await, users([2]));
    at_b.until(&CHANGED).await;
    // Devices that are still being closed do not bring it back.
    a.presence.connect(user_id(3), device_id(3)).await.unwrap();
    a.presence.disconnect(user_id(1), device_id(1)).await.unwrap();
    assert_eq!(b.online().await, users([2]));
    b.presence.leave().await;
    assert_eq!(keys(&prefix).await, Vec::<String>::new());
}

/// As after a restart of Redis without its data, an eviction, or a pause of this process that was longer than its lease.
#[tokio::test]
async fn what_redis_lost_is_written_again() {
    let (url, prefix) = (redis_url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    for number in 0..50 {
        a.presence.connect(user_id(number), device_id(number)).await.unwrap();
    }
    assert_eq!(b.online().await, users(0..50));
    let all = keys(&prefix).await;
    assert!(all.len() >= 4, "{all:?}");
    for lost in all.iter().map(std::slice::from_ref).chain([all.as_slice()]) {
        let mut at_b = b.subscribe().await;
        let words: Vec<&str> = ["DEL"].into_iter().chain(lost.iter().map(String::as_str)).collect();
        ask::<u64>(&url, &words).await;
        // A list of changes alone is not missed: who is behind reads everything.
        if !(lost.len() == 1 && lost[0].contains(":changes:")) {
            at_b.until(&CHANGED).await;
        }
        b.sees(&users(0..50)).await;
        a.presence.connect(user_id(99), device_id(99)).await.unwrap();
        assert_eq!(b.online().await, users((0..50).chain([99])), "after {lost:?}");
        a.presence.disconnect(user_id(99), device_id(99)).await.unwrap();
    }
}
