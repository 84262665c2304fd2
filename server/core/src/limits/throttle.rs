use super::Decision;
use crate::time::Timestamp;

/// How failures slow down the next try, instead of locking anything.
///
/// The first `free_max` failures cost nothing. After each further one the next try must wait: `wait_ms`, then twice as
/// long each time, at most `wait_ms_max`. Failures are forgotten `forget_ms` after the last one. Whoever succeeds is known
/// for `know_ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// Distinguishes the counters of different rules for the same key.
    pub name: &'static str,
    pub free_max: u32,
    pub wait_ms: u64,
    pub wait_ms_max: u64,
    pub forget_ms: u64,
    pub know_ms: u64,
}

/// What is said to a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub decision: Decision,
    /// Whether a try under this key was good within `know_ms`.
    pub known: bool,
}

/// How a try that was allowed ended, when it was no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded: failures are forgotten.
    Good,
    /// It was not carried out, or says nothing: as if it had not been.
    Void,
}

/// The tries of one key. A try counts as failed from its beginning until it is settled otherwise: so none is free for
/// being made at the same time as others, or for being given up before its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    failures: u32,
    last_at: Timestamp,
    open_at: Timestamp,
    known_until: Timestamp,
}

impl Throttle {
    /// How long the next try must wait after so many failures.
    fn wait_after(&self, failures: u32) -> u64 {
        match failures.checked_sub(self.free_max) {
            None => 0,
            Some(doublings) => {
                let factor = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
                self.wait_ms.saturating_mul(factor).min(self.wait_ms_max)
            }
        }
    }
}

impl Tries {
    /// A try that is refused is not counted, and prolongs nothing.
    pub fn attempt(&mut self, rule: &Throttle, now: Timestamp) -> Attempt {
        let known = now < self.known_until;
        if now < self.open_at {
            let decision = Decision::Refused { retry_after_ms: self.open_at.millis_since(now) };
            return Attempt { decision, known };
        }
        if now.millis_since(self.last_at) >= rule.forget_ms {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last_at = now;
        self.open_at = now.plus_millis(rule.wait_after(self.failures));
        Attempt { decision: Decision::Allowed, known }
    }

    pub fn settle(&mut self, rule: &Throttle, outcome: Outcome, now: Timestamp) {
        match outcome {
            Outcome::Good => {
                *self = Self { known_until: now.plus_millis(rule.know_ms), ..Self::default() };
            }
            // The wait that began with it stays: it may have become another try's meanwhile.
            Outcome::Void => self.failures = self.failures.saturating_sub(1),
        }
    }

    /// Whether everything is refused at `now`.
    pub fn is_blocked(&self, now: Timestamp) -> bool {
        now < self.open_at
    }

    pub fn has_failures(&self) -> bool {
        self.failures > 0
    }

    /// From when on forgetting the tries changes nothing.
    pub fn idle_at(&self, rule: &Throttle) -> Timestamp {
        let forgotten =
            if self.failures > 0 { self.last_at.plus_millis(rule.forget_ms) } else { self.last_at };
        forgotten.max(self.open_at).max(self.known_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Throttle = Throttle {
        name: "test",
        free_max: 3,
        wait_ms: 1_000,
        wait_ms_max: 6_000,
        forget_ms: 100_000,
        know_ms: 500_000,
    };

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    fn refused(retry_after_ms: u64) -> Decision {
        Decision::Refused { retry_after_ms }
    }

    #[test]
    fn waits_begin_after_the_free_failures_and_double_up_to_their_bound() {
        let mut tries = Tries::default();
        let mut now = 0;
        assert!((0..3).all(|_| tries.attempt(&RULE, at(0)).decision == Decision::Allowed));
        for wait in [1_000, 2_000, 4_000, 6_000, 6_000] {
            assert_eq!(tries.attempt(&RULE, at(now)).decision, refused(wait));
            assert_eq!(
                tries.attempt(&RULE, at(now + wait - 1)).decision,
                refused(1),
                "asking prolongs nothing"
            );
            now += wait;
            assert_eq!(tries.attempt(&RULE, at(now)).decision, Decision::Allowed);
        }
        tries.failures = u32::MAX;
        assert_eq!(tries.attempt(&RULE, at(now + 6_000)).decision, Decision::Allowed);
        assert_eq!(
            tries.attempt(&RULE, at(now + 6_001)).decision,
            refused(5_999),
            "no wait is too long to count"
        );
    }

    #[test]
    fn a_success_forgets_failures_and_is_known_for_a_while() {
        let mut tries = Tries::default();
        (0..3).for_each(|_| _ = tries.attempt(&RULE, at(0)));
        assert!(tries.is_blocked(at(999)) && tries.has_failures());
        tries.settle(&RULE, Outcome::Good, at(10));
        assert!(!tries.is_blocked(at(10)) && !tries.has_failures());
        for _ in 0..3 {
            assert_eq!(tries.attempt(&RULE, at(11)), Attempt { decision: Decision::Allowed, known: true });
        }
        assert!(tries.attempt(&RULE, at(12)).known, "also while it must wait");
        assert!(!tries.attempt(&RULE, at(500_010)).known);
    }

    #[test]
    fn what_was_not_carried_out_is_not_counted() {
        let mut tries = Tries::default();
        for _ in 0..50 {
            assert_eq!(tries.attempt(&RULE, at(0)).decision, Decision::Allowed);
            tries.settle(&RULE, Outcome::Void, at(0));
        }
    }

    #[test]
    fn tries_at_the_same_time_are_all_counted() {
        let mut tries = Tries::default();
        let allowed = (0..50).filter(|_| tries.attempt(&RULE, at(0)).decision == Decision::Allowed);
        assert_eq!(allowed.count(), 3);
    }

    #[test]
    fn failures_are_forgotten_in_time_and_then_nothing_is_left() {
        let mut tries = Tries::default();
        (0..3).for_each(|_| _ = tries.attempt(&RULE, at(0)));
        assert_eq!(tries.idle_at(&RULE), at(100_000));
        assert!((0..3).all(|_| tries.attempt(&RULE, at(100_000)).decision == Decision::Allowed));
    }
}
