//! The suite of [`MessageLog`].

use std::{collections::BTreeMap, sync::Arc};

use sockeye_core::{
    media::{ImageKind, MediaId, Picture},
    message::{Entry, Origin},
    ports::{LogConsumer, MessageLog},
    position::{Cursor, Position},
};
use tokio::task::JoinSet;

use super::{
    Fixture, everything, poll_once,
    values::{device_id, group_record, message_id, record, time},
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
                a_tail_starts_after_its_cursor_and_is_bounded,
                tails_do_not_disturb_each_other_or_the_consumer,
                concurrent_appends_each_get_a_place_of_their_own,
                a_repeat_answers_the_first_place_or_is_a_second_entry,
                an_acknowledged_entry_is_visible_at_once,
                a_consumer_starts_at_the_beginning_and_waits_for_more,
                a_consumer_follows_appends_in_order,
                a_tail_follows_appends_in_order,
                a_cancelled_wait_loses_nothing,
                a_later_consumer_starts_after_what_was_committed,
                a_batch_says_through_where_the_log_is_then_stored,
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
    let mut tail = log.tail(&Cursor::default()).await.expect("tail");
    assert!(poll_once(tail.next(10)).await.is_none());
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
        let Position { partition, offset } =
            log.append(&record(number, 0, peer)).await.expect("append").position;
        assert_eq!(*partition_of.entry(peer).or_insert(partition), partition, "a conversation moved");
        appended.entry(partition).or_default().push((offset, number));
    }
    let end = log.end().await.expect("end");
    for (partition, places) in appended {
        let offsets: Vec<u64> = places.iter().map(|&(offset, _)| offset).collect();
        assert_eq!(offsets, (0..places.len() as u64).collect::<Vec<_>>(), "dense from 0, rising");
        assert_eq!(end.offset(partition), offsets.last().copied());
        let read = everything(&*log).await;
        let read = read.iter().filter(|entry| entry.position.partition == partition);
        let read: Vec<_> = read.map(|e| (e.position.offset, e.record.message.id)).collect();
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
        let position = log.append(&record).await.expect("append").position;
        let read = everything(&*log).await;
        assert!(read.contains(&Entry { position, record }));
    }
}

pub async fn what_was_appended_survives_a_restart(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut positions = vec![];
    for number in 0..10 {
        positions.push(log.append(&record(number, 1, 2)).await.expect("append").position);
    }
    let end = log.end().await.expect("end");
    drop(log);
    let log = fixture.open().await;
    assert_eq!(log.end().await.expect("end"), end);
    let read = everything(&*log).await;
    assert_eq!(read.iter().map(|entry| entry.position).collect::<Vec<_>>(), positions);
    let next = log.append(&record(10, 1, 2)).await.expect("append").position;
    assert_eq!(next.offset, positions[9].offset + 1);
}

pub async fn a_tail_starts_after_its_cursor_and_is_bounded(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    for number in 0..10 {
        log.append(&record(number, 1, 2)).await.expect("append");
    }
    let partition = log.end().await.expect("end").iter().next().expect("a partition").partition;
    let after = |offset| Cursor::from_iter([Position { partition, offset }]);
    let mut tail = log.tail(&after(2)).await.expect("tail");
    let mut offsets = vec![];
    while offsets.len() < 7 {
        let entries = tail.next(4).await.expect("next");
        assert!((1..=4).contains(&entries.len()), "at least one, at most what was asked");
        offsets.extend(entries.iter().map(|entry| entry.position.offset));
    }
    assert_eq!(offsets, [3, 4, 5, 6, 7, 8, 9]);
    let mut at_end = log.tail(&after(9)).await.expect("tail");
    assert!(poll_once(at_end.next(4)).await.is_none());
    let position = log.append(&record(10, 1, 2)).await.expect("append").position;
    assert_eq!(positions(&at_end.next(4).await.expect("next")), [position]);
}

/// A tail sees what others have read, and reading it takes nothing from them.
pub async fn tails_do_not_disturb_each_other_or_the_consumer(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut all = vec![];
    for number in 0..20 {
        all.push(log.append(&record(number, number % 3, 2)).await.expect("append").position);
    }
    all.sort_unstable();
    let mut consumer = log.consumer().await.expect("consumer");
    for _ in 0..2 {
        let entries = everything(&*log).await;
        assert_eq!(positions(&entries), all);
    }
    let mut consumed = take(&mut *consumer, 20).await;
    consumed.sort_unstable();
    assert_eq!(consumed, all);
}

pub async fn concurrent_appends_each_get_a_place_of_their_own(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut appends = JoinSet::new();
    for number in 0..200 {
        let log = Arc::clone(&log);
        appends.spawn(async move {
            let record = record(number, number % 5, number % 11);
            Entry { position: log.append(&record).await.expect("append").position, record }
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
    assert_eq!(first.first, None, "nothing was there before");
    let mut retry = record(1, 1, 2);
    retry.message.created_at = time(77);
    let again = log.append(&retry).await.expect("append");
    if again.position == first.position {
        assert_eq!(again.first, Some(record(1, 1, 2)), "what counts is the first");
    }
    let mut answers = vec![first.position, again.position];
    let mut appends = JoinSet::new();
    for _ in 0..20 {
        let log = Arc::clone(&log);
        appends.spawn(async move { log.append(&record(1, 1, 2)).await.expect("append").position });
    }
    answers.extend(appends.join_all().await);
    answers.sort_unstable();
    answers.dedup();
    let entries = everything(&*log).await;
    assert_eq!(positions(&entries), answers);
    assert!(entries.iter().all(|entry| entry.record.message.id == message_id(1)));
}

pub async fn an_acknowledged_entry_is_visible_at_once(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    for number in 0..10 {
        let position = log.append(&record(number, 1, 2)).await.expect("append").position;
        assert!(log.end().await.expect("end").covers(position));
        assert!(positions(&everything(&*log).await).contains(&position));
    }
}

pub async fn a_consumer_starts_at_the_beginning_and_waits_for_more(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let first = log.append(&record(1, 1, 2)).await.expect("append").position;
    let mut consumer = log.consumer().await.expect("consumer");
    assert_eq!(take(&mut *consumer, 1).await, [first]);
    assert!(poll_once(consumer.next(10)).await.is_none(), "there is nothing more yet");
    let later = Arc::clone(&log);
    let append = tokio::spawn(async move { later.append(&record(2, 1, 2)).await.expect("append").position });
    let woken = take(&mut *consumer, 1).await;
    assert_eq!(woken, [append.await.expect("the append")]);
}

pub async fn a_consumer_follows_appends_in_order(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut consumer = log.consumer().await.expect("consumer");
    let appending = spawn_appends(&log, 300);
    let mut seen = Cursor::default();
    let mut count = 0;
    while count < 300 {
        let batch = consumer.next(7).await.expect("next");
        assert!(batch.entries.len() <= 7, "at most what was asked");
        count += batch.entries.len();
        batch.entries.iter().for_each(|entry| expect_next(&mut seen, entry.position));
        assert!(batch.entries.iter().all(|entry| batch.through.covers(entry.position)));
        assert!(batch.through.iter().all(|through| seen.covers(through)), "not beyond what was returned");
    }
    appending.join_all().await;
    assert_eq!(seen, log.end().await.expect("end"));
}

pub async fn a_tail_follows_appends_in_order(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut tail = log.tail(&Cursor::default()).await.expect("tail");
    let appending = spawn_appends(&log, 300);
    let mut seen = Cursor::default();
    let mut count = 0;
    while count < 300 {
        let entries = tail.next(7).await.expect("next");
        assert!((1..=7).contains(&entries.len()), "at least one, at most what was asked");
        count += entries.len();
        entries.iter().for_each(|entry| expect_next(&mut seen, entry.position));
    }
    appending.join_all().await;
    assert_eq!(seen, log.end().await.expect("end"));
}

pub async fn a_cancelled_wait_loses_nothing(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut consumer = log.consumer().await.expect("consumer");
    let appending = spawn_appends(&log, 200);
    let mut seen = Cursor::default();
    let mut count = 0;
    let mut patience = 0;
    while count < 200 {
        // Given up after more and more turns: before, in the middle of and after the read behind it.
        patience = (patience + 1) % 40;
        let batch = tokio::select! {
            biased;
            batch = consumer.next(3) => batch.expect("next"),
            () = turns(patience) => {
                // What an adapter does for itself needs its turn too.
                if patience == 39 { tokio::time::sleep(std::time::Duration::from_millis(1)).await }
                continue;
            }
        };
        count += batch.entries.len();
        batch.entries.iter().for_each(|entry| expect_next(&mut seen, entry.position));
    }
    appending.join_all().await;
}

/// What was not committed comes again.
pub async fn a_later_consumer_starts_after_what_was_committed(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut all = vec![];
    for number in 0..6 {
        all.push(log.append(&record(number, 1, 2)).await.expect("append").position);
    }
    let mut consumer = log.consumer().await.expect("consumer");
    assert_eq!(take(&mut *consumer, 6).await, all);
    consumer.commit(&Cursor::from_iter([all[3]])).await.expect("commit");
    drop(consumer);
    let mut consumer = log.consumer().await.expect("consumer");
    assert_eq!(take(&mut *consumer, 2).await, all[4..]);
}

/// Also when there is nothing new: what was stored before is known to be.
pub async fn a_batch_says_through_where_the_log_is_then_stored(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let last = {
        log.append(&record(1, 1, 2)).await.expect("append");
        log.append(&record(2, 1, 2)).await.expect("append").position
    };
    let mut consumer = log.consumer().await.expect("consumer");
    take(&mut *consumer, 2).await;
    consumer.commit(&Cursor::from_iter([last])).await.expect("commit");
    drop(consumer);
    let mut consumer = log.consumer().await.expect("consumer");
    let mut through = Cursor::default();
    while !through.covers(last) {
        let batch = consumer.next(10).await.expect("next");
        assert!(batch.entries.is_empty(), "all of it was stored");
        batch.through.iter().for_each(|position| through.advance(position));
    }
}

pub async fn what_was_committed_survives_a_restart(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut all = vec![];
    for number in 0..4 {
        all.push(log.append(&record(number, 1, 2)).await.expect("append").position);
    }
    let mut consumer = log.consumer().await.expect("consumer");
    take(&mut *consumer, 4).await;
    consumer.commit(&Cursor::from_iter([all[1]])).await.expect("commit");
    drop((consumer, log));
    let log = fixture.open().await;
    let mut consumer = log.consumer().await.expect("consumer");
    assert_eq!(take(&mut *consumer, 2).await, all[2..]);
}

pub async fn a_commit_for_nothing_changes_nothing(fixture: &impl Fixture<Log>) {
    let log = fixture.open().await;
    let mut consumer = log.consumer().await.expect("consumer");
    consumer.commit(&Cursor::default()).await.expect("commit");
    let first = log.append(&record(1, 1, 2)).await.expect("append").position;
    drop(consumer);
    let mut consumer = log.consumer().await.expect("consumer");
    assert_eq!(take(&mut *consumer, 1).await, [first]);
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
        taken.extend(positions(&consumer.next(count - taken.len()).await.expect("next").entries));
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
