use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sockeye_core::{
    limits::{Attempt, Decision, Outcome, Rule, Throttle, Tries, Window},
    ports::{Limiter, LimiterError},
    time::Timestamp,
};

/// The [`Limiter`] of a single process.
pub struct LocalLimiter {
    keys_max: usize,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    counters: HashMap<Key, Counter>,
    /// The same keys, by their worth and by when they are idle.
    by_idle: [BTreeSet<(Timestamp, Key)>; WORTHS],
}

/// A rule's name and what it counts for.
type Key = (&'static str, Arc<str>);

struct Counter {
    state: State,
    idle_at: Timestamp,
    worth: usize,
}

#[derive(Clone, Copy)]
enum State {
    Window(Window),
    Tries(Tries),
}

/// Why a counter is kept, in ascending order of how long it is kept when there is no room.
const KNOWN: usize = 0;
const COUNTS: usize = 1;
const BLOCKS: usize = 2;
const WORTHS: usize = 3;

impl LocalLimiter {
    pub fn new(keys_max: usize) -> Self {
        Self { keys_max: keys_max.max(1), counters: Mutex::default() }
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Limiter for LocalLimiter {
    async fn take_many(
        &self,
        rule: &Rule,
        key: &str,
        events: u32,
        now: Timestamp,
    ) -> Result<Decision, LimiterError> {
        let key = (rule.name, Arc::from(key));
        Ok(self.counters().take(rule, key, events, now, self.keys_max))
    }

    async fn attempt(&self, rule: &Throttle, key: &str, now: Timestamp) -> Result<Attempt, LimiterError> {
        let key = (rule.name, Arc::from(key));
        Ok(self.counters().tries(rule, key, now, self.keys_max, |tries| tries.attempt(rule, now)))
    }

    async fn settle(
        &self,
        rule: &Throttle,
        key: &str,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<(), LimiterError> {
        let key = (rule.name, Arc::from(key));
        self.counters().tries(rule, key, now, self.keys_max, |tries| tries.settle(rule, outcome, now));
        Ok(())
    }
}

impl Counters {
    fn take(&mut self, rule: &Rule, key: Key, events: u32, now: Timestamp, keys_max: usize) -> Decision {
        let mut window = match self.remove(&key) {
            Some(State::Window(window)) => window,
            _ => Window::default(),
        };
        let decision = window.take_many(rule, events, now);
        let worth = if window.is_blocked(now) { BLOCKS } else { COUNTS };
        let counter = Counter { state: State::Window(window), idle_at: window.idle_at(rule), worth };
        self.insert(key, counter, now, keys_max);
        decision
    }

    fn tries<T>(
        &mut self,
        rule: &Throttle,
        key: Key,
        now: Timestamp,
        keys_max: usize,
        change: impl FnOnce(&mut Tries) -> T,
    ) -> T {
        let mut tries = match self.remove(&key) {
            Some(State::Tries(tries)) => tries,
            _ => Tries::default(),
        };
        let answer = change(&mut tries);
        let worth = match (tries.is_blocked(now), tries.has_failures()) {
            (true, _) => BLOCKS,
            (false, true) => COUNTS,
            (false, false) => KNOWN,
        };
        let counter = Counter { state: State::Tries(tries), idle_at: tries.idle_at(rule), worth };
        self.insert(key, counter, now, keys_max);
        answer
    }

    fn insert(&mut self, key: Key, counter: Counter, now: Timestamp, keys_max: usize) {
        if counter.idle_at <= now {
            return;
        }
        while self.counters.len() >= keys_max
            && let Some(key) = self.least(now)
        {
            self.remove(&key);
        }
        self.by_idle[counter.worth].insert((counter.idle_at, key.clone()));
        self.counters.insert(key, counter);
    }

    fn remove(&mut self, key: &Key) -> Option<State> {
        let counter = self.counters.remove(key)?;
        self.by_idle[counter.worth].remove(&(counter.idle_at, key.clone()));
        Some(counter.state)
    }

    /// The key that is missed least: one that is idle, else of those worth least the one that is idle soonest.
    fn least(&self, now: Timestamp) -> Option<Key> {
        let soonest = || self.by_idle.iter().filter_map(BTreeSet::first);
        let idle = soonest().find(|(idle_at, _)| *idle_at <= now);
        idle.or_else(|| soonest().next()).map(|(_, key)| key.clone())
    }
}

impl fmt::Debug for LocalLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLimiter").field("keys_max", &self.keys_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { name: "test", events_max: 1, window_ms: 1_000, block_ms: 5_000 };
    const THROTTLE: Throttle = Throttle {
        name: "tries",
        free_max: 1,
        wait_ms: 100,
        wait_ms_max: 100,
        forget_ms: 200,
        know_ms: 1_000_000,
    };

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    fn refused(decision: Decision) -> bool {
        decision != Decision::Allowed
    }

    #[tokio::test]
    async fn the_number_of_keys_is_bounded() {
        let limiter = LocalLimiter::new(7);
        for n in 0u64..100 {
            let key = n.to_string();
            limiter.take(&RULE, &key, at(n)).await.unwrap();
            limiter.attempt(&THROTTLE, &key, at(n)).await.unwrap();
            limiter.settle(&THROTTLE, &key, Outcome::Good, at(n)).await.unwrap();
            let counters = limiter.counters();
            assert!(counters.counters.len() <= 7);
            assert_eq!(counters.counters.len(), counters.by_idle.iter().map(BTreeSet::len).sum::<usize>());
        }
    }

    #[tokio::test]
    async fn a_flood_of_other_keys_ends_no_block() {
        let limiter = LocalLimiter::new(10);
        limiter.take(&RULE, "blocked", at(0)).await.unwrap();
        assert!(refused(limiter.take(&RULE, "blocked", at(0)).await.unwrap()));
        limiter.attempt(&THROTTLE, "waits", at(0)).await.unwrap();
        for n in 0..1_000 {
            // Of a longer window than the block: these are idle later.
            let rule = Rule { window_ms: 60_000, ..RULE };
            limiter.take(&rule, &n.to_string(), at(1)).await.unwrap();
        }
        assert!(refused(limiter.take(&RULE, "blocked", at(2)).await.unwrap()));
        assert!(refused(limiter.attempt(&THROTTLE, "waits", at(2)).await.unwrap().decision));
    }

    #[tokio::test]
    async fn those_who_are_known_leave_room_for_counts() {
        let limiter = LocalLimiter::new(10);
        for n in 0..20 {
            limiter.settle(&THROTTLE, &n.to_string(), Outcome::Good, at(0)).await.unwrap();
        }
        limiter.take(&RULE, "counted", at(0)).await.unwrap();
        for n in 20..40 {
            limiter.settle(&THROTTLE, &n.to_string(), Outcome::Good, at(1)).await.unwrap();
        }
        assert!(refused(limiter.take(&RULE, "counted", at(2)).await.unwrap()));
    }

    #[tokio::test]
    async fn what_is_idle_goes_first_even_if_it_was_blocked() {
        let limiter = LocalLimiter::new(2);
        limiter.attempt(&THROTTLE, "was blocked", at(0)).await.unwrap();
        limiter.take(&RULE, "counted", at(250)).await.unwrap();
        limiter.take(&RULE, "new", at(251)).await.unwrap();
        assert!(refused(limiter.take(&RULE, "counted", at(252)).await.unwrap()));
    }
}
