//! The suite of [`Limiter`].

use std::sync::Arc;

use sockeye_core::{
    limits::{Decision, Rule},
    ports::Limiter,
};
use tokio::task::JoinSet;

use super::{Fixture, values::time};

/// Tests of a [`Limiter`]; give an expression that makes a [`Fixture`].
#[macro_export]
macro_rules! limiter_suite {
    ($fixture:expr) => {
        $crate::conformance_checks!(
            [$crate::conformance::limiter],
            $fixture,
            [
                over_the_bound_is_refused_until_the_window_is_over,
                over_the_bound_is_refused_for_the_block,
                keys_do_not_meet,
                rules_do_not_meet,
                many_pass_together_or_not_at_all,
                concurrent_events_are_all_counted,
            ]
        );
    };
}

type AnyLimiter = dyn Limiter;

const RULE: Rule = Rule { name: "conformance", events_max: 3, window_ms: 1_000, block_ms: 0 };

pub async fn over_the_bound_is_refused_until_the_window_is_over(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    for ms in [0, 100, 200] {
        assert_eq!(limiter.take(&RULE, "key", time(ms)).await.expect("take"), Decision::Allowed);
    }
    let refused = limiter.take(&RULE, "key", time(400)).await.expect("take");
    assert_eq!(refused, Decision::Refused { retry_after_ms: 600 });
    assert_eq!(limiter.take(&RULE, "key", time(1_000)).await.expect("take"), Decision::Allowed);
}

pub async fn over_the_bound_is_refused_for_the_block(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    let rule = Rule { block_ms: 5_000, events_max: 1, ..RULE };
    limiter.take(&rule, "key", time(0)).await.expect("take");
    let refused = limiter.take(&rule, "key", time(10)).await.expect("take");
    assert_eq!(refused, Decision::Refused { retry_after_ms: 5_000 });
    let refused = limiter.take(&rule, "key", time(2_010)).await.expect("take");
    assert_eq!(refused, Decision::Refused { retry_after_ms: 3_000 }, "asking again does not prolong it");
    assert_eq!(limiter.take(&rule, "key", time(5_010)).await.expect("take"), Decision::Allowed);
}

pub async fn keys_do_not_meet(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    let rule = Rule { events_max: 1, ..RULE };
    for key in ["a", "b", "", "a:b", "\u{e9}"] {
        assert_eq!(limiter.take(&rule, key, time(0)).await.expect("take"), Decision::Allowed, "{key}");
    }
    assert!(matches!(limiter.take(&rule, "a", time(0)).await, Ok(Decision::Refused { .. })));
}

pub async fn rules_do_not_meet(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    for name in ["one", "two"] {
        let rule = Rule { name, events_max: 1, ..RULE };
        assert_eq!(limiter.take(&rule, "key", time(0)).await.expect("take"), Decision::Allowed);
    }
}

pub async fn many_pass_together_or_not_at_all(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    let rule = Rule { events_max: 100_000, ..RULE };
    let take = async |events, ms| limiter.take_many(&rule, "key", events, time(ms)).await.expect("take");
    assert_eq!(take(99_990, 0).await, Decision::Allowed);
    assert_eq!(take(10, 100).await, Decision::Allowed);
    assert_eq!(take(1, 400).await, Decision::Refused { retry_after_ms: 600 });
    assert_eq!(take(99_990, 1_000).await, Decision::Allowed, "a window later");
    assert_eq!(take(11, 1_000).await, Decision::Refused { retry_after_ms: 1_000 });
    let more_than_all = take(100_001, 2_000).await;
    assert_eq!(more_than_all, Decision::Refused { retry_after_ms: 1_000 });
}

pub async fn concurrent_events_are_all_counted(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    let rule = Rule { events_max: 25, ..RULE };
    let mut events = JoinSet::new();
    for _ in 0..100 {
        let (limiter, rule) = (Arc::clone(&limiter), rule.clone());
        events.spawn(async move { limiter.take(&rule, "key", time(0)).await.expect("take") });
    }
    let allowed = events.join_all().await.into_iter().filter(|decision| *decision == Decision::Allowed);
    assert_eq!(allowed.count(), 25);
}
