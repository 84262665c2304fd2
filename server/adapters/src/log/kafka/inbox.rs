//! What was read and not taken yet: filled by the thread that polls Kafka, emptied by whoever waits for entries.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::message::OwnedMessage;
use sockeye_core::{message::Entry, ports::Unreadable, position::Position};
use tokio::sync::Notify;

pub(super) struct Inbox {
    state: Mutex<State>,
    news: Notify,
    room: Condvar,
    len_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
pub(super) struct State {
    items: VecDeque<(usize, Item)>,
    bytes: usize,
    /// What Kafka said last that it will not get over by itself.
    pub failure: Option<Failure>,
    pub stopping: bool,
    /// Below: only of a group's member. The partitions that are its own.
    pub owned: BTreeSet<u32>,
    /// Owned, but where the group is in them was not found out yet.
    pub unlocated: BTreeSet<u32>,
    /// News for `Batch::through`: the last offsets of what need not be waited for.
    pub through: BTreeMap<u32, u64>,
    /// What was given out as `Batch::through`, in the partitions owned.
    pub given: BTreeMap<u32, u64>,
    /// To be committed.
    pub done: BTreeMap<u32, u64>,
    pub committed: BTreeMap<u32, u64>,
}

pub(super) enum Item {
    Entry(Entry),
    /// With the record as it is, when it is to be kept elsewhere.
    Unreadable(Unreadable, Option<Box<OwnedMessage>>),
}

#[derive(Clone)]
pub(super) struct Failure {
    pub reason: String,
    /// The client will never read again.
    pub fatal: bool,
}

impl Item {
    pub(super) fn position(&self) -> Position {
        match self {
            Self::Entry(entry) => entry.position,
            Self::Unreadable(unreadable, _) => unreadable.position,
        }
    }
}

impl Inbox {
    pub(super) fn new(len_max: usize, bytes_max: usize) -> Self {
        let (len_max, bytes_max) = (len_max.max(1), bytes_max.max(1));
        Self { state: Mutex::default(), news: Notify::new(), room: Condvar::new(), len_max, bytes_max }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between two changes that belong together can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells who waits for entries that there is something to look at.
    pub(super) fn notify(&self) {
        self.news.notify_one();
    }

    /// Waits for [`Inbox::notify`]; returns at once when it came since the last wait.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    pub(super) fn push(&self, bytes: usize, item: Item) {
        let mut state = self.lock();
        state.bytes += bytes;
        state.items.push_back((bytes, item));
        drop(state);
        self.notify();
    }

    /// The newest failure is enough.
    pub(super) fn fail(&self, failure: Failure) {
        let mut state = self.lock();
        if !state.failure.as_ref().is_some_and(|earlier| earlier.fatal) {
            state.failure = Some(failure);
        }
        drop(state);
        self.notify();
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.room.notify_all();
    }

    pub(super) fn taken(&self) {
        self.room.notify_all();
    }

    /// Waits until there is room (less than half is waiting), or for `timeout`. Whether there is.
    pub(super) fn wait_room(&self, timeout: Duration) -> bool {
        let state = self.lock();
        let half = |state: &State| {
            state.stopping || state.items.len() <= self.len_max / 2 && state.bytes <= self.bytes_max / 2
        };
        let waited = self.room.wait_timeout_while(state, timeout, |state| !half(state));
        half(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    pub(super) fn full(&self) -> bool {
        let state = self.lock();
        state.items.len() >= self.len_max || state.bytes >= self.bytes_max
    }
}

impl State {
    /// The entries before anything that cannot be read, at most `len_max`.
    pub(super) fn take(&mut self, len_max: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        while entries.len() < len_max
            && let Some((_, Item::Entry(_))) = self.items.front()
            && let Some(Item::Entry(entry)) = self.pop()
        {
            entries.push(entry);
        }
        entries
    }

    pub(super) fn first(&self) -> Option<&Item> {
        self.items.front().map(|(_, item)| item)
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        let (bytes, item) = self.items.pop_front()?;
        self.bytes -= bytes;
        Some(item)
    }

    /// From now on these are somebody else's.
    pub(super) fn disown(&mut self, partitions: &BTreeSet<u32>) {
        let ours = |partition: &u32| !partitions.contains(partition);
        self.owned.retain(ours);
        self.unlocated.retain(ours);
        for of_partition in [&mut self.through, &mut self.given] {
            of_partition.retain(|partition, _| ours(partition));
        }
        self.items.retain(|(_, item)| ours(&item.position().partition));
        self.bytes = self.items.iter().map(|(bytes, _)| bytes).sum();
    }
}
