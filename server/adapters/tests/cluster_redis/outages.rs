//! Redis away: nobody is held up, and afterwards everything is as if it had never been.

use sockeye_adapters::{
    conformance::values::{device_id, time, user_id},
    limiter::{RedisLimiter, redis::RedisLimiterOptions},
};
use sockeye_core::{
    limits::{Decision, Rule},
    ports::{Bus, BusEvent, Limiter, Presence, Received},
};

use super::{
    nodes::{
        Node,
        Temper::{Hasty, Patient},
        ask, ended, prefix, reaches_redis, redis, until,
    },
    proxy::Proxy,
    server::RedisServer,
};

const CHANGED: Received = Received::Event(BusEvent::PresenceChanged);

#[tokio::test]
async fn redis_dies_and_comes_back_without_its_data() {
    let mut server = RedisServer::start(&[]).await;
    let prefix = prefix();
    let (a, b) =
        (Node::start(&server.url(), &prefix, Hasty).await, Node::start(&server.url(), &prefix, Hasty).await);
    a.presence.connect(user_id(1), device_id(1)).await.unwrap();
    b.presence.connect(user_id(2), device_id(2)).await.unwrap();
    assert_eq!(a.online().await, [user_id(1), user_id(2)]);
    server.kill();

    // The others are shown for as long as they could be alive, then not; whoever follows is told.
    let mut at_a = a.subscribe().await;
    a.presence.connect(user_id(3), device_id(3)).await.unwrap();
    assert!(a.online().await.contains(&user_id(3)));
    while a.online().await != [user_id(1), user_id(3)] {
        at_a.until(&CHANGED).await;
    }
    let (mut at_a, mut at_b) = (a.subscribe().await, b.subscribe().await);
    a.bus.publish(ended(7)).await.unwrap();
    at_a.until(&Received::Event(ended(7))).await;
    a.presence.disconnect(user_id(1), device_id(1)).await.unwrap();
    until("the outage to be known", async || a.bus.check().await.is_err()).await;

    server.start_again().await;
    at_b.until(&Received::Lagged).await;
    at_b.until(&Received::Event(ended(7))).await;
    at_a.until(&Received::Lagged).await;
    for node in [&a, &b] {
        node.sees(&[user_id(2), user_id(3)]).await;
        node.bus.check().await.unwrap();
    }
}

/// A cut that nobody is told of: no connection ends, nothing arrives.
#[tokio::test]
async fn a_silent_cut_heals_by_itself() {
    let server = RedisServer::start(&[]).await;
    let (proxy, prefix) = (Proxy::start(server.port()).await, prefix());
    let (a, b) =
        (Node::start(&proxy.url(), &prefix, Hasty).await, Node::start(&server.url(), &prefix, Hasty).await);
    a.presence.connect(user_id(1), device_id(1)).await.unwrap();
    b.presence.connect(user_id(2), device_id(2)).await.unwrap();
    assert_eq!(a.online().await, [user_id(1), user_id(2)]);
    let (mut at_a, mut at_b) = (a.subscribe().await, b.subscribe().await);
    proxy.cut();

    a.presence.connect(user_id(3), device_id(3)).await.unwrap();
    a.bus.publish(ended(1)).await.unwrap();
    at_a.until(&Received::Event(ended(1))).await;
    b.sees(&[user_id(2)]).await;
    a.sees(&[user_id(1), user_id(3)]).await;
    until("the cut to be known", async || a.bus.check().await.is_err()).await;
    b.bus.publish(ended(2)).await.unwrap();

    proxy.mend();
    at_a.until(&Received::Lagged).await;
    at_b.until(&Received::Event(ended(1))).await;
    for node in [&a, &b] {
        node.sees(&[user_id(1), user_id(2), user_id(3)]).await;
    }
    a.bus.check().await.unwrap();
}

/// A server out of memory answers, but keeps nothing new.
#[tokio::test]
async fn redis_refuses_to_write() {
    let server = RedisServer::start(&[]).await;
    let (url, prefix) = (server.url(), prefix());
    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    b.presence.connect(user_id(2), device_id(2)).await.unwrap();
    ask::<()>(&url, &["CONFIG", "SET", "maxmemory", "1"]).await;
    a.presence.connect(user_id(1), device_id(1)).await.unwrap();
    assert_eq!(a.online().await, [user_id(1), user_id(2)]);
    assert_eq!(b.online().await, [user_id(2)]);
    ask::<()>(&url, &["CONFIG", "SET", "maxmemory", "0"]).await;
    b.sees(&[user_id(1), user_id(2)]).await;
}

/// Nodes are not back at the same moment: what waited is held back a little for those that are later.
#[tokio::test]
async fn a_node_that_is_back_later_gets_what_waited() {
    let mut server = RedisServer::start(&[]).await;
    let (proxy, prefix) = (Proxy::start(server.port()).await, prefix());
    let a = Node::begin(&server.url(), &prefix, Hasty, 5_000);
    reaches_redis(&a.bus).await;
    let b = Node::start(&proxy.url(), &prefix, Hasty).await;
    let mut at_b = b.subscribe().await;
    proxy.cut();
    server.kill();
    until("the outage to be known", async || a.bus.check().await.is_err() && b.bus.check().await.is_err())
        .await;
    a.bus.publish(ended(1)).await.unwrap();
    server.start_again().await;
    reaches_redis(&a.bus).await;
    proxy.mend();
    at_b.until(&Received::Event(ended(1))).await;
}

/// A node may start before Redis does.
#[tokio::test]
async fn redis_is_not_there_at_first() {
    let mut server = RedisServer::start(&[]).await;
    server.kill();
    let (prefix, url) = (prefix(), server.url());
    let (a, b) = (Node::begin(&url, &prefix, Hasty, 700), Node::begin(&url, &prefix, Hasty, 700));
    let mut at_b = b.subscribe().await;
    a.presence.connect(user_id(1), device_id(1)).await.unwrap();
    a.bus.publish(ended(1)).await.unwrap();
    assert_eq!(a.online().await, [user_id(1)]);
    assert_eq!(b.online().await, []);
    a.bus.check().await.unwrap_err();
    server.start_again().await;
    at_b.until(&Received::Lagged).await;
    b.sees(&[user_id(1)]).await;
}

#[tokio::test]
async fn limits_are_counted_per_node_meanwhile() {
    let mut server = RedisServer::start(&[]).await;
    let proxy = Proxy::start(server.port()).await;
    let redis = redis(&proxy.url(), &prefix(), Hasty);
    redis.connected().await;
    let limiter =
        RedisLimiter::new(redis.clone(), RedisLimiterOptions { alone_for_ms: 0, ..Default::default() });
    let rule = Rule { name: "test", events_max: 1, window_ms: 60_000, block_ms: 0 };
    assert_eq!(limiter.take(&rule, "key", time(0)).await.unwrap(), Decision::Allowed);
    let refused = Decision::Refused { retry_after_ms: 60_000 };
    assert_eq!(limiter.take(&rule, "key", time(0)).await.unwrap(), refused);
    proxy.cut();
    assert_eq!(limiter.take(&rule, "key", time(0)).await.unwrap(), Decision::Allowed, "not known here");
    assert_eq!(limiter.take(&rule, "key", time(0)).await.unwrap(), refused, "counted here");
    proxy.mend();
    until("Redis again", async || {
        limiter.take(&rule, "another", time(0)).await.unwrap();
        redis.is_connected()
    })
    .await;
    server.kill();
    server.start_again().await;
    until("it to be noticed", async || redis.ping().await.is_ok()).await;
    assert_eq!(limiter.take(&rule, "key", time(0)).await.unwrap(), Decision::Allowed, "Redis has forgotten");
    assert_eq!(limiter.take(&rule, "key", time(0)).await.unwrap(), refused);
}
