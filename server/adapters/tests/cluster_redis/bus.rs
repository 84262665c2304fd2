//! Events between nodes.

use sockeye_adapters::bus::{RedisBus, redis::RedisBusOptions};
use sockeye_core::ports::{Bus, BusEvent, Received};

use super::nodes::{Node, Temper::Patient, ask, ended, prefix, redis, redis_url, until};

#[tokio::test]
async fn events_reach_the_other_node_in_order_and_their_own_once() {
    let (url, prefix) = (redis_url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    let (mut at_a, mut at_b) = (a.subscribe().await, b.subscribe().await);
    a.bus.publish(ended(1)).await.unwrap();
    a.bus.publish(BusEvent::PresenceChanged).await.unwrap();
    for number in 2..=300 {
        a.bus.publish(ended(number)).await.unwrap();
    }
    assert_eq!(at_b.next().await, Received::Event(ended(1)));
    assert_eq!(at_b.next().await, Received::Event(BusEvent::PresenceChanged));
    for number in 2..=300 {
        assert_eq!(at_b.next().await, Received::Event(ended(number)));
    }
    // Nothing of its own came back before this.
    b.bus.publish(ended(301)).await.unwrap();
    assert_eq!(at_a.next().await, Received::Event(ended(1)));
    assert_eq!(at_a.next().await, Received::Event(BusEvent::PresenceChanged));
    for number in 2..=301 {
        assert_eq!(at_a.next().await, Received::Event(ended(number)));
    }
}

#[tokio::test]
async fn what_a_newer_version_says_is_ignored() {
    let (url, prefix) = (redis_url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    let mut at_b = b.subscribe().await;
    let channel = format!("{prefix}:events");
    for payload in
        [r#"{"v":1,"from":"c","kind":"a_new_kind"}"#, "\u{1}", r#"{"v":9,"from":"c","kind":"lost"}"#]
    {
        assert_eq!(ask::<u64>(&url, &["PUBLISH", &channel, payload]).await, 2, "both listen");
    }
    a.bus.publish(ended(1)).await.unwrap();
    assert_eq!(at_b.next().await, Received::Event(ended(1)));
}

/// Whatever was dropped at the sender's bound, the others know that they missed something.
#[tokio::test]
async fn the_others_are_told_what_was_dropped_at_the_bound() {
    let (url, prefix) = (redis_url(), prefix());
    let b = Node::start(&url, &prefix, Patient).await;
    let mut at_b = b.subscribe().await;
    let options = RedisBusOptions { queue_len_max: 8, ..RedisBusOptions::default() };
    let a = RedisBus::start(redis(&url, &prefix, Patient), options);
    // On this thread, so nothing is sent meanwhile.
    for number in 0..100 {
        a.publish(ended(number)).await.unwrap();
    }
    assert_eq!(at_b.next().await, Received::Lagged);
    for number in 93..100 {
        assert_eq!(at_b.next().await, Received::Event(ended(number)));
    }
}

#[tokio::test]
async fn flush_waits_until_everything_is_sent() {
    let (url, prefix) = (redis_url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    let mut at_b = b.subscribe().await;
    a.bus.publish(ended(1)).await.unwrap();
    a.bus.flush(std::time::Duration::from_secs(10)).await;
    drop(a);
    assert_eq!(at_b.next().await, Received::Event(ended(1)));
}

#[tokio::test]
async fn a_password_is_used() {
    let server = super::server::RedisServer::start(&["--requirepass", "a-secret"]).await;
    let url = format!("redis://:a-secret@127.0.0.1:{}", server.port());
    Node::start(&url, &prefix(), Patient).await;
    let stranger = redis(&format!("redis://:wrong@127.0.0.1:{}", server.port()), &prefix(), Patient);
    until("refusals", async || {
        let stats: String = ask(&url, &["INFO", "stats"]).await;
        !stats.contains("acl_access_denied_auth:0") && !stats.contains("acl_access_denied_auth:1\r")
    })
    .await;
    assert!(!stranger.is_connected());
}
