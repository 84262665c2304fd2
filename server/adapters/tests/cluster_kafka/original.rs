//! A topic that the original backend wrote is read on, by the group that read it.

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use sockeye_adapters::conformance::values::{record, user_id};
use sockeye_core::{
    conversation::Conversation,
    message::Origin,
    ports::MessageLog,
    position::{Cursor, Position},
};
use std::time::Duration;

use super::support::{Kafka, follow, next, positions};

/// As the original does it: no key, five fields.
fn send(kafka: &Kafka, texts: &[String]) {
    let options = &kafka.options;
    let mut config = ClientConfig::new();
    let producer: BaseProducer =
        config.set("bootstrap.servers", &options.brokers).create().expect("a producer");
    for text in texts {
        producer
            .send(BaseRecord::<(), String>::to(&options.topic).payload(text))
            .expect("a place in the queue");
    }
    producer.flush(Duration::from_secs(30)).expect("sent");
}

fn original(number: u64) -> String {
    let (sender, receiver) = (user_id(1), user_id(2));
    format!(
        r#"{{"senderId":"{sender}","receiverId":"{receiver}","text":"old {number}","image":null,"timestamp":{}}}"#,
        1_600_000_000_000 + number
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_topic_is_continued() {
    let kafka = Kafka::new(1);
    let log = kafka.log().await;
    send(&kafka, &(0..5).map(original).collect::<Vec<_>>());
    // The original's consumer stored two of them.
    let options = &kafka.options;
    let group: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", &options.group)
        .create()
        .expect("a consumer");
    let mut done = TopicPartitionList::new();
    done.add_partition_offset(&options.topic, 0, Offset::Offset(2)).expect("an offset");
    group.commit(&done, CommitMode::Sync).expect("committed");
    let ours = log.append(&record(9, 1, 2)).await.expect("append").position;

    let mut consumer = log.consumer().await.expect("consumer");
    let mut entries = vec![];
    let mut through = Cursor::default();
    while entries.len() < 4 {
        let batch = consumer.next(10).await.expect("next");
        batch.through.iter().for_each(|position| through.advance(position));
        entries.extend(batch.entries);
    }
    let old = |offset| Position { partition: 0, offset };
    assert_eq!(positions(&entries), [old(2), old(3), old(4), ours]);
    assert!(through.covers(ours));
    let conversation = Conversation::direct(user_id(1), user_id(2));
    for (number, entry) in (2..5).zip(&entries) {
        let message = &entry.record.message;
        assert_eq!((message.text.clone(), message.sender), (format!("old {number}"), user_id(1)));
        assert_eq!(message.created_at.as_millis(), 1_600_000_000_000 + number);
        assert_eq!(message.conversation, conversation.id);
        assert_eq!((&entry.record.members, entry.record.origin), (&conversation.members, Origin::Request));
    }
    assert_eq!(entries[3].record, record(9, 1, 2));
    // Every reader gives them the same ids.
    let mut tail = log.tail(&Cursor::from_iter([old(1)])).await.expect("tail");
    assert_eq!(follow(&mut *tail, 4).await, entries);
    consumer.commit(&through).await.expect("commit");
    drop(consumer);
    let later = log.append(&record(10, 1, 2)).await.expect("append").position;
    let mut consumer = log.consumer().await.expect("consumer");
    assert_eq!(positions(&next(&mut *consumer, 10).await.entries), [later]);
}
