//! The devices connected to this node, and what reaches them.
//!
//! [`super::delivery`] fills the hub: it hands every message to the devices it concerns, in log order. A device has a bounded queue; at the bound it is dropped, and recovers when it returns (promise G9).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sockeye_core::{
    Over,
    id::{DeviceId, UserId},
    message::Entry,
    position::{Cursor, Position},
    session::{Proven, Session, SessionId},
    time::Timestamp,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{announcement::Announcement, contract::OutEvent, instruments::slow_clients_dropped};

/// Events waiting for one device.
const DEVICE_QUEUE_LEN_MAX: usize = 1024;

/// What a device is told. Small: a queue allocates room for dozens before it holds one.
#[derive(Debug, Clone)]
pub enum Told {
    Message(Arc<Delivered>),
    /// Who is online.
    Online(Arc<Announcement>),
}

/// Why a device is not in the hub any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Its queue was full, or it is here anew: a fresh connection is what mends it.
    Overflowed,
    /// It may not stay.
    Over(Over),
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
    /// Changes with `Devices::seen`.
    progress: watch::Sender<()>,
}

#[derive(Debug)]
struct Devices {
    of_user: HashMap<UserId, Vec<Device>>,
    count: usize,
    /// How many have ever joined.
    joined_count: u64,
    seen: Cursor,
}

#[derive(Debug)]
struct Device {
    id: DeviceId,
    /// Which of all that ever joined this is: one device may be here again before its old connection has gone.
    nth: u64,
    session: Option<Session>,
    queue: mpsc::Sender<Told>,
    /// Tells the owner that it is here no more.
    dropped: oneshot::Sender<Dropped>,
}

/// A device's end of its queue; leaving the hub is dropping it.
#[derive(Debug)]
pub struct Membership {
    hub: Arc<Hub>,
    user: UserId,
    nth: u64,
    pub device: DeviceId,
    pub queue: mpsc::Receiver<Told>,
    /// From then on nothing comes into the queue.
    pub dropped: oneshot::Receiver<Dropped>,
    /// Everything up to here was delivered before this device joined; everything after it is in the queue.
    pub joined_at: Cursor,
}

impl Hub {
    pub fn new(delivered: Cursor) -> Arc<Self> {
        let devices = Devices { of_user: HashMap::new(), count: 0, joined_count: 0, seen: delivered };
        Arc::new(Self { devices: Mutex::new(devices), progress: watch::Sender::new(()) })
    }

    /// From now on the device is told what concerns it, and dropped when it may not stay: whoever lets it in looks whether it may
    /// after this, not before. One device may be here twice for a moment, when it returned before its old connection was
    /// noticed to be dead: the older one is dropped.
    pub fn join(self: &Arc<Self>, proven: Proven, device: DeviceId) -> Membership {
        let Proven { user, session } = proven;
        let (sender, queue) = mpsc::channel(DEVICE_QUEUE_LEN_MAX);
        let (dropper, dropped) = oneshot::channel();
        let mut devices = self.lock();
        let joined_at = devices.seen.clone();
        devices.remove(user, |other| other.id == device).into_iter().for_each(Device::overflowed);
        let nth = devices.joined_count;
        devices.joined_count += 1;
        let entry = Device { id: device, nth, session, queue: sender, dropped: dropper };
        devices.of_user.entry(user).or_default().push(entry);
        devices.count += 1;
        drop(devices);
        Membership { hub: self.clone(), user, nth, device, queue, dropped, joined_at }
    }

    /// Everything up to here was delivered.
    pub fn seen(&self) -> Cursor {
        self.lock().seen.clone()
    }

    pub fn device_count(&self) -> usize {
        self.lock().count
    }

    /// Events in the longest queue of a device.
    pub fn queue_longest(&self) -> usize {
        let devices = self.lock();
        let waiting = |device: &Device| device.queue.max_capacity() - device.queue.capacity();
        devices.of_user.values().flatten().map(waiting).max().unwrap_or(0)
    }

    /// Waits until everything up to `cursor` was delivered here.
    pub async fn reached(&self, cursor: &Cursor) {
        let mut progress = self.progress.subscribe();
        while !self.lock().seen.covers_all(cursor) {
            // The sender is ours: it does not go away before us.
            let _ = progress.changed().await;
        }
    }

    /// Who is here, and by which log-ins: each once.
    pub(super) fn proven(&self) -> Vec<Proven> {
        let devices = self.lock();
        let of_user = |(&user, devices): (&UserId, &Vec<Device>)| {
            let proven = devices.iter().map(|device| Proven { user, session: device.session });
            proven.collect::<HashSet<_>>()
        };
        devices.of_user.iter().flat_map(of_user).collect()
    }

    /// There is nothing to deliver at `position`.
    pub(super) fn pass(&self, position: Position) {
        self.lock().seen.advance(position);
        self.progress.send_replace(());
    }

    pub(super) fn deliver(&self, entry: Entry) {
        let mut devices = self.lock();
        devices.seen.advance(entry.position);
        let delivered = Arc::new(Delivered { seen: devices.seen.to_string(), entry });
        let record = &delivered.entry.record;
        for &member in &record.members {
            devices
                .tell(member, &Told::Message(delivered.clone()), |device| record.concerns(member, device.id));
            #[cfg(feature = "planted-bugs")]
            if crate::planted::deliver_twice() {
                let again = Told::Message(delivered.clone());
                devices.tell(member, &again, |device| record.concerns(member, device.id));
            }
        }
        drop(devices);
        self.progress.send_replace(());
    }

    pub(super) fn tell_online(&self, event: &OutEvent) {
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

    /// A log-in ended.
    pub(super) fn end_session(&self, session: SessionId) {
        let mut devices = self.lock();
        let is_of = |device: &Device| device.session.is_some_and(|own| own.id == session);
        let found = devices.of_user.iter().filter(|(_, devices)| devices.iter().any(is_of));
        let users: Vec<UserId> = found.map(|(&user, _)| user).collect();
        users.into_iter().for_each(|user| devices.end(user, Over::SessionEnded, is_of));
    }

    /// All log-ins of `user` issued up to and including `through` ended.
    pub(super) fn end_sessions(&self, user: UserId, through: Timestamp) {
        let ended = |device: &Device| device.session.is_some_and(|session| session.ended_by(Some(through)));
        self.lock().end(user, Over::SessionEnded, ended);
    }

    /// These may not stay.
    pub(super) fn end(&self, over: &[(Proven, Over)]) {
        let mut devices = self.lock();
        for (proven, why) in over {
            devices.end(proven.user, *why, |device| device.session == proven.session);
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
            slow_clients_dropped("device").increment(1);
            tracing::info!(device = %dropped.id, "dropped: it does not keep up");
            dropped.overflowed();
        }
    }

    /// Drops those devices of `user` at once: what waits for them is not for them any more.
    fn end(&mut self, user: UserId, why: Over, which: impl Fn(&Device) -> bool) {
        for ended in self.remove(user, which) {
            // An owner that is gone need not be told.
            let _ = ended.dropped.send(Dropped::Over(why));
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

impl Device {
    fn overflowed(self) {
        // An owner that is gone need not be told.
        let _ = self.dropped.send(Dropped::Overflowed);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // The same device may have joined again meanwhile: only our own entry goes.
        self.hub.lock().remove(self.user, |device| device.nth == self.nth);
    }
}
