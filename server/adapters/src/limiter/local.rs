use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use sockeye_core::{
    limits::{Decision, Rule, Window},
    ports::{Limiter, LimiterError},
    time::Timestamp,
};

/// The [`Limiter`] of a single process. At the bound, the key that is idle longest, or soonest, is forgotten.
pub struct LocalLimiter {
    keys_max: usize,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    windows: HashMap<Key, Counter>,
    /// The same keys, by when they are idle.
    by_idle: BTreeSet<(Timestamp, Key)>,
}

/// A rule's name and what it counts for.
type Key = (&'static str, Arc<str>);

struct Counter {
    window: Window,
    idle_at: Timestamp,
}

impl LocalLimiter {
    pub fn new(keys_max: usize) -> Self {
        Self { keys_max: keys_max.max(1), counters: Mutex::default() }
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
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(counters.take(rule, key, events, now, self.keys_max))
    }
}

impl Counters {
    fn take(&mut self, rule: &Rule, key: Key, events: u32, now: Timestamp, keys_max: usize) -> Decision {
        let mut window = match self.windows.remove(&key) {
            Some(counter) => {
                self.by_idle.remove(&(counter.idle_at, key.clone()));
                counter.window
            }
            None => {
                self.make_room(keys_max);
                Window::default()
            }
        };
        let decision = window.take_many(rule, events, now);
        let idle_at = window.idle_at(rule);
        self.by_idle.insert((idle_at, key.clone()));
        self.windows.insert(key, Counter { window, idle_at });
        decision
    }

    fn make_room(&mut self, keys_max: usize) {
        while self.windows.len() >= keys_max
            && let Some((_, key)) = self.by_idle.pop_first()
        {
            self.windows.remove(&key);
        }
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

    #[test]
    fn the_number_of_keys_is_bounded() {
        let rule = Rule { name: "test", events_max: 1, window_ms: 10, block_ms: 0 };
        let mut counters = Counters::default();
        for n in 0u64..100 {
            counters.take(&rule, ("test", n.to_string().into()), 1, Timestamp::from_millis(1000 + n), 7);
            assert!(counters.windows.len() <= 7);
            assert_eq!(counters.windows.len(), counters.by_idle.len());
        }
    }
}
