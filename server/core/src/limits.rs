//! Rates, as values, and what they are counted for.

mod account;
mod network;
mod throttle;

pub use self::{
    account::AccountKey,
    network::{client_of, network_of},
    throttle::{Attempt, Outcome, Throttle, Tries},
};
use crate::time::Timestamp;

/// At most `events_max` per `window_ms`; over that, refused for `block_ms` (0: until the window is over).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Distinguishes the counters of different rules for the same key.
    pub name: &'static str,
    pub events_max: u32,
    pub window_ms: u64,
    pub block_ms: u64,
}

/// Whether an event may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    Refused { retry_after_ms: u64 },
}

/// The count of one key under one rule: a fixed window, then a pause.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    started_at: Timestamp,
    count: u32,
    blocked_until: Timestamp,
}

impl Window {
    pub fn take(&mut self, rule: &Rule, now: Timestamp) -> Decision {
        self.take_many(rule, 1, now)
    }

    /// `events` at once: all of them may pass, or none.
    pub fn take_many(&mut self, rule: &Rule, events: u32, now: Timestamp) -> Decision {
        if now < self.blocked_until {
            return Decision::Refused { retry_after_ms: self.blocked_until.millis_since(now) };
        }
        if now.millis_since(self.started_at) >= rule.window_ms {
            *self = Self { started_at: now, ..Self::default() };
        }
        if events <= rule.events_max.saturating_sub(self.count) {
            self.count += events;
            return Decision::Allowed;
        }
        let window_ends = self.started_at.plus_millis(rule.window_ms);
        self.blocked_until = window_ends.max(now.plus_millis(rule.block_ms));
        Decision::Refused { retry_after_ms: self.blocked_until.millis_since(now) }
    }

    /// Whether everything is refused at `now`.
    pub fn is_blocked(&self, now: Timestamp) -> bool {
        now < self.blocked_until
    }

    /// Whether forgetting the window changes nothing.
    pub fn is_idle(&self, rule: &Rule, now: Timestamp) -> bool {
        now >= self.idle_at(rule)
    }

    /// From when on forgetting the window changes nothing.
    pub fn idle_at(&self, rule: &Rule) -> Timestamp {
        self.blocked_until.max(self.started_at.plus_millis(rule.window_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { name: "test", events_max: 2, window_ms: 1000, block_ms: 5000 };

    #[test]
    fn over_the_bound_is_refused_for_the_block() {
        let mut window = Window::default();
        let at = |ms: u64| Timestamp::from_millis(10_000 + ms);
        assert_eq!(window.take(&RULE, at(0)), Decision::Allowed);
        assert_eq!(window.take(&RULE, at(1)), Decision::Allowed);
        assert_eq!(window.take(&RULE, at(2)), Decision::Refused { retry_after_ms: 5000 });
        assert_eq!(window.take(&RULE, at(4002)), Decision::Refused { retry_after_ms: 1000 });
        assert!(!window.is_idle(&RULE, at(4002)));
        assert_eq!(window.take(&RULE, at(5002)), Decision::Allowed);
    }

    #[test]
    fn many_pass_together_or_not_at_all() {
        let rule = Rule { name: "test", events_max: 10, window_ms: 1000, block_ms: 0 };
        let at = |ms: u64| Timestamp::from_millis(10_000 + ms);
        let mut window = Window::default();
        assert_eq!(window.take_many(&rule, 6, at(0)), Decision::Allowed);
        assert_eq!(window.take_many(&rule, 4, at(0)), Decision::Allowed);
        assert_eq!(window.take_many(&rule, 1, at(100)), Decision::Refused { retry_after_ms: 900 });
        let mut window = Window::default();
        assert_eq!(window.take_many(&rule, 6, at(0)), Decision::Allowed);
        assert_eq!(window.take_many(&rule, 5, at(0)), Decision::Refused { retry_after_ms: 1000 });
        assert_eq!(window.take_many(&rule, 11, at(1000)), Decision::Refused { retry_after_ms: 1000 });
    }

    #[test]
    fn a_new_window_starts_from_zero() {
        let mut window = Window::default();
        let at = |ms: u64| Timestamp::from_millis(10_000 + ms);
        window.take(&RULE, at(0));
        window.take(&RULE, at(0));
        assert!(window.is_idle(&RULE, at(1000)));
        assert_eq!(window.take(&RULE, at(1000)), Decision::Allowed);
    }
}
