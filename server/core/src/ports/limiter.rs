use async_trait::async_trait;

use crate::{
    limits::{Decision, Rule},
    time::Timestamp,
};

/// Counts events per rule and key, as [`crate::limits::Window`] does.
///
/// * Keys of different rules do not meet.
/// * The number of keys remembered is bounded; when it is reached, keys that are idle go first.
/// * Counts may be forgotten at a restart, not otherwise while a window or block lasts (unless the bound forces it).
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
}

/// The limiter failed; whether to let the event pass is the caller's decision.
#[derive(Debug, thiserror::Error)]
#[error("rate limiter: {0}")]
pub struct LimiterError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
