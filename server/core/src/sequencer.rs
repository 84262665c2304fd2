//! Makes one order, without repeats, of what is read from the log, and notices holes.
//!
//! Entries have positions, and a message has an id: whoever delivers drops what it has seen, also when a client's retry made
//! a second entry, and notices when the log goes on later than it should (promises G1 to G4).

use std::collections::{HashSet, VecDeque};

use crate::{
    id::MessageId,
    message::Entry,
    position::{Cursor, Position},
};

/// Messages remembered to recognise a second log entry for the same message (a client's retry that overtook the store).
const RECENT_LEN_MAX: usize = 16_384;

/// What to do with an entry that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next one: deliver it.
    Deliver,
    /// Seen before: drop it.
    Repeat,
    /// Entries from offset `from` up to before this one are missing. When there is nothing to be had there: skip to it.
    Hole { from: u64 },
}

#[derive(Debug)]
pub struct Sequencer {
    seen: Cursor,
    recent: HashSet<MessageId>,
    recent_order: VecDeque<MessageId>,
}

impl Sequencer {
    /// Everything up to `start` counts as delivered. A partition that `start` does not name begins at its offset 0.
    pub fn new(start: Cursor) -> Self {
        Self { seen: start, recent: HashSet::new(), recent_order: VecDeque::new() }
    }

    /// Judges an entry; `Deliver` and `Repeat` move the position on.
    pub fn offer(&mut self, entry: &Entry) -> Verdict {
        let Position { partition, offset } = entry.position;
        if self.seen.covers(entry.position) {
            return Verdict::Repeat;
        }
        let next = self.seen.offset(partition).map_or(0, |seen| seen + 1);
        if offset > next {
            return Verdict::Hole { from: next };
        }
        self.seen.advance(entry.position);
        if self.remember(entry.record.message.id) { Verdict::Deliver } else { Verdict::Repeat }
    }

    /// Gives up on what lies before `position`: the log no longer has it.
    pub fn skip_to(&mut self, position: Position) {
        if position.offset > 0 {
            self.seen.advance(Position { offset: position.offset - 1, ..position });
        }
    }

    pub fn seen(&self) -> &Cursor {
        &self.seen
    }

    /// Whether the message is new.
    fn remember(&mut self, id: MessageId) -> bool {
        if !self.recent.insert(id) {
            return false;
        }
        self.recent_order.push_back(id);
        if self.recent_order.len() > RECENT_LEN_MAX
            && let Some(oldest) = self.recent_order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conversation::ConversationId,
        id::{ObjectId, UserId},
        message::{Message, Origin, Record},
        time::Timestamp,
    };
    use proptest::prelude::*;

    fn entry(offset: u64) -> Entry {
        let mut id = [0; 12];
        id[4..].copy_from_slice(&offset.to_be_bytes());
        named(offset, MessageId(ObjectId(id)))
    }

    fn named(offset: u64, id: MessageId) -> Entry {
        let user = UserId(ObjectId([1; 12]));
        Entry {
            position: Position { partition: 0, offset },
            record: Record {
                message: Message {
                    id,
                    conversation: ConversationId::direct(user, user),
                    sender: user,
                    text: String::new(),
                    picture: None,
                    created_at: Timestamp::from_millis(0),
                    client_id: None,
                },
                members: vec![user],
                origin: Origin::Request,
            },
        }
    }

    #[test]
    fn a_second_entry_for_the_same_message_is_a_repeat() {
        let mut sequencer = Sequencer::new(Cursor::default());
        assert_eq!(sequencer.offer(&entry(0)), Verdict::Deliver);
        assert_eq!(sequencer.offer(&named(1, entry(0).record.message.id)), Verdict::Repeat);
        assert_eq!(sequencer.offer(&entry(2)), Verdict::Deliver);
    }

    #[test]
    fn a_hole_says_where_to_read_from() {
        let mut sequencer = Sequencer::new("0:4".parse().unwrap());
        assert_eq!(sequencer.offer(&entry(4)), Verdict::Repeat);
        assert_eq!(sequencer.offer(&entry(7)), Verdict::Hole { from: 5 });
        sequencer.skip_to(Position { partition: 0, offset: 7 });
        assert_eq!(sequencer.offer(&entry(7)), Verdict::Deliver);
    }

    proptest! {
        /// Whatever the bus drops, repeats and reorders: delivered once each, in order.
        #[test]
        fn delivery_is_exact_over_a_lossy_bus(arrivals in prop::collection::vec(0u64..30, 0..200)) {
            let mut sequencer = Sequencer::new("0:0".parse().unwrap());
            let mut delivered = vec![];
            for arrival in arrivals {
                if let Verdict::Hole { from } = sequencer.offer(&entry(arrival)) {
                    for filler in from..=arrival {
                        prop_assert_eq!(sequencer.offer(&entry(filler)), Verdict::Deliver);
                        delivered.push(filler);
                    }
                } else if delivered.last().map_or(1, |last| last + 1) == arrival {
                    delivered.push(arrival);
                }
            }
            let expected: Vec<u64> = (1..=delivered.len() as u64).collect();
            prop_assert_eq!(delivered, expected);
        }
    }
}
