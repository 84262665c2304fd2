//! The [`Limiter`] that all nodes share.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use redis::{FromRedisValue, Script, ScriptInvocation};
use sha2::{Digest, Sha256};
use sockeye_core::{
    limits::{Attempt, Decision, Outcome, Rule, Throttle},
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

/// The same as `sockeye_core::limits::Tries::attempt`, and then as `settle` where ARGV[1] says so. Tries that are not there
/// are such as never were.
///
/// KEYS: tries. ARGV: what is done (`attempt`, `good`, `void`), now, failures at most free, first wait ms, longest wait ms,
/// forget ms, know ms, what to add to the time to live. Gives how long to wait (-1: not at all), and 1 for who is known.
const TRY: &str = "
local tries = redis.call('HMGET', KEYS[1], 'failures', 'last_at', 'open_at', 'known_until')
local failures, last_at, open_at, known_until =
  tonumber(tries[1]) or 0, tonumber(tries[2]) or 0, tonumber(tries[3]) or 0, tonumber(tries[4]) or 0
local act, now, free_max, wait_ms, wait_ms_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local forget_ms, know_ms = tonumber(ARGV[6]), tonumber(ARGV[7])
local known = now < known_until and 1 or 0
if act == 'attempt' then
  if now < open_at then return { open_at - now, known } end
  if now - last_at >= forget_ms then failures = 0 end
  failures, last_at, open_at = failures + 1, now, now
  if failures >= free_max then open_at = now + math.min(wait_ms * 2 ^ math.min(failures - free_max, 60), wait_ms_max) end
elseif act == 'good' then
  failures, last_at, open_at, known_until = 0, 0, 0, now + know_ms
else
  failures = math.max(failures - 1, 0)
end
local idle_at = math.max(open_at, known_until)
if failures > 0 then idle_at = math.max(idle_at, last_at + forget_ms) end
redis.call('HSET', KEYS[1], 'failures', failures, 'last_at', last_at, 'open_at', open_at, 'known_until', known_until)
redis.call('PEXPIRE', KEYS[1], math.max(idle_at - now, 0) + ARGV[8])
return { -1, known }
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
    take: Script,
    tries: Script,
    local: LocalLimiter,
    alone_until: Mutex<Option<Instant>>,
}

impl RedisLimiter {
    pub fn new(redis: Redis, options: RedisLimiterOptions) -> Self {
        let local = LocalLimiter::new(options.local_keys_max);
        let (take, tries) = (Script::new(TAKE), Script::new(TRY));
        Self { redis, options, take, tries, local, alone_until: Mutex::default() }
    }

    /// `None` when Redis does not answer.
    async fn take_shared(&self, rule: &Rule, key: &str, events: u32, now: Timestamp) -> Option<Decision> {
        self.ask(&self.take(rule, key, events, now)).await.map(decision)
    }

    /// `None` when Redis does not answer.
    async fn try_shared(&self, rule: &Throttle, key: &str, act: &str, now: Timestamp) -> Option<Attempt> {
        let (wait_ms, known): (i64, i64) = self.ask(&self.tries(rule, key, act, now)).await?;
        Some(Attempt { decision: decision(wait_ms), known: known == 1 })
    }

    fn take(&self, rule: &Rule, key: &str, events: u32, now: Timestamp) -> ScriptInvocation<'_> {
        let mut call = self.take.prepare_invoke();
        call.key(self.redis.key(&name(rule.name, key)));
        call.arg(now.as_millis()).arg(rule.events_max).arg(rule.window_ms).arg(rule.block_ms);
        call.arg(self.options.keep_for_ms).arg(events);
        call
    }

    fn tries(&self, rule: &Throttle, key: &str, act: &str, now: Timestamp) -> ScriptInvocation<'_> {
        let mut call = self.tries.prepare_invoke();
        call.key(self.redis.key(&name(rule.name, key)));
        call.arg(act).arg(now.as_millis()).arg(rule.free_max).arg(rule.wait_ms).arg(rule.wait_ms_max);
        call.arg(rule.forget_ms).arg(rule.know_ms).arg(self.options.keep_for_ms);
        call
    }

    async fn ask<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Option<T> {
        if self.alone_until().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let mut connection = self.redis.connection().ok()?;
        let within = Duration::from_millis(self.options.answer_within_ms);
        match timeout(within, call.invoke_async::<T>(&mut connection)).await {
            Ok(Ok(answer)) => {
                self.redis.refusals().heed(Use::Limits, &Ok(()));
                Some(answer)
            }
            failed => {
                if let Ok(Err(error)) = &failed {
                    self.redis.refusals().failed(Use::Limits, error);
                }
                // Slower than we like is not dead: the connection is tried out, not doubted.
                self.redis.probe();
                let alone_for = Duration::from_millis(self.options.alone_for_ms);
                *self.alone_until() = Some(Instant::now() + alone_for);
                let failed = failed.map(|answered| answered.err());
                tracing::debug!(?failed, "limits are counted per node for a while");
                None
            }
        }
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
    let throttle = Throttle {
        name: "doctor",
        free_max: 1,
        wait_ms: 1,
        wait_ms_max: 1,
        forget_ms: 1_000,
        know_ms: 1_000,
    };
    let now = Timestamp::from_millis(rule.window_ms);
    let mut connection = redis.connection()?;
    let deadline = Duration::from_millis(redis.options().response_timeout_ms);
    let take = limiter.take(&rule, redis.node(), 1, now);
    redis.within(deadline, take.invoke_async::<i64>(&mut connection)).await?;
    let tried = limiter.tries(&throttle, redis.node(), "attempt", now);
    redis.within(deadline, tried.invoke_async::<(i64, i64)>(&mut connection)).await.map(drop)
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
        fell_back();
        self.local.take_many(rule, key, events, now).await
    }

    async fn attempt(&self, rule: &Throttle, key: &str, now: Timestamp) -> Result<Attempt, LimiterError> {
        if let Some(attempt) = self.try_shared(rule, key, "attempt", now).await {
            return Ok(attempt);
        }
        fell_back();
        self.local.attempt(rule, key, now).await
    }

    /// Where the try began elsewhere than it ends, because Redis came or went meanwhile, it stays counted there.
    async fn settle(
        &self,
        rule: &Throttle,
        key: &str,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<(), LimiterError> {
        let act = match outcome {
            Outcome::Good => "good",
            Outcome::Void => "void",
        };
        if self.try_shared(rule, key, act, now).await.is_some() {
            return Ok(());
        }
        fell_back();
        self.local.settle(rule, key, outcome, now).await
    }
}

fn fell_back() {
    metrics::counter!("sockeye_limiter_fallbacks_total").increment(1);
}

/// `wait_ms`: as the scripts give it, negative when there is nothing to wait for.
fn decision(wait_ms: i64) -> Decision {
    match u64::try_from(wait_ms) {
        Ok(retry_after_ms) => Decision::Refused { retry_after_ms },
        Err(_) => Decision::Allowed,
    }
}

fn name(rule: &str, key: &str) -> String {
    let mut hash = Sha256::new();
    hash.update((rule.len() as u64).to_be_bytes());
    hash.update(rule);
    hash.update(key);
    let digest: [u8; 32] = hash.finalize().into();
    let (half, _) = digest.split_at(16);
    let digits: String = half.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("limits:{rule}:{digits}")
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimiter").field("options", &self.options).finish_non_exhaustive()
    }
}
