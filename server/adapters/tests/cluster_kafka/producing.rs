//! Bounds of appends.

use std::{sync::Arc, time::Duration};

use sockeye_adapters::{
    conformance::{everything, values::record},
    log::kafka::KafkaLog,
};
use sockeye_core::{
    ports::{LogError, MessageLog},
    position::Cursor,
};
use tokio::{net::TcpListener, task::JoinSet};

use super::support::Kafka;

/// Accepts and never answers.
async fn silent_broker() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_everything_is_unavailable_after_its_deadline() {
    let (_listener, address) = silent_broker().await;
    let mut options = Kafka::new(1).options;
    options.brokers = address;
    options.deadline_ms = 300;
    options.answer_after_ms = 300;
    let log = KafkaLog::open(options).expect("settings");
    assert!(matches!(log.append(&record(1, 1, 2)).await, Err(LogError::Unavailable(_))));
    assert!(matches!(log.end().await, Err(LogError::Unavailable(_))));
    assert!(matches!(log.tail(&Cursor::default()).await, Err(LogError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_bound_appends_are_refused_at_once() {
    let (_listener, address) = silent_broker().await;
    let mut options = Kafka::new(1).options;
    options.brokers = address;
    options.deadline_ms = 600_000;
    options.queue_len_max = 3;
    let log = Arc::new(KafkaLog::open(options).expect("settings"));
    let mut appends = JoinSet::new();
    for number in 0..10 {
        let log = Arc::clone(&log);
        appends.spawn(async move { log.append(&record(number, 1, 2)).await });
    }
    for _ in 0..7 {
        let outcome = appends.join_next().await.expect("seven are refused").expect("no panic");
        assert!(matches!(outcome, Err(LogError::Unavailable(_))), "refused, and never acknowledged");
    }
    assert!(appends.try_join_next().is_none(), "three wait");
}

/// By bytes too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_bound_of_bytes_appends_are_refused_at_once() {
    let (_listener, address) = silent_broker().await;
    let mut options = Kafka::new(1).options;
    options.brokers = address;
    options.deadline_ms = 600_000;
    options.queue_bytes_max = 100_000;
    let log = Arc::new(KafkaLog::open(options).expect("settings"));
    let mut large = record(1, 1, 2);
    large.message.text = "x".repeat(60_000);
    let (first, record) = (Arc::clone(&log), large.clone());
    let waiting = tokio::spawn(async move { first.append(&record).await });
    let mut refused = false;
    // The first may not be in the queue yet; of two more, one finds it full.
    for _ in 0..2 {
        let attempt = tokio::time::timeout(Duration::from_secs(1), log.append(&large)).await;
        refused |= matches!(attempt, Ok(Err(LogError::Unavailable(_))));
    }
    assert!(refused);
    waiting.abort();
}

/// An append whose caller went away is in the log or not; others are not disturbed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_may_go_away() {
    let kafka = Kafka::new(1);
    let log = kafka.log().await;
    for number in 0..50 {
        let log = Arc::clone(&log);
        let append = tokio::spawn(async move { log.append(&record(number, 1, 2)).await });
        tokio::task::yield_now().await;
        append.abort();
    }
    let last = log.append(&record(99, 1, 2)).await.expect("append").position;
    let entries = everything(&*log).await;
    assert_eq!(entries.last().map(|entry| entry.position), Some(last));
}

/// Askers that come while a question is under way get an answer to a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_for_the_end_all_see_what_was_appended_before() {
    let kafka = Kafka::new(3);
    let log = kafka.log().await;
    let mut askers = JoinSet::new();
    for asker in 0..20 {
        let log = Arc::clone(&log);
        askers.spawn(async move {
            for number in 0..20 {
                let record = record(asker * 100 + number, asker, number);
                let position = log.append(&record).await.expect("append").position;
                assert!(log.end().await.expect("end").covers(position));
            }
        });
    }
    askers.join_all().await;
}
