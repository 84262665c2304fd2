//! The devices connected to this node, and what reaches them.
//!
//! [`super::delivery`] fills the hub: it hands every message to the devices it concerns, in log order. A device has a bounded queue; at the bound it is dropped, and recovers when it returns (promise G9).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sockeye_core::{
    id::{DeviceId, UserId},
    message::Entry,
    position::{Cursor, Position},
    session::SessionId,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{announcement::Announcement, contract::OutEvent, instruments::slow_clients_dropped};

/// Events waiting for one device.
const DEVICE_QUEUE_LEN_MAX: usize = 1024;

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
    /// Changes with `Devices::seen`.
    progress: watch::Sender<()>,
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
    pub device: DeviceId,
    pub queue: mpsc::Receiver<Told>,
    pub overflowed: CancellationToken,
    /// Everything up to here was delivered before this device joined; everything after it is in the queue.
    pub joined_at: Cursor,
}

impl Hub {
    pub fn new(delivered: Cursor) -> Arc<Self> {
        let devices = Devices { of_user: HashMap::new(), count: 0, seen: delivered };
        Arc::new(Self { devices: Mutex::new(devices), progress: watch::Sender::new(()) })
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

    /// The log-ins that devices here were proven with.
    pub(super) fn sessions(&self) -> Vec<SessionId> {
        let devices = self.lock();
        let sessions = devices.of_user.values().flatten().filter_map(|device| device.session);
        sessions.collect::<HashSet<_>>().into_iter().collect()
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

    pub(super) fn end_session(&self, session: SessionId) {
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
            slow_clients_dropped("device").increment(1);
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

impl Membership {
    pub fn is_of(&self, user: UserId) -> bool {
        self.user == user
    }

    /// By which log-in the device was proven: it goes when that ends.
    pub fn prove(&self, session: Option<SessionId>) {
        let mut devices = self.hub.lock();
        if self.overflowed.is_cancelled() {
            return; // The device is here anew, or was dropped: what is in the hub is not ours.
        }
        let of_user = devices.of_user.get_mut(&self.user).into_iter().flatten();
        of_user.filter(|device| device.id == self.device).for_each(|device| device.session = session);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // The same device may have joined again meanwhile: only our own queue's entry goes.
        self.queue.close();
        self.hub.lock().remove(self.user, |device| device.id == self.device && device.queue.is_closed());
    }
}
