//! Workers that share the partitions.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    types::RDKafkaRespErr,
};
use sockeye_adapters::{conformance::values::record, log::kafka::KafkaLogOptions};
use sockeye_core::{
    message::Entry,
    ports::{LogConsumer, MessageLog},
    position::{Cursor, Position},
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::support::{Kafka, next};

/// Stores all it gets: tells what, and commits it.
fn work(mut consumer: Box<dyn LogConsumer>, stored: mpsc::UnboundedSender<Position>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            // Group and partitions are on the move: an error is tried again.
            let Ok(batch) = consumer.next(20).await else { continue };
            for entry in &batch.entries {
                let _ = stored.send(entry.position);
            }
            let _ = consumer.commit(&batch.through).await;
        }
    })
}

/// Receives until all of `missing` was stored.
async fn all_stored(stored: &mut mpsc::UnboundedReceiver<Position>, missing: &mut BTreeSet<Position>) {
    while !missing.is_empty() {
        missing.remove(&stored.recv().await.expect("a worker"));
    }
}

async fn append(log: &Arc<impl MessageLog>, numbers: std::ops::Range<u64>) -> BTreeSet<Position> {
    let mut positions = BTreeSet::new();
    for number in numbers {
        let record = record(number, number % 13, number % 7);
        positions.insert(log.append(&record).await.expect("append").position);
    }
    positions
}

/// One comes, one goes: everything is stored by somebody, and in the end all of it is committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_come_and_go_lose_nothing() {
    let kafka = Kafka::new(6);
    let (log, other) = (kafka.log().await, kafka.log().await);
    let (stored, mut told) = mpsc::unbounded_channel();
    let mut all = append(&log, 0..200).await;
    let first = work(log.consumer().await.expect("consumer"), stored.clone());
    all_stored(&mut told, &mut all).await;
    let second = {
        let (joined, mut theirs) = mpsc::unbounded_channel();
        let second = work(other.consumer().await.expect("consumer"), joined);
        // Until the second has its share.
        let mut missing = BTreeSet::new();
        let mut number = 200;
        let share = loop {
            missing.append(&mut append(&log, number..number + 20).await);
            number += 20;
            if let Ok(position) = theirs.try_recv() {
                break position;
            }
        };
        missing.remove(&share);
        missing.append(&mut append(&log, number..number + 200).await);
        while !missing.is_empty() {
            let position = tokio::select! { one = told.recv() => one, other = theirs.recv() => other };
            missing.remove(&position.expect("a worker"));
        }
        second
    };
    first.abort();
    assert!(first.await.expect_err("it runs until it is stopped").is_cancelled());
    // The second is told through a channel that is gone; what it stores is seen by a third after it.
    let end = log.end().await.expect("end");
    let admin = sockeye_adapters::log::kafka::KafkaAdmin::open(kafka.options.clone()).expect("settings");
    while admin.describe().await.expect("Kafka").lag.values().sum::<u64>() > 0 {
        tokio::task::yield_now().await;
    }
    second.abort();
    assert!(second.await.expect_err("it runs until it is stopped").is_cancelled());
    let mut third = log.consumer().await.expect("consumer");
    let mut through = Cursor::default();
    while !through.covers_all(&end) {
        let batch = third.next(10).await.expect("next");
        assert!(batch.entries.is_empty(), "all of it was committed");
        batch.through.iter().for_each(|position| through.advance(position));
    }
}

/// After a partition was given away, nothing of it is returned, though it was read ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_away_is_not_returned() {
    let kafka = Kafka::new(2);
    let (log, other) = (kafka.log().await, kafka.log().await);
    let all = append(&log, 0..200).await;
    let mut first = log.consumer().await.expect("consumer");
    let first_entry = next(&mut *first, 1).await.entries[0].position;
    let mut second = other.consumer().await.expect("consumer");
    let theirs = next(&mut *second, 1).await.entries[0].position.partition;
    // Behind all that was read ahead.
    let mut later = append(&log, 1_000..1_050).await;
    later.retain(|position| position.partition != theirs);
    let last_of_ours = *later.last().expect("one of fifty");
    let mut last = first_entry;
    while last != last_of_ours {
        let batch = next(&mut *first, 10).await;
        assert!(batch.entries.iter().all(|entry| entry.position.partition != theirs));
        assert!(batch.through.offset(theirs).is_none());
        last = batch.entries[batch.entries.len() - 1].position;
    }
    // What the other one owns now is not ours to commit.
    let last = Cursor::from_iter(all.iter().chain(&later).copied());
    first.commit(&last).await.expect("commit");
    drop((first, second));
    let mut third = log.consumer().await.expect("consumer");
    let entry: Entry = next(&mut *third, 1).await.entries.remove(0);
    assert_eq!(entry.position, Position { partition: theirs, offset: 0 });
}

/// As when the database is away: the worker holds a batch for longer than a silent member is kept in the group, with more
/// in the log than is read ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_waits_keeps_its_partitions() {
    let mut kafka = Kafka::new(2);
    kafka.options.ahead_len_max = 10;
    let log = kafka.log().await;
    let mut all = append(&log, 0..300).await;
    let mut consumer = log.consumer().await.expect("consumer");
    let first = next(&mut *consumer, 5).await;
    let silent_ms = 2 * kafka.options.session_ms + 3_000;
    tokio::time::sleep(Duration::from_millis(silent_ms)).await;
    let mut seen = Cursor::default();
    let mut batch = first;
    loop {
        for entry in &batch.entries {
            let Position { partition, offset } = entry.position;
            assert_eq!(
                offset,
                seen.offset(partition).map_or(0, |offset| offset + 1),
                "none twice, none missing"
            );
            seen.advance(entry.position);
            all.remove(&entry.position);
        }
        consumer.commit(&batch.through).await.expect("commit");
        if all.is_empty() {
            return;
        }
        batch = next(&mut *consumer, 50).await;
    }
}

/// Two processes that were given one name: the one that came first is told, and gets over it when the other is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_name_was_taken_joins_again() {
    let mut kafka = Kafka::new(1);
    kafka.options.instance = Some("worker-0".into());
    let (log, other) = (kafka.log().await, kafka.log().await);
    let position = log.append(&record(1, 1, 2)).await.expect("append").position;
    let mut first = log.consumer().await.expect("consumer");
    next(&mut *first, 10).await;
    let mut second = other.consumer().await.expect("consumer");
    next(&mut *second, 10).await;
    assert!(first.next(10).await.is_err());
    drop(second);
    let again = loop {
        match first.next(10).await {
            Ok(batch) if batch.entries.is_empty() => {}
            Ok(batch) => break batch,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(again.entries[0].position, position);
    first.commit(&again.through).await.expect("commit");
}

/// A member that is told what to give up, and ends there.
#[derive(Default)]
struct Ending {
    has_a_share: AtomicBool,
    is_to_give_up: AtomicBool,
}

impl ClientContext for Ending {}

impl ConsumerContext for Ending {
    fn rebalance(&self, member: &BaseConsumer<Self>, what: RDKafkaRespErr, share: &mut TopicPartitionList) {
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            member.incremental_assign(share).expect("a share");
            self.has_a_share.store(true, Ordering::Release);
        } else {
            self.is_to_give_up.store(true, Ordering::Release);
        }
    }
}

fn ending(options: &KafkaLogOptions, name: &str) -> BaseConsumer<Ending> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", &options.group)
        .set("group.instance.id", name)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "60000")
        .set("heartbeat.interval.ms", "200");
    let member = BaseConsumer::from_config_and_context(&config, Ending::default()).expect("a client");
    member.subscribe(&[&options.topic]).expect("a subscription");
    member
}

/// Both workers of a group end when it has decided to move partitions from one to the other, and come back under their
/// names: the group takes its members for the old ones, and nobody would ever be given what was to move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_come_back_in_the_middle_of_a_move_leave_no_partition_behind() {
    const NAMES: [&str; 2] = ["worker-0", "worker-1"];
    let mut kafka = Kafka::new(6);
    kafka.options.coverage_every_ms = 500;
    let log = kafka.log().await;
    let mut all = append(&log, 0..200).await;
    let options = kafka.options.clone();
    #[expect(clippy::disallowed_methods, reason = "one task of one test")]
    let members = tokio::task::spawn_blocking(move || {
        let first = ending(&options, NAMES[0]);
        while !first.context().has_a_share.load(Ordering::Acquire) {
            first.poll(Duration::from_millis(50));
        }
        // It joins by itself, so only now.
        let second = ending(&options, NAMES[1]);
        while !first.context().is_to_give_up.load(Ordering::Acquire) {
            first.poll(Duration::from_millis(50));
            second.poll(Duration::from_millis(50));
        }
        (first, second)
    });
    let (first, second) = members.await.expect("two members");
    // As if killed. Closing them would wait for ever for what they do not give up; their successors shut them out.
    std::mem::forget((first, second));

    let (stored, mut told) = mpsc::unbounded_channel();
    let mut workers = vec![];
    for name in NAMES {
        kafka.options.instance = Some(name.into());
        let log = kafka.log().await;
        workers.push(work(log.consumer().await.expect("consumer"), stored.clone()));
    }
    let patience = Duration::from_secs(60);
    timeout(patience, all_stored(&mut told, &mut all))
        .await
        .unwrap_or_else(|_| panic!("left behind: {all:?}"));
    workers.iter().for_each(JoinHandle::abort);
}
