//! Topics: created, described, and grown.

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use sockeye_adapters::{
    conformance::{everything, values::record},
    log::kafka::{KafkaAdmin, KafkaLog},
};
use sockeye_core::{
    ports::{LogError, MessageLog},
    position::Cursor,
};

use super::support::{Kafka, next};

fn admin(kafka: &Kafka) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &kafka.options.brokers).create().expect("an admin")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_once() {
    let kafka = Kafka::new(3);
    let admin = KafkaAdmin::open(kafka.options.clone()).expect("settings");
    let missing = admin.describe().await.expect("Kafka");
    assert!(missing.topic.is_none() && missing.brokers == 1);
    assert!(missing.warnings[0].contains("does not exist"), "{:?}", missing.warnings);
    let topic = &kafka.options.topic;
    let done = admin.migrate().await.expect("created");
    assert_eq!(done[0], format!("Created Kafka topic {topic}: 3 partitions, 1 copies."));
    assert!(done[1].starts_with(&format!("Created Kafka topic {topic}.dead-letter")));
    let missing = done.iter().filter(|sentence| sentence.contains("does not exist"));
    assert_eq!(missing.count(), 0, "what was just created is there: {done:?}");
    let again = admin.migrate().await.expect("nothing to do");
    assert_eq!(again[0], format!("Kafka topic {topic} exists."));
    let found = admin.describe().await.expect("Kafka").topic.expect("the topic");
    assert_eq!((found.partitions, found.replication, found.under_replicated), (3, 1, 0));
    assert_eq!(found.cleanup_policy.as_deref(), Some("delete"));
}

/// By several processes that start together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_by_several_at_once() {
    let kafka = Kafka::new(2);
    let open = || KafkaAdmin::open(kafka.options.clone()).expect("settings");
    let (one, other) = (open(), open());
    let (one, other) = tokio::join!(one.migrate(), other.migrate());
    assert!(one.is_ok() && other.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_topic_the_log_says_what_to_do() {
    let mut options = Kafka::new(1).options;
    (options.deadline_ms, options.answer_after_ms) = (2_000, 2_000);
    let log = KafkaLog::open(options).expect("settings");
    let Err(LogError::Unavailable(reason)) = log.end().await else { panic!("there is no topic") };
    assert!(reason.to_string().contains("sockeye migrate"), "{reason}");
    let Err(LogError::Unavailable(reason)) = log.tail(&Cursor::default()).await else {
        panic!("there is no topic")
    };
    assert!(reason.to_string().contains("sockeye migrate"), "{reason}");
    assert!(matches!(log.append(&record(1, 1, 2)).await, Err(LogError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_should_change_is_told() {
    let kafka = Kafka::new(1);
    let topic =
        NewTopic::new(&kafka.options.topic, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    admin(&kafka).create_topics([&topic], &AdminOptions::new()).await.expect("created");
    let log = kafka.log().await;
    for number in 0..5 {
        log.append(&record(number, 1, 2)).await.expect("append");
    }
    let admin = KafkaAdmin::open(kafka.options.clone()).expect("settings");
    let found = admin.describe().await.expect("Kafka");
    assert!(found.warnings.iter().any(|warning| warning.contains("compacted")), "{:?}", found.warnings);
    assert!(found.warnings.iter().any(|warning| warning.contains("one copy")), "{:?}", found.warnings);
    assert_eq!(found.lag.get(&0), Some(&5));
    let mut consumer = log.consumer().await.expect("consumer");
    let batch = next(&mut *consumer, 2).await;
    consumer.commit(&batch.through).await.expect("commit");
    let behind = 5 - batch.entries.len() as u64;
    assert_eq!(admin.describe().await.expect("Kafka").lag.get(&0), Some(&behind));
}

/// A tail follows them, and the end is told of them once something of ours is in them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_are_added_are_followed() {
    let kafka = Kafka::new(1);
    let log = kafka.log().await;
    log.append(&record(0, 1, 2)).await.expect("append");
    let mut tail = log.tail(&Cursor::default()).await.expect("tail");
    tail.next(10).await.expect("the first");
    admin(&kafka)
        .create_partitions([&NewPartitions::new(&kafka.options.topic, 4)], &AdminOptions::new())
        .await
        .expect("added");
    // A process that starts later knows them; this one finds out by itself.
    let later = kafka.log().await;
    let mut number = 0;
    let position = loop {
        number += 1;
        let position = later.append(&record(number, number, 2)).await.expect("append").position;
        if position.partition > 0 {
            break position;
        }
    };
    loop {
        let entries = tail.next(100).await.expect("entries");
        if entries.iter().any(|entry| entry.position == position) {
            break;
        }
    }
    assert!(later.end().await.expect("end").covers(position));
    assert!(everything(&*later).await.iter().any(|entry| entry.position == position));
}
