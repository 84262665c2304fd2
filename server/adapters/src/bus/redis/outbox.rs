//! What waits to be sent to the other nodes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sockeye_core::ports::BusEvent;
use tokio::sync::{Notify, watch};

use super::wire::Note;

/// A bounded queue. What was taken from it comes back, or is said to be sent.
pub(super) struct Outbox {
    len_max: usize,
    waiting: Mutex<VecDeque<Note>>,
    filled: Notify,
    /// Whether nothing waits.
    empty: watch::Sender<bool>,
}

impl Outbox {
    pub(super) fn new(len_max: usize) -> Self {
        let empty = watch::Sender::new(true);
        Self { len_max: len_max.max(2), waiting: Mutex::default(), filled: Notify::new(), empty }
    }

    pub(super) fn push(&self, event: BusEvent) {
        let note = Note::Event(event);
        let mut waiting = self.waiting();
        // One that has not left yet tells of this change too: receivers ask who is there, now.
        let told = note == Note::Event(BusEvent::PresenceChanged) && waiting.contains(&note);
        if !told {
            waiting.push_back(note);
            bound(&mut waiting, self.len_max);
        }
        self.empty.send_replace(false);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Waits for notes and takes up to `len_max` of the oldest.
    pub(super) async fn take(&self, len_max: usize) -> Vec<Note> {
        loop {
            let notes = self.take_now(len_max);
            if !notes.is_empty() {
                return notes;
            }
            self.filled.notified().await;
        }
    }

    /// The notes taken last were sent.
    pub(super) fn done(&self) {
        let waiting = self.waiting();
        self.empty.send_replace(waiting.is_empty());
    }

    /// The notes taken last were not, or not surely, sent.
    pub(super) fn put_back(&self, notes: Vec<Note>) {
        let mut waiting = self.waiting();
        for note in notes.into_iter().rev() {
            waiting.push_front(note);
        }
        bound(&mut waiting, self.len_max);
    }

    /// Waits until nothing waits.
    pub(super) async fn sent(&self) {
        // The sender of this channel lives as long as `self`.
        let _ = self.empty.subscribe().wait_for(|empty| *empty).await;
    }

    fn take_now(&self, len_max: usize) -> Vec<Note> {
        let mut waiting = self.waiting();
        let len = waiting.len().min(len_max);
        waiting.drain(..len).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Note>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the oldest that are too many, and leaves a note that says so in their place.
fn bound(notes: &mut VecDeque<Note>, len_max: usize) {
    if notes.len() <= len_max {
        return;
    }
    // One more makes room for the note.
    let dropped = notes.drain(..=notes.len() - len_max);
    let events = dropped.filter(|note| *note != Note::Lost).count();
    notes.push_front(Note::Lost);
    metrics::counter!("sockeye_bus_dropped_events_total").increment(events as u64);
}

#[cfg(test)]
mod tests {
    use sockeye_core::session::SessionId;

    use super::*;

    fn ended(n: u8) -> BusEvent {
        BusEvent::SessionEnded(SessionId([n; 16]))
    }

    #[tokio::test]
    async fn presence_events_take_one_place() {
        let outbox = Outbox::new(10);
        for event in [BusEvent::PresenceChanged, ended(1), BusEvent::PresenceChanged] {
            outbox.push(event);
        }
        let taken = outbox.take(10).await;
        assert_eq!(taken, [Note::Event(BusEvent::PresenceChanged), Note::Event(ended(1))]);
        // On its way, it may be too early for this change.
        outbox.push(BusEvent::PresenceChanged);
        outbox.done();
        assert_eq!(outbox.take(10).await, [Note::Event(BusEvent::PresenceChanged)]);
    }

    #[tokio::test]
    async fn at_the_bound_the_oldest_go_and_it_is_said() {
        let outbox = Outbox::new(4);
        for n in 0..20 {
            outbox.push(ended(n));
            assert!(outbox.waiting().len() <= 4);
        }
        let kept = [Note::Lost, Note::Event(ended(17)), Note::Event(ended(18)), Note::Event(ended(19))];
        let taken = outbox.take(10).await;
        assert_eq!(taken, kept);
        outbox.push(ended(20));
        outbox.put_back(taken);
        let kept = [Note::Lost, Note::Event(ended(18)), Note::Event(ended(19)), Note::Event(ended(20))];
        assert_eq!(outbox.take(10).await, kept);
    }

    #[tokio::test]
    async fn sent_waits_for_what_is_on_its_way() {
        let outbox = Outbox::new(4);
        outbox.sent().await;
        outbox.push(ended(1));
        outbox.take(1).await;
        assert!(!*outbox.empty.borrow());
        outbox.done();
        outbox.sent().await;
    }
}
