//! The [`Limiter`] that all nodes share.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use redis::{Script, ScriptInvocation};
use sha2::{Digest, Sha256};
use sockeye_core::{
    limits::{Decision, Rule},
    ports::{Limiter, LimiterError},
    time::Timestamp,
};
use tokio::time::{Instant, timeout};

use super::LocalLimiter;
use crate::redis::{Redis, RedisError, Use};

/// The same as `sockeye_core::limits::Window::take_many`. A window that is not there is one that began at 0.
///
/// KEYS: window. ARGV: now, events at most, window ms, block ms, what to add to the time to live, events. Gives -1 when it may pass,
/// otherwise after how many milliseconds to try again.
const TAKE: &str = "
local window = redis.call('HMGET', KEYS[1], 'started_at', 'count', 'blocked_until')
local started_at, count, blocked_until = tonumber(window[1]) or 0, tonumber(window[2]) or 0, tonumber(window[3]) or 0
local now, events_max, window_ms, block_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if now < blocked_until then return blocked_until - now end
if now - started_at >= window_ms then started_at, count, blocked_until = now, 0, 0 end
local answer = -1
if count + ARGV[6] <= events_max then
  count = count + ARGV[6]
else
  blocked_until = math.max(started_at + window_ms, now + block_ms)
  answer = math.max(blocked_until - now, 0)
end
redis.call('HSET', KEYS[1], 'started_at', started_at, 'count', count, 'blocked_until', blocked_until)
redis.call('PEXPIRE', KEYS[1], math.max(started_at + window_ms, blocked_until) - now + ARGV[5])
return answer
";

#[derive(Debug, Clone)]
pub struct RedisLimiterOptions {
    /// Without an answer within this, the node decides by itself ...
    pub answer_within_ms: u64,
    /// ... and does not ask again for this long.
    pub alone_for_ms: u64,
    /// Keys counted on this node while Redis does not answer.
    pub local_keys_max: usize,
    /// Windows are kept for this much longer than they last: clocks of nodes differ.
    pub keep_for_ms: u64,
}

impl Default for RedisLimiterOptions {
    fn default() -> Self {
        Self { answer_within_ms: 100, alone_for_ms: 1_000, local_keys_max: 100_000, keep_for_ms: 5_000 }
    }
}

/// Counts in Redis, for all nodes together; while Redis does not answer, each node counts by itself. In Redis a key is there
/// for as long as its window or block lasts, and is named by a digest: neither long keys nor addresses lie there.
pub struct RedisLimiter {
    redis: Redis,
    options: RedisLimiterOptions,
    script: Script,
    local: LocalLimiter,
    alone_until: Mutex<Option<Instant>>,
}

impl RedisLimiter {
    pub fn new(redis: Redis, options: RedisLimiterOptions) -> Self {
        let local = LocalLimiter::new(options.local_keys_max);
        Self { redis, options, script: Script::new(TAKE), local, alone_until: Mutex::default() }
    }

    /// `None` when Redis does not answer.
    async fn take_shared(&self, rule: &Rule, key: &str, events: u32, now: Timestamp) -> Option<Decision> {
        if self.alone_until().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let mut connection = self.redis.connection().ok()?;
        let call = self.call(rule, key, events, now);
        let within = Duration::from_millis(self.options.answer_within_ms);
        match timeout(within, call.invoke_async::<i64>(&mut connection)).await {
            Ok(Ok(retry_after_ms)) => {
                self.redis.refusals().heed(Use::Limits, &Ok(()));
                Some(match u64::try_from(retry_after_ms) {
                    Ok(retry_after_ms) => Decision::Refused { retry_after_ms },
                    Err(_) => Decision::Allowed,
                })
            }
            failed => {
                if let Ok(Err(error)) = &failed {
                    self.redis.refusals().failed(Use::Limits, error);
                }
                // Slower than we like is not dead: the connection is tried out, not doubted.
                self.redis.probe();
                let alone_for = Duration::from_millis(self.options.alone_for_ms);
                *self.alone_until() = Some(Instant::now() + alone_for);
                tracing::debug!(?failed, "limits are counted per node for a while");
                None
            }
        }
    }

    fn call(&self, rule: &Rule, key: &str, events: u32, now: Timestamp) -> ScriptInvocation<'_> {
        let mut call = self.script.prepare_invoke();
        call.key(self.redis.key(&name(rule, key)));
        call.arg(now.as_millis()).arg(rule.events_max).arg(rule.window_ms).arg(rule.block_ms);
        call.arg(self.options.keep_for_ms).arg(events);
        call
    }

    fn alone_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.alone_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts once, in a window that only this node has and that is soon forgotten.
///
/// # Errors
/// What Redis says.
pub(crate) async fn try_out(redis: &Redis) -> Result<(), RedisError> {
    let limiter = RedisLimiter::new(redis.clone(), RedisLimiterOptions::default());
    let rule = Rule { name: "doctor", events_max: 1, window_ms: 1_000, block_ms: 0 };
    let call = limiter.call(&rule, redis.node(), 1, Timestamp::from_millis(rule.window_ms));
    let mut connection = redis.connection()?;
    let deadline = Duration::from_millis(redis.options().response_timeout_ms);
    redis.within(deadline, call.invoke_async::<i64>(&mut connection)).await.map(drop)
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn take_many(
        &self,
        rule: &Rule,
        key: &str,
        events: u32,
        now: Timestamp,
    ) -> Result<Decision, LimiterError> {
        if let Some(decision) = self.take_shared(rule, key, events, now).await {
            return Ok(decision);
        }
        metrics::counter!("sockeye_limiter_fallbacks_total").increment(1);
        self.local.take_many(rule, key, events, now).await
    }
}

fn name(rule: &Rule, key: &str) -> String {
    let mut hash = Sha256::new();
    hash.update((rule.name.len() as u64).to_be_bytes());
    hash.update(rule.name);
    hash.update(key);
    let digest: [u8; 32] = hash.finalize().into();
    let (half, _) = digest.split_at(16);
    let digits: String = half.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("limits:{}:{digits}", rule.name)
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimiter").field("options", &self.options).finish_non_exhaustive()
    }
}
