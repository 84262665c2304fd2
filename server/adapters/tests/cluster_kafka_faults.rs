//! The broker dies and comes back. In a binary of its own: the other tests need the broker.

#[path = "support/kafka.rs"]
mod support;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use sockeye_adapters::{
    conformance::{everything, values::record},
    log::kafka::KafkaAdmin,
};
use sockeye_core::{
    message::Entry,
    ports::{LogConsumer, MessageLog},
    position::{Cursor, Position},
};
use support::{Kafka, setting};
use tokio::{
    process::Command,
    sync::{Mutex, watch},
    task::JoinSet,
};

/// One fault at a time.
static BROKER: Mutex<()> = Mutex::const_new(());

async fn services(action: &str) {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services");
    let dir = setting("SOCKEYE_TEST_SERVICES_DIR");
    let status = Command::new(script).args([action, "--dir", &dir, "kafka"]).status().await;
    assert!(status.expect("scripts/services").success(), "scripts/services {action}");
}

async fn signal(name: &str) {
    let file = PathBuf::from(setting("SOCKEYE_TEST_SERVICES_DIR")).join("kafka.pid");
    let pid = std::fs::read_to_string(file).expect("the broker's process");
    let status = Command::new("kill").args([name, pid.trim()]).status().await;
    assert!(status.expect("kill").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_brokers_death() {
    nothing_acknowledged_is_lost(async || {
        services("kill").await;
        services("restart").await;
    })
    .await;
}

/// Silence for longer than requests are waited for, as when a network swallows everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_brokers_silence() {
    nothing_acknowledged_is_lost(async || {
        signal("-STOP").await;
        tokio::time::sleep(Duration::from_secs(15)).await;
        signal("-CONT").await;
    })
    .await;
}

/// Senders keep sending, each retrying until its message is confirmed, as clients do; a tail and a worker keep reading.
async fn nothing_acknowledged_is_lost(fault: impl AsyncFnOnce()) {
    let _broker = BROKER.lock().await;
    let mut kafka = Kafka::new(3);
    kafka.options.deadline_ms = 3_000;
    kafka.options.answer_after_ms = 5_000;
    let log = kafka.log().await;
    let stored = Stored::default();
    let mut tail = log.tail(&Cursor::default()).await.expect("tail");
    let worker = tokio::spawn(work(log.consumer().await.expect("consumer"), stored.clone()));
    let (stop, stopped) = watch::channel(false);
    let mut senders = JoinSet::new();
    let (progress, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    for sender in 0..4u64 {
        let (log, stopped, progress) = (Arc::clone(&log), stopped.clone(), progress.clone());
        senders.spawn(async move {
            let mut acks: Vec<(u64, Position)> = vec![];
            let mut number = sender * 1_000_000;
            while !*stopped.borrow() {
                if let Ok(appended) = log.append(&record(number, sender, 9)).await {
                    acks.push((number, appended.position));
                    number += 1;
                    let _ = progress.send(sender);
                } else {
                    // Refused at once, it may be, for as long as the broker is away.
                    tokio::task::yield_now().await;
                }
            }
            (sender, acks)
        });
    }
    let mut wait_for = async |count: usize| {
        let mut left = BTreeMap::from_iter((0..4u64).map(|sender| (sender, count)));
        while !left.is_empty() {
            let sender = acknowledged.recv().await.expect("senders");
            if let Some(count) = left.get_mut(&sender) {
                *count -= 1;
                if *count == 0 {
                    left.remove(&sender);
                }
            }
        }
        while acknowledged.try_recv().is_ok() {}
    };
    wait_for(50).await;
    fault().await;
    wait_for(50).await;
    stop.send_replace(true);
    let acks = senders.join_all().await;

    let end = log.end().await.expect("end");
    let entries = everything(&*log).await;
    let at: BTreeMap<Position, &_> = entries.iter().map(|entry| (entry.position, &entry.record)).collect();
    for (sender, acks) in &acks {
        assert!(acks.windows(2).all(|pair| pair[0].1 < pair[1].1), "a sender's order is the log's");
        for (number, position) in acks {
            let found = at.get(position).expect("what was acknowledged is in the log");
            assert!(**found == record(*number, *sender, 9), "at its place");
        }
    }
    // Both readers come to the end by themselves, with nothing left out and nothing twice.
    let mut tailed = Cursor::default();
    let mut seen = vec![];
    while !tailed.covers_all(&end) {
        let Ok(more) = tail.next(1_000).await else { continue };
        more.iter().for_each(|entry| tailed.advance(entry.position));
        seen.extend(more);
    }
    seen.sort_by_key(|entry| entry.position);
    assert!(seen == entries, "the tail");
    let admin = KafkaAdmin::open(kafka.options.clone()).expect("settings");
    // The worker stores and commits all of it in the end.
    while !admin.describe().await.is_ok_and(|found| found.lag.values().sum::<u64>() == 0) {
        assert!(!worker.is_finished(), "the worker works until it is stopped");
    }
    worker.abort();
    let stored: Vec<Entry> = stored.lock().await.values().cloned().collect();
    assert!(stored == entries, "the worker");
}

type Stored = Arc<Mutex<BTreeMap<Position, Entry>>>;

/// Stores, then commits; what goes wrong is tried again.
async fn work(mut consumer: Box<dyn LogConsumer>, stored: Stored) {
    loop {
        let Ok(batch) = consumer.next(1_000).await else { continue };
        stored.lock().await.extend(batch.entries.into_iter().map(|entry| (entry.position, entry)));
        // Given up, it comes with the next.
        let _ = consumer.commit(&batch.through).await;
    }
}
