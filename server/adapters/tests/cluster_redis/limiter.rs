//! Limits that all nodes share.

use sockeye_adapters::{
    conformance::values::time,
    limiter::{RedisLimiter, redis::RedisLimiterOptions},
};
use sockeye_core::{
    limits::{Decision, Rule, Window},
    ports::Limiter,
};

use super::nodes::{Temper::Patient, ask, prefix, redis, redis_url};

async fn limiter(prefix: &str) -> RedisLimiter {
    let redis = redis(&redis_url(), prefix, Patient);
    redis.connected().await;
    RedisLimiter::new(
        redis,
        RedisLimiterOptions { answer_within_ms: 10_000, ..RedisLimiterOptions::default() },
    )
}

#[tokio::test]
async fn nodes_count_together_and_nothing_is_kept_for_ever() {
    let prefix = prefix();
    let (a, b) = (limiter(&prefix).await, limiter(&prefix).await);
    let rule = Rule { name: "log_in", events_max: 2, window_ms: 60_000, block_ms: 0 };
    assert_eq!(a.take(&rule, "192.0.2.1", time(0)).await.unwrap(), Decision::Allowed);
    assert_eq!(b.take(&rule, "192.0.2.1", time(1)).await.unwrap(), Decision::Allowed);
    let refused = Decision::Refused { retry_after_ms: 59_998 };
    assert_eq!(a.take(&rule, "192.0.2.1", time(2)).await.unwrap(), refused);
    let keys: Vec<String> = ask(&redis_url(), &["KEYS", &format!("{prefix}:limits:*")]).await;
    assert_eq!(keys.len(), 1);
    assert!(!keys[0].contains("192"), "an address is in {keys:?}");
    let left_ms: i64 = ask(&redis_url(), &["PTTL", &keys[0]]).await;
    assert!((1..=65_000).contains(&left_ms), "{left_ms}");
}

/// The script against the value it restates, at many times, also ones that go back a little as clocks of nodes do.
#[tokio::test]
async fn the_script_decides_as_the_window_does() {
    let limiter = limiter(&prefix()).await;
    let mut random = 7u64;
    for (nth, block_ms) in [0, 300, 5_000].into_iter().enumerate() {
        let rule = Rule { name: "same", events_max: 3, window_ms: 1_000, block_ms };
        let (mut window, mut now) = (Window::default(), 10_000u64);
        for _ in 0..300 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now = (now + (random >> 40) % 700).saturating_sub(100);
            let (expected, key) = (window.take(&rule, time(now)), nth.to_string());
            assert_eq!(limiter.take(&rule, &key, time(now)).await.unwrap(), expected, "{rule:?} at {now}");
        }
    }
}
