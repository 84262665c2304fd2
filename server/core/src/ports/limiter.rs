use async_trait::async_trait;

use crate::{
    limits::{Attempt, Decision, Outcome, Rule, Throttle},
    time::Timestamp,
};

/// Counts events per rule and key, as [`crate::limits::Window`] does, and tries, as [`crate::limits::Tries`] does.
///
/// * Keys of different rules do not meet.
/// * However many ask at once, all are counted, one after another.
/// * The number of keys remembered is bounded; when it is reached, keys that are idle go first, then those that only say
///   who is known, then counts, and last of all those that are refused now: a flood of other keys ends no block while it
///   can be helped.
/// * Counts may be forgotten at a restart, not otherwise while a window, block or wait lasts (unless the bound forces it).
#[async_trait]
pub trait Limiter: Send + Sync {
    async fn take(&self, rule: &Rule, key: &str, now: Timestamp) -> Result<Decision, LimiterError> {
        self.take_many(rule, key, 1, now).await
    }

    /// `events` at once: all of them may pass, or none.
    async fn take_many(
        &self,
        rule: &Rule,
        key: &str,
        events: u32,
        now: Timestamp,
    ) -> Result<Decision, LimiterError>;

    /// Begins a try, which counts as a failure unless it is settled otherwise.
    async fn attempt(&self, rule: &Throttle, key: &str, now: Timestamp) -> Result<Attempt, LimiterError>;

    /// Ends a try that was allowed and did not fail.
    async fn settle(
        &self,
        rule: &Throttle,
        key: &str,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<(), LimiterError>;
}

/// The limiter failed; whether to let the event pass is the caller's decision.
#[derive(Debug, thiserror::Error)]
#[error("rate limiter: {0}")]
pub struct LimiterError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
