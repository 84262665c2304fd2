//! The order of messages, as one number that rises with the log and still compares with the times of old messages.

use std::collections::BTreeMap;

use sockeye_core::{message::Entry, time::Timestamp};

/// A hybrid clock's reading: milliseconds since 1970, shifted, plus a counter. Within a partition of the log each message's
/// is above the one before, however the clocks of gateways differ; otherwise it is the message's own time.
///
/// It is a function of the log alone: `order(n) = max(created_at(n), order(n - 1) + 1)`. Whoever stores a message, and
/// however often, gives it the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order(pub(super) i64);

/// Room for a million messages within one millisecond; times until the year 2248.
const COUNTER_BITS: u32 = 20;
const MILLIS_MAX: u64 = (1 << (63 - COUNTER_BITS)) - 1;

impl Order {
    /// Before every message of that time, and after all earlier ones.
    pub(super) fn of_time(time: Timestamp) -> Self {
        let millis = time.as_millis().min(MILLIS_MAX);
        Self(i64::try_from(millis << COUNTER_BITS).unwrap_or(i64::MAX))
    }

    pub(super) fn millis(self) -> i64 {
        self.0 >> COUNTER_BITS
    }

    fn next(self, created_at: Timestamp) -> Self {
        Self::of_time(created_at).max(Self(self.0.saturating_add(1)))
    }
}

/// How far a partition is stored, and the order of the last message there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) offset: u64,
    pub(super) order: Order,
}

/// Each partition's [`Reached`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Clocks(BTreeMap<u32, Reached>);

impl Clocks {
    pub(super) fn get(&self, partition: u32) -> Option<Reached> {
        self.0.get(&partition).copied()
    }

    /// Never goes back.
    pub(super) fn advance(&mut self, partition: u32, to: Reached) {
        let reached = self.0.entry(partition).or_insert(to);
        *reached = Reached { offset: reached.offset.max(to.offset), order: reached.order.max(to.order) };
    }

    /// Whether nothing lies between what is known and `entries`: then the orders that follow are right. Otherwise others
    /// have stored since, and what they have reached must be read first.
    pub(super) fn lead_to(&self, entries: &[Entry]) -> bool {
        let mut known: BTreeMap<u32, Option<u64>> = BTreeMap::new();
        entries.iter().all(|Entry { position, .. }| {
            let known = known
                .entry(position.partition)
                .or_insert_with(|| self.get(position.partition).map(|reached| reached.offset));
            let follows = position.offset <= known.map_or(0, |offset| offset.saturating_add(1));
            *known = Some(known.map_or(position.offset, |offset| offset.max(position.offset)));
            follows
        })
    }

    /// The order of each entry, and the clocks after them. Entries that are stored already have theirs: what they get here
    /// is not written.
    pub(super) fn follow(&self, entries: &[Entry]) -> (Vec<Order>, Self) {
        let mut clocks = self.clone();
        let orders = entries.iter().map(|Entry { position, record }| {
            let created_at = record.message.created_at;
            match clocks.get(position.partition) {
                Some(reached) if position.offset <= reached.offset => Order::of_time(created_at),
                reached => {
                    let order =
                        reached.map_or(Order::of_time(created_at), |reached| reached.order.next(created_at));
                    clocks.advance(position.partition, Reached { offset: position.offset, order });
                    order
                }
            }
        });
        (orders.collect(), clocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sockeye_core::{
        conversation::ConversationId,
        id::{MessageId, ObjectId, UserId},
        message::{Message, Origin, Record},
        position::Position,
    };

    fn entry(partition: u32, offset: u64, millis: u64) -> Entry {
        let sender = UserId(ObjectId([1; 12]));
        let message = Message {
            id: MessageId(ObjectId([2; 12])),
            conversation: ConversationId::direct(sender, sender),
            sender,
            text: String::new(),
            picture: None,
            created_at: Timestamp::from_millis(millis),
            client_id: None,
        };
        let record = Record { message, members: vec![sender], origin: Origin::Request };
        Entry { position: Position { partition, offset }, record }
    }

    #[test]
    fn order_is_time_unless_that_goes_back() {
        let log: Vec<_> =
            (0..).zip([1_000, 2_000, 1_500, 2_000, 2_001]).map(|(n, at)| entry(0, n, at)).collect();
        let (orders, clocks) = Clocks::default().follow(&log);
        let millis: Vec<_> = orders.iter().map(|order| order.millis()).collect();
        assert_eq!(millis, [1_000, 2_000, 2_000, 2_000, 2_001]);
        assert!(orders.is_sorted_by(|a, b| a < b));
        assert_eq!(clocks.get(0), Some(Reached { offset: 4, order: orders[4] }));
    }

    #[test]
    fn a_gap_in_what_is_known_is_noticed() {
        let (_, clocks) = Clocks::default().follow(&[entry(0, 0, 1), entry(0, 1, 1)]);
        assert!(clocks.lead_to(&[entry(0, 2, 1), entry(0, 3, 1)]));
        assert!(clocks.lead_to(&[entry(0, 0, 1), entry(1, 0, 1)]));
        assert!(!clocks.lead_to(&[entry(0, 3, 1)]));
        assert!(!clocks.lead_to(&[entry(0, 2, 1), entry(0, 4, 1)]));
        assert!(!clocks.lead_to(&[entry(1, 1, 1)]));
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let (orders, _) = Clocks::default().follow(&[entry(0, 0, u64::MAX), entry(0, 1, u64::MAX)]);
        assert!(orders[0] < orders[1] && orders[0].0 > 0);
    }

    proptest! {
        #[test]
        fn it_is_the_same_in_whatever_batches(
            times in prop::collection::vec((0..3u32, 0..50u64), 1..40),
            cuts in prop::collection::vec(1..6usize, 40),
        ) {
            let mut next = [0; 3];
            let log: Vec<_> = times
                .iter()
                .map(|&(partition, at)| {
                    let offset = &mut next[partition as usize];
                    *offset += 1;
                    entry(partition, *offset - 1, at)
                })
                .collect();
            let (whole, end) = Clocks::default().follow(&log);
            let (mut parts, mut clocks, mut rest) = (vec![], Clocks::default(), &log[..]);
            for cut in cuts {
                let (batch, after) = rest.split_at(cut.min(rest.len()));
                prop_assert!(clocks.lead_to(batch));
                let (orders, next) = clocks.follow(batch);
                parts.extend(orders);
                (clocks, rest) = (next, after);
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(parts, whole);
            prop_assert_eq!(clocks, end);
        }
    }
}
