//! What the Redis adapters share: one connection for commands that mends itself, and names.
//!
//! Redis may be away at any time. A command then fails at once instead of waiting: what each adapter does without Redis is
//! its own business. One server (or one name for whichever server is primary) of version 5 or later; not Redis Cluster.

mod access;
mod link;
mod pause;

use std::{fmt, sync::Arc, time::Duration};

use ::redis::{Client, RedisResult, aio::MultiplexedConnection};
use sockeye_core::ports::Entropy;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

pub use self::access::RedisServer;
use self::link::Link;
pub(crate) use self::{
    access::{Refusals, Use},
    pause::Pause,
};

/// Longest part of a node's name that is used.
const NODE_NAME_LEN_MAX: usize = 64;

/// How to reach Redis, and what to be called there.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://` or `rediss://` (TLS), with user, password and database number as needed. Secret: not shown by `Debug`.
    pub url: String,
    /// Every key and channel begins with it.
    pub prefix: String,
    /// For people who look at keys or `CLIENT LIST`; need not be unique.
    pub node_name: String,
    pub connect_timeout_ms: u64,
    /// A connection that leaves a `PING` unanswered for this long is given up.
    pub response_timeout_ms: u64,
    /// Pause between two `PING`s: a connection that was silently cut is noticed after this and the response time-out.
    pub probe_every_ms: u64,
    /// Pauses between attempts to connect grow up to this.
    pub reconnect_pause_max_ms: u64,
}

impl RedisOptions {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "sockeye".to_owned(),
            node_name: "node".to_owned(),
            connect_timeout_ms: 2_000,
            response_timeout_ms: 1_000,
            probe_every_ms: 2_000,
            reconnect_pause_max_ms: 1_000,
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("node_name", &self.node_name)
            .finish_non_exhaustive()
    }
}

/// Why Redis gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    #[error("the Redis URL cannot be used: {0}")]
    Url(#[source] ::redis::RedisError),
    #[error("Redis is not connected")]
    Away,
    #[error("Redis did not answer within {after_ms} ms")]
    TimedOut { after_ms: u64 },
    #[error("Redis refused: {0}")]
    Failed(#[source] ::redis::RedisError),
    /// It answers, but not what this part of a node's work needs.
    #[error("Redis refuses what {of} need: {why}")]
    Refused { of: &'static str, why: String },
}

/// A node's way to Redis. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    options: RedisOptions,
    node: String,
    link: Arc<Link>,
    refusals: Refusals,
    _keeper: AbortOnDropHandle<()>,
}

impl Redis {
    /// Begins to connect, on the current runtime, and keeps at it. The node gets a new id.
    ///
    /// # Errors
    /// When the URL cannot be understood. That Redis cannot be reached is no error.
    pub fn start(options: RedisOptions, entropy: &dyn Entropy) -> Result<Self, RedisError> {
        crate::tls::install_provider();
        let client = Client::open(options.url.as_str()).map_err(RedisError::Url)?;
        let mut random = [0; 8];
        entropy.fill(&mut random);
        let node = format!("{}.{:016x}", name_in_keys(&options.node_name), u64::from_be_bytes(random));
        let link = Arc::new(Link::default());
        let keeper = link::keep(client.clone(), options.clone(), node.clone(), Arc::clone(&link));
        let keeper = AbortOnDropHandle::new(tokio::spawn(keeper));
        Ok(Self {
            shared: Arc::new(Shared {
                client,
                options,
                node,
                link,
                refusals: Refusals::default(),
                _keeper: keeper,
            }),
        })
    }

    /// The node's name and a random number that is new at every start.
    pub fn node(&self) -> &str {
        &self.shared.node
    }

    pub fn options(&self) -> &RedisOptions {
        &self.shared.options
    }

    /// Waits for as long as it takes until Redis is connected.
    pub async fn connected(&self) {
        let mut connects = self.connects();
        // The link lives as long as `self`, so the wait cannot end otherwise.
        let _ = connects.wait_for(|_| self.is_connected()).await;
    }

    /// Whether Redis answered when it was last asked.
    pub fn is_connected(&self) -> bool {
        self.shared.link.connection().is_some()
    }

    /// # Errors
    /// When Redis does not answer `PING` within the response time-out.
    pub async fn ping(&self) -> Result<(), RedisError> {
        let mut connection = self.connection()?;
        let deadline = Duration::from_millis(self.shared.options.response_timeout_ms);
        self.within(deadline, ::redis::cmd("PING").query_async(&mut connection)).await
    }

    /// Why it could not be connected to when that was last tried; `None` when it never failed.
    pub fn why_away(&self) -> Option<String> {
        self.shared.link.why_away()
    }

    /// `<prefix>:<rest>`.
    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.shared.options.prefix)
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.shared.refusals
    }

    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }

    pub(crate) fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        self.shared.link.connection().ok_or(RedisError::Away)
    }

    /// The answer, if it comes in time. When it does not, the connection is doubted: commands fail at once until a `PING`
    /// was answered, so that an outage costs each caller one deadline at most.
    pub(crate) async fn within<T>(
        &self,
        deadline: Duration,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, RedisError> {
        match timeout(deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.shared.link.judge(&error);
                Err(RedisError::Failed(error))
            }
            Err(_) => {
                self.shared.link.doubt();
                Err(RedisError::TimedOut { after_ms: millis(deadline) })
            }
        }
    }

    /// Has the connection tried out soon, without doubting it yet.
    pub(crate) fn probe(&self) {
        self.shared.link.probe();
    }

    pub(crate) fn doubt(&self) {
        self.shared.link.doubt();
    }

    /// Counts connections made: changes whenever Redis is back.
    pub(crate) fn connects(&self) -> watch::Receiver<u64> {
        self.shared.link.connects()
    }

    /// Since when Redis is connected again; `None` while it is away, and when it never was.
    pub(crate) fn reconnected_at(&self) -> Option<Instant> {
        self.shared.link.reconnected_at()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("node", &self.shared.node).finish_non_exhaustive()
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn name_in_keys(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    name.chars().take(NODE_NAME_LEN_MAX).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let options = RedisOptions::new("redis://:hush@127.0.0.1:1");
        assert!(!format!("{options:?}").contains("hush"));
        let error = RedisError::Url(Client::open("redis://:hush@[bad").unwrap_err());
        assert!(!format!("{error} {error:?}").contains("hush"));
    }

    #[test]
    fn names_cannot_break_keys() {
        assert_eq!(name_in_keys("gateway-1.example:5 \u{e9}"), "gateway-1-example-5--");
    }
}
