//! The latest entries, in memory: the readers that follow the log need no disk, thread or parser for them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sockeye_core::message::Entry;

/// Entries kept.
const LEN_MAX: usize = 4_096;
/// Bytes kept, as written to the disk.
const BYTES_MAX: usize = 4_000_000;

/// A gapless run of entries that ends where the log ends. Holds only what is synced.
#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<(usize, Entry)>,
    bytes: usize,
}

impl Tail {
    /// Adds the entry that comes next; `bytes`: its size on the disk.
    pub(super) fn push(&self, entry: Entry, bytes: usize) {
        let mut kept = self.lock();
        kept.bytes += bytes;
        kept.entries.push_back((bytes, entry));
        while kept.entries.len() > LEN_MAX || kept.bytes > BYTES_MAX {
            let Some((bytes, _)) = kept.entries.pop_front() else { break };
            kept.bytes -= bytes;
        }
    }

    /// The log no longer has entries before `offset`.
    pub(super) fn forget_before(&self, offset: u64) {
        let mut kept = self.lock();
        while kept.entries.front().is_some_and(|(_, entry)| entry.position.offset < offset) {
            let Some((bytes, _)) = kept.entries.pop_front() else { break };
            kept.bytes -= bytes;
        }
    }

    /// Entries from offset `from` on, at most `len_max`; `None` when the first of them is not here.
    pub(super) fn read(&self, from: u64, len_max: usize) -> Option<Vec<Entry>> {
        let kept = self.lock();
        let first = kept.entries.front()?.1.position.offset;
        let skipped = usize::try_from(from.checked_sub(first)?).ok()?;
        Some(kept.entries.iter().skip(skipped).take(len_max).map(|(_, entry)| entry.clone()).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Counters and queue change together or the process is out of memory.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sockeye_core::{
        conversation::ConversationId,
        id::{MessageId, ObjectId, UserId},
        message::{Message, Origin, Record},
        position::Position,
        time::Timestamp,
    };

    use super::*;

    fn entry(offset: u64) -> Entry {
        let user = UserId(ObjectId([1; 12]));
        let message = Message {
            id: MessageId(ObjectId([2; 12])),
            conversation: ConversationId::direct(user, user),
            sender: user,
            text: String::new(),
            picture: None,
            created_at: Timestamp::default(),
            client_id: None,
        };
        let record = Record { message, members: vec![user], origin: Origin::Request };
        Entry { position: Position { partition: 0, offset }, record }
    }

    fn offsets(read: Option<Vec<Entry>>) -> Option<Vec<u64>> {
        read.map(|entries| entries.iter().map(|entry| entry.position.offset).collect())
    }

    #[test]
    fn what_is_here_is_read_and_what_is_not_is_left_to_the_disk() {
        let tail = Tail::default();
        assert_eq!(offsets(tail.read(0, 9)), None);
        (5..9).for_each(|offset| tail.push(entry(offset), 1));
        assert_eq!(offsets(tail.read(4, 9)), None);
        assert_eq!(offsets(tail.read(5, 2)), Some(vec![5, 6]));
        assert_eq!(offsets(tail.read(8, 9)), Some(vec![8]));
        assert_eq!(offsets(tail.read(9, 9)), Some(vec![]));
        tail.forget_before(7);
        assert_eq!(offsets(tail.read(6, 9)), None);
        assert_eq!(offsets(tail.read(7, 9)), Some(vec![7, 8]));
    }

    #[test]
    fn the_oldest_go_at_either_bound() {
        let tail = Tail::default();
        (0..3).for_each(|offset| tail.push(entry(offset), BYTES_MAX / 2));
        assert_eq!(offsets(tail.read(0, 9)), None);
        assert_eq!(offsets(tail.read(1, 9)), Some(vec![1, 2]));
        (3..LEN_MAX as u64 + 10).for_each(|offset| tail.push(entry(offset), 1));
        assert_eq!(offsets(tail.read(9, 9)), None);
        assert!(tail.read(10, 1).is_some());
    }
}
