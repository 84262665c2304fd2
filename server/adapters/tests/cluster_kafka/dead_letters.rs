//! Entries that cannot be read.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use sockeye_adapters::conformance::values::record;
use sockeye_core::{
    ports::{LogError, MessageLog, Unreadable},
    position::{Cursor, Position},
};

use super::support::{Kafka, next, positions};

fn send(kafka: &Kafka, value: &[u8]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &kafka.options.brokers).create().expect("a producer");
    let headers = OwnedHeaders::new().insert(Header { key: "theirs", value: Some("kept") });
    let letter = BaseRecord::to(&kafka.options.topic).key("their key").payload(value).headers(headers);
    producer.send(letter).expect("a place in the queue");
    producer.flush(Duration::from_secs(30)).expect("sent");
}

type Letter = (Option<Vec<u8>>, Option<Vec<u8>>, BTreeMap<String, String>);

fn dead_letters(kafka: &Kafka, count: usize) -> Vec<Letter> {
    let options = &kafka.options;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", "reader of dead letters")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(&options.dead_letter_topic(), 0, Offset::Beginning).expect("an offset");
    consumer.assign(&all).expect("assigned");
    let letter = || {
        let found = consumer.poll(Duration::from_secs(30)).expect("a dead letter").expect("a dead letter");
        let headers = found.headers().expect("headers").iter();
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        let headers = headers.map(|header| (header.key.to_owned(), text(header.value))).collect();
        (found.key().map(<[u8]>::to_vec), found.payload().map(<[u8]>::to_vec), headers)
    };
    (0..count).map(|_| letter()).collect()
}

fn unreadable<T>(outcome: Result<T, LogError>) -> Unreadable {
    match outcome {
        Err(LogError::Unreadable(unreadable)) => unreadable,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it cannot be read"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_set_aside_and_the_rest_goes_on() {
    let kafka = Kafka::new(1);
    let log = kafka.log().await;
    let before = log.append(&record(1, 1, 2)).await.expect("append").position;
    send(&kafka, b"{\"text\":\"secret\"");
    let after = log.append(&record(2, 1, 2)).await.expect("append").position;
    send(&kafka, b"{\"sockeye\":{\"v\":7}}");
    let place = |offset| Position { partition: 0, offset };

    let mut tail = log.tail(&Cursor::default()).await.expect("tail");
    assert_eq!(positions(&tail.next(10).await.expect("the first")), [before]);
    assert_eq!(unreadable(tail.next(10).await).position, place(1));
    assert_eq!(positions(&tail.next(10).await.expect("once is enough")), [after]);
    assert_eq!(unreadable(tail.next(10).await).position, place(3));

    let mut consumer = log.consumer().await.expect("consumer");
    assert_eq!(positions(&next(&mut *consumer, 10).await.entries), [before]);
    let first = unreadable(consumer.next(10).await);
    assert_eq!(unreadable(consumer.next(10).await), first, "until it is set aside");
    assert!(!first.reason.contains("secret"));
    consumer.set_aside(&first).await.expect("set aside");
    // The second time does nothing: it is not there any more.
    consumer.set_aside(&first).await.expect("set aside");
    let batch = next(&mut *consumer, 10).await;
    assert_eq!(positions(&batch.entries), [after]);
    let second = unreadable(consumer.next(10).await);
    consumer.set_aside(&second).await.expect("set aside");
    let batch = consumer.next(10).await.expect("news");
    assert_eq!((batch.entries.len(), batch.through), (0, Cursor::from_iter([place(3)])));
    consumer.commit(&Cursor::from_iter([place(3)])).await.expect("commit");

    let letters = tokio::task::block_in_place(|| dead_letters(&kafka, 2));
    let (key, value, headers) = &letters[0];
    assert_eq!(key.as_deref(), Some(&b"their key"[..]));
    assert_eq!(value.as_deref(), Some(&b"{\"text\":\"secret\""[..]));
    let expected = [
        ("sockeye-offset", "1"),
        ("sockeye-partition", "0"),
        ("sockeye-reason", first.reason.as_str()),
        ("sockeye-topic", kafka.options.topic.as_str()),
        ("theirs", "kept"),
    ];
    assert_eq!(
        headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>(),
        expected
    );
    assert!(letters[1].2["sockeye-reason"].contains("newer"));
}

/// As large as the topic takes, so that with our headers it is too large.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_to_be_copied_is_named() {
    let kafka = Kafka::new(1);
    let log = kafka.log().await;
    let send_large = |bytes: usize| {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &kafka.options.brokers)
            .set("message.max.bytes", "2000000")
            .create()
            .expect("a producer");
        let value = vec![b'x'; bytes];
        producer.send(BaseRecord::<(), [u8]>::to(&kafka.options.topic).payload(&value)).expect("a place");
        producer.flush(Duration::from_secs(30)).expect("sent");
    };
    // The brokers' default of max.message.bytes less what a batch of one record needs around it.
    send_large(1_048_588 - 80);
    let mut consumer = log.consumer().await.expect("consumer");
    let found = unreadable(consumer.next(10).await);
    consumer.set_aside(&found).await.expect("set aside");
    let letters = tokio::task::block_in_place(|| dead_letters(&kafka, 1));
    let (_, value, headers) = &letters[0];
    assert_eq!(headers["sockeye-offset"], "0");
    // With compression of ours it may fit after all; then it is whole.
    assert_eq!(value.is_none(), headers.contains_key("sockeye-value"));
}
