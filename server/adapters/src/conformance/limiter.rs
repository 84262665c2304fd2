//! The suite of [`Limiter`].

use std::sync::Arc;

use sockeye_core::{
    limits::{Attempt, Decision, Outcome, Rule, Throttle},
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
                failures_make_the_next_try_wait,
                a_good_try_forgets_failures_and_is_known,
                a_void_try_is_not_counted,
                tries_of_different_keys_and_rules_do_not_meet,
                failures_are_forgotten,
                concurrent_tries_are_all_counted,
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

const THROTTLE: Throttle = Throttle {
    name: "conformance tries",
    free_max: 2,
    wait_ms: 1_000,
    wait_ms_max: 5_000,
    forget_ms: 60_000,
    know_ms: 300_000,
};

async fn attempt(limiter: &AnyLimiter, rule: &Throttle, key: &str, ms: u64) -> Attempt {
    limiter.attempt(rule, key, time(ms)).await.expect("attempt")
}

async fn settle(limiter: &AnyLimiter, key: &str, outcome: Outcome, ms: u64) {
    limiter.settle(&THROTTLE, key, outcome, time(ms)).await.expect("settle");
}

fn allowed(known: bool) -> Attempt {
    Attempt { decision: Decision::Allowed, known }
}

fn refused(retry_after_ms: u64, known: bool) -> Attempt {
    Attempt { decision: Decision::Refused { retry_after_ms }, known }
}

pub async fn failures_make_the_next_try_wait(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    let mut now = 0;
    assert_eq!(attempt(&*limiter, &THROTTLE, "key", 0).await, allowed(false));
    assert_eq!(attempt(&*limiter, &THROTTLE, "key", 0).await, allowed(false));
    for wait in [1_000, 2_000, 4_000, 5_000, 5_000] {
        assert_eq!(attempt(&*limiter, &THROTTLE, "key", now).await, refused(wait, false));
        assert_eq!(attempt(&*limiter, &THROTTLE, "key", now + wait - 1).await, refused(1, false));
        now += wait;
        assert_eq!(attempt(&*limiter, &THROTTLE, "key", now).await, allowed(false));
    }
}

pub async fn a_good_try_forgets_failures_and_is_known(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    attempt(&*limiter, &THROTTLE, "key", 0).await;
    attempt(&*limiter, &THROTTLE, "key", 0).await;
    settle(&*limiter, "key", Outcome::Good, 10).await;
    assert_eq!(attempt(&*limiter, &THROTTLE, "key", 20).await, allowed(true));
    assert_eq!(attempt(&*limiter, &THROTTLE, "key", 20).await, allowed(true));
    assert_eq!(attempt(&*limiter, &THROTTLE, "key", 20).await, refused(1_000, true));
    assert_eq!(attempt(&*limiter, &THROTTLE, "key", 300_010).await, allowed(false), "known for a while");
}

pub async fn a_void_try_is_not_counted(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    for _ in 0..10 {
        assert_eq!(attempt(&*limiter, &THROTTLE, "key", 0).await, allowed(false));
        settle(&*limiter, "key", Outcome::Void, 0).await;
    }
    settle(&*limiter, "other", Outcome::Void, 0).await;
    assert_eq!(
        attempt(&*limiter, &THROTTLE, "other", 0).await,
        allowed(false),
        "nothing is taken back twice"
    );
    assert_eq!(attempt(&*limiter, &THROTTLE, "other", 0).await, allowed(false));
    assert_eq!(attempt(&*limiter, &THROTTLE, "other", 0).await, refused(1_000, false));
}

pub async fn tries_of_different_keys_and_rules_do_not_meet(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    let one = Throttle { free_max: 1, ..THROTTLE };
    let two = Throttle { name: "conformance other tries", ..one.clone() };
    for (rule, key) in [(&one, "a"), (&one, "b"), (&two, "a"), (&one, "")] {
        assert_eq!(attempt(&*limiter, rule, key, 0).await, allowed(false), "{key}");
    }
    assert_eq!(attempt(&*limiter, &one, "a", 0).await, refused(1_000, false));
}

pub async fn failures_are_forgotten(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    for start in [0, 60_000] {
        assert_eq!(attempt(&*limiter, &THROTTLE, "key", start).await, allowed(false));
        assert_eq!(attempt(&*limiter, &THROTTLE, "key", start).await, allowed(false));
        assert_eq!(attempt(&*limiter, &THROTTLE, "key", start).await, refused(1_000, false));
    }
}

pub async fn concurrent_tries_are_all_counted(fixture: &impl Fixture<AnyLimiter>) {
    let limiter = fixture.open().await;
    let rule = Throttle { free_max: 25, ..THROTTLE };
    let mut tries = JoinSet::new();
    for _ in 0..100 {
        let (limiter, rule) = (Arc::clone(&limiter), rule.clone());
        tries.spawn(async move { attempt(&*limiter, &rule, "key", 0).await });
    }
    let allowed = tries.join_all().await.into_iter().filter(|attempt| attempt.decision == Decision::Allowed);
    assert_eq!(allowed.count(), 25);
}
