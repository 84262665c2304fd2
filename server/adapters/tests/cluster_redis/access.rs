//! Accounts that lack something, and servers that cannot serve: a node says so, and `sockeye doctor` what to do.

use sockeye_adapters::{
    conformance::values::{device_id, time, user_id},
    limiter::{RedisLimiter, redis::RedisLimiterOptions},
    redis::{Redis, RedisServer as Found},
};
use sockeye_core::{
    limits::Rule,
    ports::{Bus, Limiter, Presence},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    nodes::{Node, Temper::Patient, prefix, redis, until},
    server::RedisServer,
};

/// The URL of an account `one` with these rules.
async fn account(server: &RedisServer, rules: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let command = format!("ACL SETUSER one reset on >secret {rules}\r\n");
    connection.write_all(command.as_bytes()).await.unwrap();
    let mut answer = [0; 5];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n", "{rules}");
    format!("redis://one:secret@127.0.0.1:{}", server.port())
}

async fn tried(url: &str, prefix: &str) -> (Redis, Found) {
    let redis = redis(url, prefix, Patient);
    redis.connected().await;
    let found = redis.try_out().await.unwrap();
    (redis, found)
}

#[tokio::test]
async fn an_account_may_do_what_is_advised_and_no_more_is_needed() {
    let server = RedisServer::start(&[]).await;
    let prefix = prefix();
    let everything = account(&server, &format!("~{prefix}:* &{prefix}:* +@all -script")).await;
    let (_, found) = tried(&everything, &prefix).await;
    let advice = found.problems.last().expect("without SCRIPT LOAD, scripts cannot be used");
    let rules = advice.split("<user> ").nth(1).expect("a rule");
    let url = account(&server, rules).await;
    let (_, found) = tried(&url, &prefix).await;
    assert_eq!(found.problems, Vec::<String>::new());
    assert!(found.version.is_some());

    let (a, b) = (Node::start(&url, &prefix, Patient).await, Node::start(&url, &prefix, Patient).await);
    a.presence.connect(user_id(1), device_id(1)).await.unwrap();
    b.presence.connect(user_id(2), device_id(2)).await.unwrap();
    for node in [&a, &b] {
        node.sees(&[user_id(1), user_id(2)]).await;
        node.bus.check().await.unwrap();
    }
}

#[tokio::test]
async fn every_lack_of_an_account_is_found_by_the_trial_and_by_a_node() {
    let server = RedisServer::start(&[]).await;
    let prefix = prefix();
    for rules in [
        "~* &* +@all -@scripting".to_owned(),
        "~other:* &* +@all".to_owned(),
        format!("~{prefix}:limits:* &* +@all"),
        "~* &* +@all -smembers".to_owned(),
        "~* &* +@all -publish".to_owned(),
        "~* &other:* +@all".to_owned(),
        "~* &* +@all -hset".to_owned(),
    ] {
        let url = account(&server, &rules).await;
        let (_, found) = tried(&url, &prefix).await;
        assert!(found.problems.len() > 1, "{rules}: {found:?}");
        assert!(found.problems.last().unwrap().contains("ACL SETUSER"), "{rules}: {found:?}");
        assert!(!found.problems.concat().contains("secret"), "{found:?}");

        let node = Node::begin(&url, &prefix, Patient, 700);
        node.presence.connect(user_id(1), device_id(1)).await.unwrap();
        // Reading of another node's users needs another node.
        let full = Node::start(&server.url(), &prefix, Patient).await;
        full.presence.connect(user_id(2), device_id(2)).await.unwrap();
        node.redis.connected().await;
        until("the bus to be told of as not usable", async || {
            node.presence.online().await.unwrap();
            node.bus.check().await.is_err()
        })
        .await;
    }
}

#[tokio::test]
async fn limits_that_are_refused_are_told_until_they_work_again() {
    let server = RedisServer::start(&[]).await;
    let prefix = prefix();
    let url = account(&server, &format!("~{prefix}:presence:* &* +@all")).await;
    let node = Node::start(&url, &prefix, Patient).await;
    let options =
        RedisLimiterOptions { answer_within_ms: 10_000, alone_for_ms: 1, ..RedisLimiterOptions::default() };
    let limiter = RedisLimiter::new(node.redis.clone(), options);
    let rule = Rule { name: "test", events_max: 1000, window_ms: 60_000, block_ms: 0 };
    limiter.take(&rule, "somebody", time(1)).await.unwrap();
    let error = node.bus.check().await.expect_err("limits are refused");
    assert!(error.to_string().contains("limits"), "{error}");
    account(&server, "~* &* +@all").await;
    until("the limits to be counted in Redis", async || {
        limiter.take(&rule, "somebody", time(1)).await.unwrap();
        node.bus.check().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn replicas_and_clusters_are_told_apart_from_servers_that_can_be_used() {
    let primary = RedisServer::start(&[]).await;
    let replica = RedisServer::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]).await;
    let cluster = RedisServer::start(&["--cluster-enabled", "yes"]).await;
    for (server, words) in [(&replica, "primary"), (&cluster, "Cluster")] {
        let redis = redis(&server.url(), "sockeye", Patient);
        redis.connected().await;
        let found = redis.try_out().await.unwrap();
        assert!(found.problems.iter().any(|problem| problem.contains(words)), "{found:?}");
    }
    let (_, found) = tried(&primary.url(), "sockeye").await;
    assert_eq!(found.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let server = RedisServer::start(&["--requirepass", "right"]).await;
    let redis = redis(&format!("redis://:wrong@127.0.0.1:{}", server.port()), "sockeye", Patient);
    until("it to be told why", async || redis.why_away().is_some()).await;
    let why = redis.why_away().unwrap();
    assert!(why.to_lowercase().contains("password") && !why.contains("wrong@"), "{why}");
}
