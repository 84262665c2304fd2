use std::sync::Arc;

use async_trait::async_trait;
use sockeye_adapters::{
    bus::{RedisBus, redis::RedisBusOptions},
    conformance::Fixture,
    limiter::{RedisLimiter, redis::RedisLimiterOptions},
    presence::{RedisPresence, redis::RedisPresenceOptions},
};
use sockeye_core::ports::{Bus, Limiter, Presence};

use super::nodes::{Temper::Patient, prefix, reaches_redis, redis, redis_url};

struct Shared {
    prefix: String,
}

impl Shared {
    fn new() -> Self {
        Self { prefix: prefix() }
    }

    async fn bus(&self) -> Arc<RedisBus> {
        let options = RedisBusOptions { subscriber_len_max: 64, ..RedisBusOptions::default() };
        let bus = Arc::new(RedisBus::start(redis(&redis_url(), &self.prefix, Patient), options));
        reaches_redis(&bus).await;
        bus
    }
}

#[async_trait]
impl Fixture<dyn Bus> for Shared {
    async fn open(&self) -> Arc<dyn Bus> {
        self.bus().await
    }
}

#[async_trait]
impl Fixture<dyn Presence> for Shared {
    async fn open(&self) -> Arc<dyn Presence> {
        let redis = redis(&redis_url(), &self.prefix, Patient);
        redis.connected().await;
        Arc::new(RedisPresence::start(
            redis,
            self.bus().await,
            RedisPresenceOptions { answer_within_ms: 10_000, ..Default::default() },
        ))
    }
}

#[async_trait]
impl Fixture<dyn Limiter> for Shared {
    async fn open(&self) -> Arc<dyn Limiter> {
        let redis = redis(&redis_url(), &self.prefix, Patient);
        redis.connected().await;
        // A busy machine is no reason to count elsewhere, here.
        let options = RedisLimiterOptions { answer_within_ms: 10_000, ..RedisLimiterOptions::default() };
        Arc::new(RedisLimiter::new(redis, options))
    }
}

mod bus {
    use super::Shared;
    sockeye_adapters::bus_suite!(Shared::new());
}
mod presence {
    use super::Shared;
    sockeye_adapters::presence_suite!(Shared::new());
}
mod limiter {
    use super::Shared;
    sockeye_adapters::limiter_suite!(Shared::new());
}
