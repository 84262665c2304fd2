//! Nodes, and what one can see of them.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use sockeye_adapters::{
    bus::{RedisBus, redis::RedisBusOptions},
    presence::{RedisPresence, redis::RedisPresenceOptions},
    redis::{Redis, RedisOptions},
};
use sockeye_core::{
    id::UserId,
    ports::{Bus, BusEvent, BusSubscription, Entropy, Presence, Received},
    session::SessionId,
};
use tokio::time::timeout;

/// No condition takes this long, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a node waits before it takes Redis, or Redis takes it, for dead.
#[derive(Clone, Copy)]
pub enum Temper {
    /// Longer than a busy machine makes anybody wait: for tests in which nobody dies.
    Patient,
    /// For tests in which somebody does, so that they are short.
    Hasty,
}

pub struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&RandomState::new().hash_one(()).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Keys of one test, on a server that other tests use too.
pub fn prefix() -> String {
    format!("test-{:016x}", RandomState::new().hash_one(()))
}

pub fn redis_url() -> String {
    variable("SOCKEYE_TEST_REDIS_URL").expect(
        "SOCKEYE_TEST_REDIS_URL names no Redis: run this by `scripts/services run redis -- cargo test ...`",
    )
}

#[expect(clippy::disallowed_methods, reason = "where the servers are, of a test")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub fn redis(url: &str, prefix: &str, temper: Temper) -> Redis {
    let (connect_timeout_ms, response_timeout_ms) = match temper {
        Temper::Patient => (10_000, 10_000),
        Temper::Hasty => (500, 500),
    };
    let options = RedisOptions {
        prefix: prefix.to_owned(),
        connect_timeout_ms,
        response_timeout_ms,
        probe_every_ms: 300,
        reconnect_pause_max_ms: 200,
        ..RedisOptions::new(url)
    };
    Redis::start(options, &Random).expect("a URL")
}

pub struct Node {
    pub redis: Redis,
    pub bus: Arc<RedisBus>,
    pub presence: RedisPresence,
}

impl Node {
    /// A node that reaches Redis.
    pub async fn start(url: &str, prefix: &str, temper: Temper) -> Self {
        let node = Self::begin(url, prefix, temper, 700);
        reaches_redis(&node.bus).await;
        node
    }

    pub fn begin(url: &str, prefix: &str, temper: Temper, settle_ms: u64) -> Self {
        let redis = redis(url, prefix, temper);
        let options = RedisBusOptions { settle_ms, ..RedisBusOptions::default() };
        let bus = Arc::new(RedisBus::start(redis.clone(), options));
        let (lease_ms, answer_within_ms) = match temper {
            Temper::Patient => (60_000, 10_000),
            Temper::Hasty => (900, 300),
        };
        let options =
            RedisPresenceOptions { lease_ms, renew_every_ms: 300, answer_within_ms, retry_after_ms: 100 };
        let presence = RedisPresence::start(redis.clone(), Arc::clone(&bus) as _, options);
        Self { redis, bus, presence }
    }

    pub async fn online(&self) -> Vec<UserId> {
        self.presence.online().await.expect("online never fails")
    }

    pub async fn sees(&self, users: &[UserId]) {
        until("everybody to be online", async || self.online().await == users).await;
    }

    pub async fn subscribe(&self) -> Subscriber {
        Subscriber(self.bus.subscribe().await.expect("subscribe"))
    }
}

pub struct Subscriber(Box<dyn BusSubscription>);

impl Subscriber {
    pub async fn next(&mut self) -> Received {
        let next = timeout(PATIENCE, self.0.next()).await;
        next.expect("something should have come").expect("a working bus")
    }

    pub async fn until(&mut self, wanted: &Received) {
        while self.next().await != *wanted {}
    }
}

pub fn ended(number: u128) -> BusEvent {
    BusEvent::SessionEnded(SessionId(number.to_be_bytes()))
}

/// Waits until it is so.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let came = timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    came.await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// Waits until events of other nodes arrive, too.
pub async fn reaches_redis(bus: &RedisBus) {
    let came = timeout(PATIENCE, async {
        while bus.check().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    came.await.expect("Redis was not reached");
}

/// Asks Redis directly.
pub async fn ask<T: redis::FromRedisValue>(url: &str, command: &[&str]) -> T {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("connect");
    let mut question = redis::Cmd::new();
    question.arg(command);
    question.query_async(&mut connection).await.expect("an answer")
}
