//! Measures the Redis adapters, for docs/decisions/0032-redis.md:
//! `scripts/services run redis -- sh -c 'cargo run --release -p sockeye-adapters --example measure_redis $SOCKEYE_TEST_REDIS_URL'`.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use sockeye_adapters::{
    bus::{RedisBus, redis::RedisBusOptions},
    conformance::values::{device_id, time, user_id},
    limiter::{RedisLimiter, redis::RedisLimiterOptions},
    presence::{RedisPresence, redis::RedisPresenceOptions},
    redis::{Redis, RedisOptions},
};
use sockeye_core::{
    limits::Rule,
    ports::{Bus, BusEvent, Entropy, Limiter, Presence, Received},
    session::SessionId,
};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: u64 = 2_000;
const USERS: u64 = 10_000;

struct Node {
    redis: Redis,
    bus: Arc<RedisBus>,
    presence: Arc<RedisPresence>,
}

struct Numbered(u8);

impl Entropy for Numbered {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

impl Node {
    async fn start(url: &str, number: u8) -> Outcome<Self> {
        let options =
            RedisOptions { prefix: format!("measure-{}", std::process::id()), ..RedisOptions::new(url) };
        let redis = Redis::start(options, &Numbered(number))?;
        let bus = Arc::new(RedisBus::start(redis.clone(), RedisBusOptions::default()));
        while bus.check().await.is_err() {
            tokio::task::yield_now().await;
        }
        let options = RedisPresenceOptions::default();
        let presence = Arc::new(RedisPresence::start(redis.clone(), Arc::clone(&bus) as _, options));
        Ok(Self { redis, bus, presence })
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let url = std::env::args().nth(1).ok_or("give the URL of a Redis")?;
    let (a, b) = (Node::start(&url, 1).await?, Node::start(&url, 2).await?);

    let mut at_b = b.bus.subscribe().await?;
    let mut spans = vec![];
    for number in 0..ROUNDS {
        let event = BusEvent::SessionEnded(SessionId(u128::from(number).to_be_bytes()));
        let begin = Instant::now();
        a.bus.publish(event.clone()).await?;
        while at_b.next().await? != Received::Event(event.clone()) {}
        spans.push(begin.elapsed());
    }
    report("publish until the other node has it", spans);

    let begin = Instant::now();
    let mut users = JoinSet::new();
    for number in 0..USERS {
        let presence = Arc::clone(&a.presence);
        users.spawn(async move { presence.connect(user_id(number), device_id(number)).await });
    }
    users.join_all().await.into_iter().collect::<Result<Vec<()>, _>>()?;
    println!("{USERS} users connect at once: {:?}", begin.elapsed());

    let begin = Instant::now();
    assert_eq!(b.presence.online().await?.len() as u64, USERS);
    println!("online() of the other node, first: {:?}", begin.elapsed());

    let (mut same, mut changed, mut connects) = (vec![], vec![], vec![]);
    for number in 0..ROUNDS {
        let begin = Instant::now();
        b.presence.online().await?;
        same.push(begin.elapsed());
        let begin = Instant::now();
        a.presence.disconnect(user_id(number), device_id(number)).await?;
        connects.push(begin.elapsed());
        let begin = Instant::now();
        b.presence.online().await?;
        changed.push(begin.elapsed());
    }
    report("online() of the other node, nothing changed", same);
    report("online() of the other node, one user changed", changed);
    report("disconnect until Redis has it", connects);

    let limiter = RedisLimiter::new(a.redis.clone(), RedisLimiterOptions::default());
    let rule = Rule { name: "measure", events_max: 1_000_000, window_ms: 60_000, block_ms: 0 };
    let mut takes = vec![];
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        limiter.take(&rule, "key", time(0)).await?;
        takes.push(begin.elapsed());
    }
    report("take of the limiter", takes);
    a.presence.leave().await;
    b.presence.leave().await;
    Ok(())
}

fn report(what: &str, mut spans: Vec<Duration>) {
    spans.sort();
    let at = |percent: usize| spans[(spans.len() - 1) * percent / 100];
    println!("{what}: p50 {:?}, p99 {:?}, worst {:?}", at(50), at(99), at(100));
}
