//! What a node needs of Redis, and whether it gets it: an account may lack commands, keys or channels, and the server may be
//! of a kind that cannot serve.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Redis, RedisError};
use crate::{bus::redis as bus, limiter::redis as limiter, presence::redis as presence};

/// All commands that nodes use, in scripts and outside of them, as Redis' access lists name them.
const COMMANDS: &str = "+ping +info +client|setname +eval +evalsha +script|load +publish +subscribe \
    +unsubscribe +time +del +hdel +hget +hmget +hset +llen +lpush +lrange +ltrim +pexpire +sadd +scard +smembers +srem +zadd \
    +zrangebyscore +zrem +zscore";

/// A part of a node's work in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    Presence,
    /// Reading it, which may be refused where writing is not.
    OthersPresence,
    Limits,
    Events,
}

impl Use {
    fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::OthersPresence => "reading other nodes' presence",
            Self::Limits => "limits",
            Self::Events => "events between nodes",
        }
    }
}

/// What Redis refuses at present, though it answers. That is no outage, which ends by itself: an operator must mend it.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<Use, String>>);

impl Refusals {
    /// Takes note of how something that was asked went; the log tells of a refusal once.
    pub(crate) fn heed<T>(&self, of: Use, outcome: &Result<T, RedisError>) {
        match outcome {
            Ok(_) => {
                if self.all().remove(&of).is_some() {
                    tracing::info!("Redis does what {} need again", of.name());
                }
            }
            Err(RedisError::Failed(error)) => self.failed(of, error),
            Err(_) => {}
        }
    }

    pub(crate) fn failed(&self, of: Use, error: &::redis::RedisError) {
        if is_refusal(error) && self.all().insert(of, error.to_string()).is_none() {
            tracing::warn!(
                %error,
                "Redis refuses what {} need, so that nodes do not share it: `sockeye doctor` says what to do",
                of.name()
            );
        }
    }

    /// # Errors
    /// What is refused, of several the first.
    pub(crate) fn check(&self) -> Result<(), RedisError> {
        match self.all().iter().next() {
            Some((of, why)) => Err(RedisError::Refused { of: of.name(), why: why.clone() }),
            None => Ok(()),
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Use, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same will be refused the next time too. What passes by itself, and a server that only reads (another may be
/// primary by now), is not.
fn is_refusal(error: &::redis::RedisError) -> bool {
    const PASSING: [&str; 11] = [
        "LOADING",
        "BUSY",
        "TRYAGAIN",
        "NOSCRIPT",
        "MASTERDOWN",
        "CLUSTERDOWN",
        "OOM",
        "MISCONF",
        "NOREPLICAS",
        "READONLY",
        "EXECABORT",
    ];
    error.code().is_some_and(|code| !PASSING.contains(&code))
}

/// A server, for `sockeye doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedisServer {
    /// `None` when the account may not ask.
    pub version: Option<String>,
    /// What is wrong and what to do, a sentence each.
    pub problems: Vec<String>,
}

impl Redis {
    /// Asks the server what it is, and does once what a node does all the time: under this node's own name, so that nothing of
    /// it stays. The other nodes look once who is online.
    ///
    /// # Errors
    /// When Redis does not answer. What it refuses is among the problems.
    pub async fn try_out(&self) -> Result<RedisServer, RedisError> {
        let mut found = RedisServer::default();
        let mut connection = self.connection()?;
        let deadline = Duration::from_millis(self.options().response_timeout_ms);
        match self.within(deadline, ::redis::cmd("INFO").query_async::<String>(&mut connection)).await {
            Ok(info) => {
                let value = |name| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                found.version = value("redis_version:").map(str::to_owned);
                if value("cluster_enabled:") == Some("1") {
                    found.problems.push(CLUSTER.to_owned());
                }
                if value("role:") == Some("slave") {
                    found.problems.push(REPLICA.to_owned());
                }
            }
            Err(RedisError::Failed(error)) if is_refusal(&error) => {}
            Err(error) => return Err(error),
        }
        if !found.problems.is_empty() {
            return Ok(found);
        }
        for (of, outcome) in [
            (Use::Presence, presence::try_out(self).await),
            (Use::Limits, limiter::try_out(self).await),
            (Use::Events, bus::try_out(self).await),
        ] {
            match outcome {
                Ok(()) => {}
                Err(RedisError::Failed(error)) => {
                    found.problems.push(format!("Refused for {}: {error}.", of.name()));
                }
                Err(error) => return Err(error),
            }
        }
        if !found.problems.is_empty() {
            let prefix = &self.options().prefix;
            found.problems.push(format!(
                "An account that may do what is needed and no more: ACL SETUSER <user> ~{prefix}:* &{prefix}:* {COMMANDS}"
            ));
        }
        Ok(found)
    }
}

const CLUSTER: &str =
    "This is a Redis Cluster, which is not supported: use one server, or one name for whichever is primary.";
const REPLICA: &str = "This server is a replica, which only reads: REDIS_URL must name the primary.";
