//! Limits that all nodes share.

use sockeye_adapters::{
    conformance::values::time,
    limiter::{RedisLimiter, redis::RedisLimiterOptions},
};
use sockeye_core::{
    limits::{Attempt, Decision, Outcome, Rule, Throttle, Tries, Window},
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

#[tokio::test]
async fn nodes_count_tries_together_and_nothing_is_kept_for_ever() {
    let prefix = prefix();
    let (a, b) = (limiter(&prefix).await, limiter(&prefix).await);
    let rule = Throttle {
        name: "guesses",
        free_max: 2,
        wait_ms: 1_000,
        wait_ms_max: 8_000,
        forget_ms: 60_000,
        know_ms: 300_000,
    };
    a.attempt(&rule, "ana@example.org", time(0)).await.unwrap();
    b.attempt(&rule, "ana@example.org", time(0)).await.unwrap();
    let refused = Attempt { decision: Decision::Refused { retry_after_ms: 1_000 }, known: false };
    assert_eq!(a.attempt(&rule, "ana@example.org", time(0)).await.unwrap(), refused);
    let keys: Vec<String> = ask(&redis_url(), &["KEYS", &format!("{prefix}:limits:*")]).await;
    assert_eq!(keys.len(), 1);
    assert!(!keys[0].contains("ana"), "an address is in {keys:?}");
    let left_ms = async || ask::<i64>(&redis_url(), &["PTTL", &keys[0]]).await;
    assert!((1..=65_000).contains(&left_ms().await));
    b.settle(&rule, "ana@example.org", Outcome::Good, time(1)).await.unwrap();
    assert!((65_001..=305_000).contains(&left_ms().await), "who is known stays longer");
}

/// The script against the value it restates.
#[tokio::test]
async fn the_script_counts_tries_as_the_value_does() {
    let limiter = limiter(&prefix()).await;
    let rule = Throttle {
        name: "same",
        free_max: 3,
        wait_ms: 100,
        wait_ms_max: 2_000,
        forget_ms: 9_000,
        know_ms: 7_000,
    };
    let (mut tries, mut now, mut random) = (Tries::default(), 10_000u64, 7u64);
    for _ in 0..1_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        now = (now + (random >> 40) % 1_500).saturating_sub(100);
        match (random >> 33) % 16 {
            0 => {
                tries.settle(&rule, Outcome::Good, time(now));
                limiter.settle(&rule, "key", Outcome::Good, time(now)).await.unwrap();
            }
            1 => {
                tries.settle(&rule, Outcome::Void, time(now));
                limiter.settle(&rule, "key", Outcome::Void, time(now)).await.unwrap();
            }
            _ => {
                let expected = tries.attempt(&rule, time(now));
                assert_eq!(limiter.attempt(&rule, "key", time(now)).await.unwrap(), expected, "at {now}");
            }
        }
    }
}
