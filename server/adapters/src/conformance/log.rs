//! The suite of [`MessageLog`].

use std::{collections::BTreeMap, sync::Arc};

use sockeye_core::{
    media::{ImageKind, MediaId, Picture},
    message::{Entry, Origin},
    ports::{ConsumerGroup, LogConsumer, MessageLog},
    position::{Cursor, Position},
};
use tokio::task::JoinSet;

use super::{
    Fixture, poll_once,
    values::{device_id, group_record, message_id, record},
};

/// Tests of a [`MessageLog`]; give an expression that makes a [`Fixture`].
#[macro_export]
macro_rules! log_suite {
    ($fixture:expr) => {
        $crate::conformance_checks!(
            [$crate::conformance::log],
            $fixture,
            [
                a_new_log_is_empty,
                a_conversation_has_one_partition_with_dense_offsets_in_append_order,
                what_is_read_is_what_was_appended,
                what_was_appended_survives_a_restart,
                a_read_starts_at_its_offset_and_is_bounded,
                concurrent_appends_each_get_a_place_of_their_own,
                a_repeat_answers_the_first_place_or_is_a_second_entry,
                an_acknowledged_entry_is_visible_at_once,
                a_consumer_starts_at_the_beginning_and_waits_for_more,
                a_consumer_follows_appends_in_order,
                a_cancelled_wait_loses_nothing,
                a_later_consumer_starts_after_what_was_committed,
                what_was_committed_survives_a_restart,
                a_commit_for_nothing_changes_nothing,
            ]
        );
    };
}

type Log = dyn MessageLog;

pub async fn a_new_log_is_empty(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    assert!(log.end().await.expect("end").is_empty());
    assert!(log.read(0, 0, 10).await.expect("read").is_empty());
}

/// Two appends by one caller, the second started after the first returned, keep their order.
pub async fn a_conversation_has_one_partition_with_dense_offsets_in_append_order(
    fixture: &impl Fixture<Log>,
) {
    let log = fixture.open().await;
    let mut partition_of = BTreeMap::new();
    let mut appended: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    for number in 0..60 {
        let peer = 1 + number % 7;
        let Position { partition, offset } = log.append(&record(number, 0, peer)).await.expect("append");
        assert_eq!(*partition_of.entry(peer).or_insert(partition), partition, "a conversation moved");
        appended.entry(partition).or_default().push((offset, number));
    }
    let end = log.end().await.expect("end");
    for (partition, places) in appended {
        let offsets: Vec<u64> = places.iter().map(|&(offset, _)| offset).collect();
        assert_eq!(offsets, (0..places.len() as u64).collect::<Vec<_>>(), "dense from 0, rising");
        assert_eq!(end.offset(partition), offsets.last().copied());
        let read = log.read(partition, 0, 100).await.expect("read");
        let read: Vec<_> = read.iter().map(|e| (e.position.offset, e.record.message.id)).collect();
        let expected: Vec<_> = places.iter().map(|&(offset, n)| (offset, message_id(n))).collect();
        assert_eq!(read, expected);
    }
}

pub async fn what_is_read_is_what_was_appended(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut plain = record(1, 1, 2);
    plain.message.text = "Grüße\0 \u{1f44b}\n\"quoted\" \u{2028}".into();
    let mut rich = group_record(2, 1, 9, &[1, 2, 3]);
    rich.message.picture = Some(Picture::Stored(MediaId::new([7; 16], ImageKind::Webp)));
    rich.message.client_id = Some("client's own".into());
    rich.origin = Origin::Device(device_id(5));
    let mut by_request = record(3, 1, 1);
    by_request.message.text = String::new();
    by_request.message.picture = Some(Picture::External("https://example.org/a?b=c".into()));
    by_request.origin = Origin::Request;
    let mut long = record(4, 1, 2);
    long.message.text = "x".repeat(40_000);
    for record in [plain, rich, by_request, long] {
        let position = log.append(&record).await.expect("append");
        let read = log.read(position.partition, position.offset, 1).await.expect("read");
        assert_eq!(read, [Entry { position, record }]);
    }
}

pub async fn what_was_appended_survives_a_restart(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut positions = vec![];
    for number in 0..10 {
        positions.push(log.append(&record(number, 1, 2)).await.expect("append"));
    }
    let end = log.end().await.expect("end");
    drop(log);
    let log = fixture.open().await;
    assert_eq!(log.end().await.expect("end"), end);
    let read = log.read(positions[0].partition, positions[0].offset, 100).await.expect("read");
    assert_eq!(read.iter().map(|entry| entry.position).collect::<Vec<_>>(), positions);
    let next = log.append(&record(10, 1, 2)).await.expect("append");
    assert_eq!(next.offset, positions[9].offset + 1);
}

/// Empty at the end.
pub async fn a_read_starts_at_its_offset_and_is_bounded(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    for number in 0..10 {
        log.append(&record(number, 1, 2)).await.expect("append");
    }
    let partition = log.end().await.expect("end").iter().next().expect("a partition").partition;
    let offsets = async |from, len_max| {
        let entries = log.read(partition, from, len_max).await.expect("read");
        entries.iter().map(|entry| entry.position.offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(3, 4).await, [3, 4, 5, 6]);
    assert_eq!(offsets(8, 100).await, [8, 9]);
    assert!(offsets(10, 100).await.is_empty());
    assert!(offsets(1_000_000, 1).await.is_empty());
    assert!(offsets(0, 0).await.is_empty());
}

pub async fn concurrent_appends_each_get_a_place_of_their_own(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut appends = JoinSet::new();
    for number in 0..200 {
        let log = Arc::clone(&log);
        appends.spawn(async move {
            let record = record(number, number % 5, number % 11);
            Entry { position: log.append(&record).await.expect("append"), record }
        });
    }
    let mut entries = appends.join_all().await;
    entries.sort_by_key(|entry| entry.position);
    assert_eq!(everything(&*log).await, entries);
}

/// Also when the repeats are under way at the same time.
pub async fn a_repeat_answers_the_first_place_or_is_a_second_entry(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let first = log.append(&record(1, 1, 2)).await.expect("append");
    let mut answers = vec![first, log.append(&record(1, 1, 2)).await.expect("append")];
    let mut appends = JoinSet::new();
    for _ in 0..20 {
        let log = Arc::clone(&log);
        appends.spawn(async move { log.append(&record(1, 1, 2)).await.expect("append") });
    }
    answers.extend(appends.join_all().await);
    answers.sort_unstable();
    answers.dedup();
    let entries = everything(&*log).await;
    assert_eq!(entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), answers);
    assert!(entries.iter().all(|entry| entry.record == record(1, 1, 2)));
}

pub async fn an_acknowledged_entry_is_visible_at_once(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    for number in 0..50 {
        let position = log.append(&record(number, 1, 2)).await.expect("append");
        assert!(log.end().await.expect("end").covers(position));
        assert_eq!(log.read(position.partition, position.offset, 1).await.expect("read").len(), 1);
    }
}

pub async fn a_consumer_starts_at_the_beginning_and_waits_for_more(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let first = log.append(&record(1, 1, 2)).await.expect("append");
    let mut consumer = log.consumer(ConsumerGroup::Store).await.expect("consumer");
    assert_eq!(positions(&consumer.next(10).await.expect("next")), [first]);
    assert!(poll_once(consumer.next(10)).await.is_none(), "there is nothing more yet");
    let later = Arc::clone(&log);
    let append = tokio::spawn(async move { later.append(&record(2, 1, 2)).await.expect("append") });
    let woken = positions(&consumer.next(10).await.expect("next"));
    assert_eq!(woken, [append.await.expect("the append")]);
}

pub async fn a_consumer_follows_appends_in_order(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut consumer = log.consumer(ConsumerGroup::Dispatch).await.expect("consumer");
    let appending = spawn_appends(&log, 300);
    let mut seen = Cursor::default();
    let mut count = 0;
    while count < 300 {
        let entries = consumer.next(7).await.expect("next");
        assert!((1..=7).contains(&entries.len()), "at least one, at most what was asked");
        count += entries.len();
        entries.iter().for_each(|entry| expect_next(&mut seen, entry.position));
    }
    appending.join_all().await;
    assert_eq!(seen, log.end().await.expect("end"));
}

pub async fn a_cancelled_wait_loses_nothing(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut consumer = log.consumer(ConsumerGroup::Dispatch).await.expect("consumer");
    let appending = spawn_appends(&log, 200);
    let mut seen = Cursor::default();
    let mut count = 0;
    let mut patience = 0;
    while count < 200 {
        // Given up after more and more turns: before, in the middle of and after the read behind it.
        patience = (patience + 1) % 40;
        let entries = tokio::select! {
            biased;
            entries = consumer.next(3) => entries.expect("next"),
            () = turns(patience) => continue,
        };
        count += entries.len();
        entries.iter().for_each(|entry| expect_next(&mut seen, entry.position));
    }
    appending.join_all().await;
}

/// What was not committed comes again, to each group by itself.
pub async fn a_later_consumer_starts_after_what_was_committed(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut all = vec![];
    for number in 0..6 {
        all.push(log.append(&record(number, 1, 2)).await.expect("append"));
    }
    let mut consumer = log.consumer(ConsumerGroup::Store).await.expect("consumer");
    assert_eq!(take(&mut *consumer, 6).await, all);
    consumer.commit(&Cursor::from_iter([all[3]])).await.expect("commit");
    drop(consumer);
    let mut consumer = log.consumer(ConsumerGroup::Store).await.expect("consumer");
    assert_eq!(take(&mut *consumer, 2).await, all[4..]);
    let mut other = log.consumer(ConsumerGroup::Dispatch).await.expect("consumer");
    assert_eq!(take(&mut *other, 6).await, all);
}

pub async fn what_was_committed_survives_a_restart(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut all = vec![];
    for number in 0..4 {
        all.push(log.append(&record(number, 1, 2)).await.expect("append"));
    }
    let mut consumer = log.consumer(ConsumerGroup::Store).await.expect("consumer");
    take(&mut *consumer, 4).await;
    consumer.commit(&Cursor::from_iter([all[1]])).await.expect("commit");
    drop((consumer, log));
    let log = fixture.open().await;
    let mut consumer = log.consumer(ConsumerGroup::Store).await.expect("consumer");
    assert_eq!(take(&mut *consumer, 2).await, all[2..]);
}

pub async fn a_commit_for_nothing_changes_nothing(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut consumer = log.consumer(ConsumerGroup::Store).await.expect("consumer");
    consumer.commit(&Cursor::default()).await.expect("commit");
    let first = log.append(&record(1, 1, 2)).await.expect("append");
    drop(consumer);
    let mut consumer = log.consumer(ConsumerGroup::Store).await.expect("consumer");
    assert_eq!(take(&mut *consumer, 1).await, [first]);
}

async fn everything(log: &Log) -> Vec<Entry> {
    let mut entries = vec![];
    for end in log.end().await.expect("end").iter() {
        entries.extend(log.read(end.partition, 0, usize::MAX).await.expect("read"));
    }
    entries
}

fn spawn_appends(log: &Arc<Log>, count: u64) -> JoinSet<()> {
    let mut appends = JoinSet::new();
    for sender in 0..4 {
        let log = Arc::clone(log);
        appends.spawn(async move {
            for number in (sender..count).step_by(4) {
                log.append(&record(number, sender, 9)).await.expect("append");
            }
        });
    }
    appends
}

async fn take(consumer: &mut dyn LogConsumer, count: usize) -> Vec<Position> {
    let mut taken = vec![];
    while taken.len() < count {
        taken.extend(positions(&consumer.next(count - taken.len()).await.expect("next")));
    }
    taken
}

fn positions(entries: &[Entry]) -> Vec<Position> {
    entries.iter().map(|entry| entry.position).collect()
}

fn expect_next(seen: &mut Cursor, position: Position) {
    assert_eq!(position.offset, seen.offset(position.partition).map_or(0, |offset| offset + 1), "a hole");
    seen.advance(position);
}

async fn turns(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}
