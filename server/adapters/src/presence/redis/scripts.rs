//! What is asked of Redis: each question is one script, so that no other node sees half of an answer or of a write. Time is
//! Redis' own, so that nodes' clocks do not matter.
//!
//! * `<prefix>:presence:leases`: sorted set, nodes by when their leases end (milliseconds since 1970).
//! * `<prefix>:presence:versions`: hash, nodes to the versions of their users.
//! * `<prefix>:presence:users:<node>`: set of the users online there.
//! * `<prefix>:presence:changes:<node>`: list, newest first, of what made the last versions: `+<user>` or `-<user>`.

use std::{collections::BTreeSet, time::Duration};

use redis::{FromRedisValue, ParsingError, Script, ScriptInvocation, Value, from_redis_value};
use sockeye_core::id::UserId;

use super::mine::{Change, Write};
use crate::redis::{Redis, RedisError};

/// Changes kept per node. Who is further behind reads all of the node's users.
const CHANGES_LEN_MAX: usize = 512;

const NOW: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
";

/// KEYS: leases, versions, users, changes. ARGV: node, lease ms, bound of changes, version before, version, users after,
/// changes.
const WRITE_CHANGES: &str = "
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not lease or redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[4] then return 'forgotten' end
for i = 7, #ARGV do
  local came, user = string.sub(ARGV[i], 1, 1) == '+', string.sub(ARGV[i], 2)
  redis.call(came and 'SADD' or 'SREM', KEYS[3], user)
  redis.call('LPUSH', KEYS[4], ARGV[i])
end
if redis.call('SCARD', KEYS[3]) ~= tonumber(ARGV[6]) then return 'forgotten' end
redis.call('LTRIM', KEYS[4], 0, ARGV[3] - 1)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[5])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return tonumber(lease) < now and 'was dead' or 'done'
";

/// KEYS as above. ARGV: node, lease ms, version, users.
const WRITE_ALL: &str = "
redis.call('DEL', KEYS[3], KEYS[4])
for i = 4, #ARGV do redis.call('SADD', KEYS[3], ARGV[i]) end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return 'done'
";

/// KEYS: leases, versions. ARGV: node that asks, prefixes of users and changes, then nodes and versions known. Gives node,
/// version, kind of news, news.
const READ: &str = "
local known = {}
for i = 4, #ARGV, 2 do known[ARGV[i]] = tonumber(ARGV[i + 1]) end
local answer = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', now), '+inf')) do
  local version = redis.call('HGET', KEYS[2], node)
  if version and node ~= ARGV[1] then
    local behind = known[node] and version - known[node]
    if behind == 0 then
      answer[#answer + 1] = {node, version, 'none', {}}
    elseif behind and behind > 0 and behind <= redis.call('LLEN', ARGV[3] .. node) then
      answer[#answer + 1] = {node, version, 'changes', redis.call('LRANGE', ARGV[3] .. node, 0, behind - 1)}
    else
      answer[#answer + 1] = {node, version, 'whole', redis.call('SMEMBERS', ARGV[2] .. node)}
    end
  end
end
return answer
";

/// KEYS: leases, versions. ARGV: prefixes of users and changes. Gives the nodes that were dead.
const BURY: &str = "
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now))
for _, node in ipairs(dead) do
  redis.call('DEL', ARGV[1] .. node, ARGV[2] .. node)
  redis.call('HDEL', KEYS[2], node)
  redis.call('ZREM', KEYS[1], node)
end
return dead
";

/// KEYS as for a write. ARGV: node.
const LEAVE: &str = "
redis.call('DEL', KEYS[3], KEYS[4])
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
";

pub(super) struct Scripts {
    write_changes: Script,
    write_all: Script,
    read: Script,
    bury: Script,
    leave: Script,
    node: String,
    lease_ms: u64,
    leases: String,
    versions: String,
    users_of: String,
    changes_of: String,
}

pub(super) enum Written {
    /// `was_dead`: the lease had ended, nobody had noticed yet.
    Done { was_dead: bool },
    /// Redis does not have what the changes are based on.
    Forgotten,
}

/// What is new on a node, compared to what was known.
#[derive(Debug)]
pub(super) enum News {
    None,
    Changes(Vec<Change>),
    Whole(BTreeSet<UserId>),
}

impl Scripts {
    pub(super) fn new(redis: &Redis, lease_ms: u64) -> Self {
        let with_time = |body: &str| Script::new(&format!("{NOW}{body}"));
        Self {
            write_changes: with_time(WRITE_CHANGES),
            write_all: with_time(WRITE_ALL),
            read: with_time(READ),
            bury: with_time(BURY),
            leave: Script::new(LEAVE),
            node: redis.node().to_owned(),
            lease_ms,
            leases: redis.key("presence:leases"),
            versions: redis.key("presence:versions"),
            users_of: redis.key("presence:users:"),
            changes_of: redis.key("presence:changes:"),
        }
    }

    /// As another node asks.
    pub(super) fn of_another_node(mut self) -> Self {
        self.node.push('*');
        self
    }

    /// Writes and renews the lease.
    pub(super) async fn write(
        &self,
        redis: &Redis,
        within: Duration,
        write: &Write,
    ) -> Result<Written, RedisError> {
        let mut call;
        match write {
            Write::Changes { version, changes, len } => {
                call = self.of_node(&self.write_changes);
                call.arg(self.lease_ms).arg(CHANGES_LEN_MAX);
                call.arg(version - changes.len() as u64).arg(version).arg(len);
                for change in changes {
                    call.arg(match change {
                        Change::Came(user) => format!("+{user}"),
                        Change::Went(user) => format!("-{user}"),
                    });
                }
            }
            Write::Whole { version, users } => {
                call = self.of_node(&self.write_all);
                call.arg(self.lease_ms).arg(version);
                for user in users {
                    call.arg(user.to_string());
                }
            }
        }
        let answer: String = ask(redis, within, &call).await?;
        Ok(match answer.as_str() {
            "forgotten" => Written::Forgotten,
            answer => Written::Done { was_dead: answer == "was dead" },
        })
    }

    /// Every other node that is alive, the version of its users, and what is new.
    pub(super) async fn read<'a>(
        &self,
        redis: &Redis,
        within: Duration,
        known: impl Iterator<Item = (&'a str, u64)>,
    ) -> Result<Vec<(String, u64, News)>, RedisError> {
        let mut call = self.of_all(&self.read);
        call.arg(&self.node).arg(&self.users_of).arg(&self.changes_of);
        for (node, version) in known {
            call.arg(node).arg(version);
        }
        let answer: Vec<NodeNews> = ask(redis, within, &call).await?;
        Ok(answer.into_iter().map(|node| node.0).collect())
    }

    /// Removes what dead nodes left; which they were.
    pub(super) async fn bury(&self, redis: &Redis, within: Duration) -> Result<Vec<String>, RedisError> {
        let mut call = self.of_all(&self.bury);
        call.arg(&self.users_of).arg(&self.changes_of);
        ask(redis, within, &call).await
    }

    /// Removes what this node wrote.
    pub(super) async fn leave(&self, redis: &Redis, within: Duration) -> Result<(), RedisError> {
        ask(redis, within, &self.of_node(&self.leave)).await
    }

    fn of_all<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(&self.leases).key(&self.versions);
        call
    }

    fn of_node<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = self.of_all(script);
        call.key(format!("{}{}", self.users_of, self.node)).key(format!("{}{}", self.changes_of, self.node));
        call.arg(&self.node);
        call
    }
}

async fn ask<T: FromRedisValue>(
    redis: &Redis,
    within: Duration,
    call: &ScriptInvocation<'_>,
) -> Result<T, RedisError> {
    let mut connection = redis.connection()?;
    redis.within(within, call.invoke_async(&mut connection)).await
}

struct NodeNews((String, u64, News));

impl FromRedisValue for NodeNews {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (node, version, kind, news): (String, u64, String, Vec<String>) = from_redis_value(value)?;
        let news = match kind.as_str() {
            "none" => News::None,
            // Newest first there, oldest first here.
            "changes" => News::Changes(news.iter().rev().map(|text| change(text)).collect::<Result<_, _>>()?),
            _ => News::Whole(news.iter().map(|text| user(text)).collect::<Result<_, _>>()?),
        };
        Ok(Self((node, version, news)))
    }
}

fn change(text: &str) -> Result<Change, ParsingError> {
    match text.split_at_checked(1) {
        Some(("+", id)) => Ok(Change::Came(user(id)?)),
        Some(("-", id)) => Ok(Change::Went(user(id)?)),
        _ => Err("neither came nor went".into()),
    }
}

fn user(text: &str) -> Result<UserId, ParsingError> {
    text.parse().map_err(|_| ParsingError::from("not a user's id"))
}
