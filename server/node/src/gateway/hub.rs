//! The devices connected to this node, and what reaches them.
//!
//! One task reads the bus and hands every event to the devices it concerns, in log order, without repeats or holes
//! ([`Sequencer`]). A device has a bounded queue; at the bound it is dropped, and recovers when it returns (promise G9).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sockeye_core::{
    Chat, ChatError,
    id::{DeviceId, UserId},
    message::Entry,
    ports::{BusEvent, BusSubscription, MessageLog, Received},
    position::Cursor,
    sequencer::{Sequencer, Verdict},
    session::SessionId,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    announcement::Announcement,
    contract::{Contract, OutEvent},
};

/// Events waiting for one device.
const DEVICE_QUEUE_LEN_MAX: usize = 1024;
/// Entries read from the log at a time to fill a hole.
const FILL_LEN_MAX: usize = 512;
/// How often to look in the log for what the bus lost without a trace.
const HOLE_CHECK_EVERY: Duration = Duration::from_secs(5);

/// What a device is told. Small: a queue allocates room for dozens before it holds one.
#[derive(Debug, Clone)]
pub enum Told {
    Message(Arc<Delivered>),
    /// Who is online.
    Online(Arc<Announcement>),
    /// Its log-in ended.
    SessionEnded,
}

/// A message on its way to devices.
#[derive(Debug)]
pub struct Delivered {
    pub entry: Entry,
    /// The place in the log up to which a device has then seen everything.
    pub seen: String,
}

/// Who is here, and how far delivery has got.
#[derive(Debug)]
pub struct Hub {
    devices: Mutex<Devices>,
}

#[derive(Debug)]
struct Devices {
    of_user: HashMap<UserId, Vec<Device>>,
    count: usize,
    seen: Cursor,
}

#[derive(Debug)]
struct Device {
    id: DeviceId,
    session: Option<SessionId>,
    queue: mpsc::Sender<Told>,
    /// Tells the owner that the queue overflowed.
    overflowed: CancellationToken,
}

/// A device's end of its queue; leaving the hub is dropping it.
#[derive(Debug)]
pub struct Membership {
    hub: Arc<Hub>,
    user: UserId,
    device: DeviceId,
    pub queue: mpsc::Receiver<Told>,
    pub overflowed: CancellationToken,
    /// Everything up to here was delivered before this device joined; everything after it is in the queue.
    pub joined_at: Cursor,
}

impl Hub {
    pub fn new(delivered: Cursor) -> Arc<Self> {
        let devices = Devices { of_user: HashMap::new(), count: 0, seen: delivered };
        Arc::new(Self { devices: Mutex::new(devices) })
    }

    /// From now on the device is told what concerns it. One device may be here twice for a moment, when it returned before
    /// its old connection was noticed to be dead: the older one is dropped.
    pub fn join(self: &Arc<Self>, user: UserId, device: DeviceId, session: Option<SessionId>) -> Membership {
        let (sender, queue) = mpsc::channel(DEVICE_QUEUE_LEN_MAX);
        let overflowed = CancellationToken::new();
        let mut devices = self.lock();
        let joined_at = devices.seen.clone();
        devices.remove(user, |other| other.id == device).iter().for_each(|old| old.overflowed.cancel());
        let entry = Device { id: device, session, queue: sender, overflowed: overflowed.clone() };
        devices.of_user.entry(user).or_default().push(entry);
        devices.count += 1;
        drop(devices);
        Membership { hub: self.clone(), user, device, queue, overflowed, joined_at }
    }

    pub fn device_count(&self) -> usize {
        self.lock().count
    }

    fn deliver(&self, entry: Entry) {
        let mut devices = self.lock();
        devices.seen.advance(entry.position);
        let delivered = Arc::new(Delivered { seen: devices.seen.to_string(), entry });
        let record = &delivered.entry.record;
        for &member in &record.members {
            devices
                .tell(member, &Told::Message(delivered.clone()), |device| record.concerns(member, device.id));
        }
    }

    fn tell_online(&self, event: &OutEvent) {
        let mut devices = self.lock();
        let announcement = match Announcement::new(event, &devices.seen.to_string()) {
            Ok(announcement) => Arc::new(announcement),
            Err(error) => return tracing::error!(%error, "presence not announced"),
        };
        let everybody: Vec<UserId> = devices.of_user.keys().copied().collect();
        for user in everybody {
            devices.tell(user, &Told::Online(announcement.clone()), |_| true);
        }
    }

    fn end_session(&self, session: SessionId) {
        let mut devices = self.lock();
        let everybody: Vec<UserId> = devices.of_user.keys().copied().collect();
        for user in everybody {
            devices.tell(user, &Told::SessionEnded, |device| device.session == Some(session));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Devices> {
        // Nothing here panics half-way through a change, so what a poisoned lock holds is whole.
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Devices {
    /// Puts `told` into the queues of those devices of `user` that it concerns; drops devices whose queue is full.
    fn tell(&mut self, user: UserId, told: &Told, concerns: impl Fn(&Device) -> bool) {
        let Some(devices) = self.of_user.get(&user) else { return };
        let concerned = devices.iter().filter(|device| concerns(device));
        let full: Vec<DeviceId> =
            concerned.filter(|device| device.queue.try_send(told.clone()).is_err()).map(|d| d.id).collect();
        if full.is_empty() {
            return;
        }
        for dropped in self.remove(user, |device| full.contains(&device.id)) {
            tracing::info!(device = %dropped.id, "dropped: it does not keep up");
            dropped.overflowed.cancel();
        }
    }

    fn remove(&mut self, user: UserId, which: impl Fn(&Device) -> bool) -> Vec<Device> {
        let Some(devices) = self.of_user.get_mut(&user) else { return vec![] };
        let removed: Vec<Device> = devices.extract_if(.., |device| which(device)).collect();
        if devices.is_empty() {
            self.of_user.remove(&user);
        }
        self.count -= removed.len();
        removed
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // The same device may have joined again meanwhile: only our own queue's entry goes.
        self.queue.close();
        self.hub.lock().remove(self.user, |device| device.id == self.device && device.queue.is_closed());
    }
}

/// Reads the bus and fills the hub.
pub struct Delivery {
    pub hub: Arc<Hub>,
    pub chat: Arc<Chat>,
    pub contract: Arc<dyn Contract>,
    pub log: Arc<dyn MessageLog>,
    /// The shortest time between two announcements of who is online.
    pub presence_coalesce: Duration,
}

impl Delivery {
    /// Runs until `stop`. `subscription`: made before anything is dispatched, so that nothing is missed.
    ///
    /// # Errors
    /// When the bus fails for good.
    pub async fn run(
        self,
        mut subscription: Box<dyn BusSubscription>,
        stop: CancellationToken,
    ) -> Result<(), ChatError> {
        let mut sequencer = Sequencer::new(self.hub.lock().seen.clone());
        let mut announce_at: Option<Instant> = None;
        let mut announced_at = Instant::now();
        let mut hole_check = interval(HOLE_CHECK_EVERY);
        hole_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                received = subscription.next() => match received? {
                    Received::Event(BusEvent::Dispatch(entry)) => later(self.take(&mut sequencer, &entry).await),
                    Received::Event(BusEvent::SessionEnded(session)) => self.hub.end_session(session),
                    Received::Event(BusEvent::PresenceChanged) => {
                        announce_at.get_or_insert_with(|| self.next_announcement(announced_at));
                    }
                    Received::Lagged => {
                        later(self.catch_up(&mut sequencer).await);
                        announce_at.get_or_insert_with(|| self.next_announcement(announced_at));
                    }
                },
                () = sleep_until(announce_at.unwrap_or_else(Instant::now)), if announce_at.is_some() => {
                    announce_at = None;
                    announced_at = Instant::now();
                    self.announce().await;
                }
                _ = hole_check.tick() => later(self.catch_up(&mut sequencer).await),
            }
        }
    }

    /// Delivers an entry, after whatever is missing before it.
    async fn take(&self, sequencer: &mut Sequencer, entry: &Entry) -> Result<(), ChatError> {
        while let Verdict::Hole { from } = self.offer(sequencer, entry) {
            let partition = entry.position.partition;
            let missing = self.log.read(partition, from, FILL_LEN_MAX).await?;
            match missing.first() {
                Some(first) if first.position.offset <= entry.position.offset => {
                    sequencer.skip_to(first.position);
                    for filler in &missing {
                        self.offer(sequencer, filler);
                    }
                }
                // The log no longer has what is missing.
                _ => sequencer.skip_to(entry.position),
            }
        }
        Ok(())
    }

    fn offer(&self, sequencer: &mut Sequencer, entry: &Entry) -> Verdict {
        let verdict = sequencer.offer(entry);
        if verdict == Verdict::Deliver {
            self.hub.deliver(entry.clone());
        }
        verdict
    }

    /// Delivers what is in the log and was not delivered yet.
    async fn catch_up(&self, sequencer: &mut Sequencer) -> Result<(), ChatError> {
        for end in self.log.end().await?.iter() {
            while !sequencer.seen().covers(end) {
                let from = sequencer.seen().offset(end.partition).map_or(0, |seen| seen + 1);
                let missing = self.log.read(end.partition, from, FILL_LEN_MAX).await?;
                let Some(first) = missing.first() else { break };
                sequencer.skip_to(first.position);
                for entry in &missing {
                    self.offer(sequencer, entry);
                }
            }
        }
        Ok(())
    }

    /// Announcing costs devices times users; the more there are, the longer changes are gathered.
    fn next_announcement(&self, announced_at: Instant) -> Instant {
        const GATHER_MAX: Duration = Duration::from_secs(5);
        let devices = self.hub.device_count() as u64;
        let gather = Duration::from_millis(devices.saturating_mul(devices) / 5_000);
        let earliest = Instant::now() + Duration::from_millis(5);
        earliest.max(announced_at + self.presence_coalesce.saturating_add(gather).min(GATHER_MAX))
    }

    async fn announce(&self) {
        match self.chat.online().await {
            Ok(users) => self.hub.tell_online(&self.contract.online(&users)),
            // Presence is ephemeral: the next change announces again.
            Err(error) => tracing::warn!(%error, "presence not announced"),
        }
    }
}

/// What the log cannot give now is given later: the sequencer keeps its place, and the next hole check reads on from there.
fn later(delivered: Result<(), ChatError>) {
    if let Err(error) = delivered {
        tracing::warn!(%error, "delivery waits for the log");
    }
}
