//! [`Presence`] over nodes: each node's users in Redis, under a lease.

mod mine;
mod others;
mod scripts;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sockeye_core::{
    id::{DeviceId, ObjectId, UserId},
    ports::{Bus, BusEvent, Presence, PresenceError},
};
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use self::{
    mine::{Change, Mine, Write},
    others::Others,
    scripts::{Scripts, Written},
};
use crate::redis::{Redis, RedisError, Use};

#[derive(Debug, Clone)]
pub struct RedisPresenceOptions {
    /// A node that does not renew its lease for this long is taken for dead.
    pub lease_ms: u64,
    /// Each node renews its lease, and looks for dead nodes, this often. Lease and renewal together are how long a dead
    /// node's users may be shown: below the port's 15 s.
    pub renew_every_ms: u64,
    /// How long a call may wait for Redis.
    pub answer_within_ms: u64,
    /// Pause before a write that failed is tried again.
    pub retry_after_ms: u64,
}

impl Default for RedisPresenceOptions {
    fn default() -> Self {
        Self { lease_ms: 9_000, renew_every_ms: 3_000, answer_within_ms: 500, retry_after_ms: 500 }
    }
}

/// This node's users are kept here and written to Redis; the other nodes' users are read from there, changes only. Needs
/// memory for everybody who is online, as the connections do already.
///
/// Without Redis: the own users, and the others as last known until their leases would be over.
pub struct RedisPresence {
    shared: Arc<Shared>,
    _keeper: AbortOnDropHandle<()>,
}

struct Shared {
    redis: Redis,
    bus: Arc<dyn Bus>,
    options: RedisPresenceOptions,
    scripts: Scripts,
    mine: std::sync::Mutex<Mine>,
    /// Held while Redis is written, so that writes do not overtake each other.
    writing: Mutex<()>,
    /// How writing goes.
    written: watch::Sender<Progress>,
    changed: Notify,
    others: Mutex<Others>,
    left: AtomicBool,
}

#[derive(Default)]
struct Progress {
    /// The version of this node's users that Redis has.
    version: u64,
    /// The last write was refused or had no answer.
    fails: bool,
}

impl RedisPresence {
    /// Begins to hold a lease, on the current runtime. `bus`: where to tell that nodes died or came back.
    pub fn start(redis: Redis, bus: Arc<dyn Bus>, options: RedisPresenceOptions) -> Self {
        let scripts = Scripts::new(&redis, options.lease_ms);
        let shared = Arc::new(Shared {
            redis,
            bus,
            options,
            scripts,
            mine: std::sync::Mutex::default(),
            writing: Mutex::default(),
            written: watch::Sender::default(),
            changed: Notify::new(),
            others: Mutex::default(),
            left: AtomicBool::new(false),
        });
        let keeper = AbortOnDropHandle::new(tokio::spawn(keep(Arc::clone(&shared))));
        Self { shared, _keeper: keeper }
    }

    /// Takes this node's users offline for the others, for a node that stops. It does not come back.
    pub async fn leave(&self) {
        let _writing = self.shared.writing.lock().await;
        self.shared.left.store(true, Ordering::Relaxed);
        match self.shared.scripts.leave(&self.shared.redis, self.shared.answer_within()).await {
            Ok(()) => self.shared.tell().await,
            // The lease ends by itself.
            Err(error) => tracing::warn!(%error, "presence could not be taken back"),
        }
    }
}

#[async_trait]
impl Presence for RedisPresence {
    async fn connect(&self, user: UserId, device: DeviceId) -> Result<(), PresenceError> {
        let version = self.shared.mine().connect(user, device);
        self.shared.write(version).await;
        Ok(())
    }

    async fn disconnect(&self, user: UserId, device: DeviceId) -> Result<(), PresenceError> {
        let version = self.shared.mine().disconnect(user, device);
        self.shared.write(version).await;
        Ok(())
    }

    async fn online(&self) -> Result<Vec<UserId>, PresenceError> {
        let mut others = self.shared.others.lock().await;
        self.shared.look(&mut others).await;
        let mut online = self.shared.mine().online();
        others.join(&mut online);
        Ok(online)
    }
}

/// Writes, changes and reads the presence of this node, which must not be one that serves anybody, and takes it back.
///
/// # Errors
/// What Redis says.
pub(crate) async fn try_out(redis: &Redis) -> Result<(), RedisError> {
    /// Long enough to read, and over by itself if it cannot be taken back.
    const LEASE_MS: u64 = 2_000;
    let within = Duration::from_millis(redis.options().response_timeout_ms);
    let scripts = Scripts::new(redis, LEASE_MS);
    // Nobody has this id.
    let nobody = UserId(ObjectId([0; 12]));
    for write in [
        Write::Whole { version: 1, users: vec![] },
        Write::Changes { version: 2, changes: vec![Change::Came(nobody)], len: 1 },
        Write::Changes { version: 3, changes: vec![Change::Went(nobody)], len: 0 },
    ] {
        scripts.write(redis, within, &write).await?;
    }
    let stranger = Scripts::new(redis, LEASE_MS).of_another_node();
    for known in [None, Some((redis.node(), 2))] {
        stranger.read(redis, within, known.into_iter()).await?;
    }
    scripts.leave(redis, within).await
}

/// Never ends.
async fn keep(shared: Arc<Shared>) {
    let (renew, retry) = (
        Duration::from_millis(shared.options.renew_every_ms),
        Duration::from_millis(shared.options.retry_after_ms),
    );
    let mut connects = shared.redis.connects();
    let mut next = Instant::now();
    loop {
        let due = tokio::select! {
            () = shared.changed.notified() => false,
            // Redis is back, perhaps without its data. The link lives as long as `shared`.
            _ = connects.changed() => true,
            () = sleep_until(next) => true,
        };
        match shared.push().await {
            Ok(()) if due => {
                shared.bury().await;
                next = Instant::now() + renew;
            }
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%error, "presence is not written");
                next = Instant::now() + retry;
            }
        }
        if due {
            shared.look_after().await;
        }
    }
}

impl Shared {
    /// Waits, for a moment, until Redis has this version: whoever is told of the change next finds it there.
    async fn write(&self, version: Option<u64>) {
        let Some(version) = version else { return };
        self.changed.notify_one();
        if !self.redis.is_connected() || self.left.load(Ordering::Relaxed) {
            return;
        }
        let mut written = self.written.subscribe();
        if timeout(self.answer_within(), written.wait_for(|it| it.version >= version || it.fails))
            .await
            .is_err()
        {
            self.redis.doubt();
        }
    }

    /// Writes what changed, everything if need be, and renews the lease.
    async fn push(&self) -> Result<(), RedisError> {
        let _writing = self.writing.lock().await;
        loop {
            if self.left.load(Ordering::Relaxed) {
                return Ok(());
            }
            let write = self.mine().next_write();
            let (version, whole) = (write.version(), matches!(write, Write::Whole { .. }));
            let done = self.scripts.write(&self.redis, self.answer_within(), &write).await;
            self.redis.refusals().heed(Use::Presence, &done);
            match done {
                Ok(Written::Done { was_dead }) => {
                    self.written.send_replace(Progress { version, fails: false });
                    if was_dead || (whole && version > 0) {
                        self.tell().await;
                    }
                    return Ok(());
                }
                // Redis lost its data, or we were taken for dead and buried.
                Ok(Written::Forgotten) if !whole => {
                    metrics::counter!("sockeye_presence_rewrites_total").increment(1);
                    self.mine().write_all();
                }
                Ok(Written::Forgotten) => return Ok(()),
                Err(error) => {
                    // It may have been written or not.
                    self.mine().write_all();
                    self.written.send_modify(|it| it.fails = true);
                    return Err(error);
                }
            }
        }
    }

    /// Removes what dead nodes left and tells everybody.
    async fn bury(&self) {
        match self.scripts.bury(&self.redis, self.answer_within()).await {
            Ok(dead) if dead.is_empty() => {}
            Ok(dead) => {
                tracing::warn!(nodes = ?dead, "nodes did not renew their leases, their users are offline");
                self.tell().await;
            }
            Err(error) => tracing::debug!(%error, "dead nodes are not looked for"),
        }
    }

    /// Reads what changed on the other nodes, if Redis answers.
    async fn look(&self, others: &mut Others) {
        let read = self.scripts.read(&self.redis, self.answer_within(), others.known()).await;
        self.redis.refusals().heed(Use::OthersPresence, &read);
        match read {
            Ok(nodes) => others.update(nodes, Instant::now()),
            Err(error) => tracing::debug!(%error, "presence of other nodes as last known"),
        }
        others.expire(Duration::from_millis(self.options.lease_ms), Instant::now());
    }

    /// Keeps what is known of the others young, and tells this node's subscribers when it has become too old to be true.
    async fn look_after(&self) {
        let mut others = self.others.lock().await;
        self.look(&mut others).await;
        let forgot = others.forgot();
        drop(others);
        if forgot {
            self.tell().await;
        }
    }

    async fn tell(&self) {
        if let Err(error) = self.bus.publish(BusEvent::PresenceChanged).await {
            tracing::warn!(%error, "a change of presence was not told");
        }
    }

    fn answer_within(&self) -> Duration {
        Duration::from_millis(self.options.answer_within_ms)
    }

    fn mine(&self) -> std::sync::MutexGuard<'_, Mine> {
        self.mine.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for RedisPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPresence").field("redis", &self.shared.redis).finish_non_exhaustive()
    }
}
