//! History is in the order of the log, whatever the clocks of gateways say and however often batches come.

use mongodb::bson::{Document, doc};
use proptest::{prelude::*, test_runner::Config};
use sockeye_adapters::{
    conformance::values::{at, message_id, record, time, user_id},
    store::mongo::{MongoSchema, MongoStore},
};
use sockeye_core::{
    conversation::ConversationId,
    message::Entry,
    ports::Messages,
    position::{Cursor, Position},
};

use crate::fixture::Mongo;

fn log(times: &[u64]) -> Vec<Entry> {
    let entry = |(offset, &sent_at): (u64, &u64)| {
        let mut entry = at(0, offset, record(offset, 1, 2));
        entry.record.message.created_at = time(sent_at);
        entry
    };
    (0..).zip(times).map(entry).collect()
}

async fn store(store: &MongoStore, entries: &[Entry]) {
    let through = entries.iter().map(|entry| entry.position).collect();
    store.store_batch(entries, &through).await.unwrap();
}

async fn history(store: &MongoStore) -> Vec<u64> {
    let conversation = ConversationId::direct(user_id(1), user_id(2));
    let all = store.history(&conversation, None, 1_000).await.unwrap();
    all.iter().map(|m| (0..1_000).find(|&n| message_id(n) == m.id).unwrap()).collect()
}

/// Two workers take turns; one message comes from a gateway an hour ahead, the next from one behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skewed_clocks_do_not_change_the_order() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let (one, other) = (mongo.store().await, mongo.store().await);
    let log = log(&[100, 3_600_000, 50, 101, 102, 0, 103, 104, 4_000_000, 105]);
    for (nth, batch) in log.chunks(2).enumerate() {
        store(if nth % 2 == 0 { &one } else { &other }, batch).await;
    }
    let expected: Vec<_> = (0..10).collect();
    assert_eq!(history(&one).await, expected);
    assert_eq!(history(&other).await, expected);
}

/// The process died after the messages were written and before how far was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_a_batch_changes_nothing() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let log = log(&[500, 100, 400, 50, 300, 20]);
    store(&mongo.store().await, &log[..2]).await;
    let progress = mongo.collection("sockeye_progress").await;
    let before = progress.find_one(doc! {}).await.unwrap().expect("how far");
    store(&mongo.store().await, &log[2..4]).await;
    let written = documents(&mongo).await;
    progress.replace_one(doc! {}, before).await.unwrap();

    let next = mongo.store().await;
    assert_eq!(next.stored().await.unwrap(), "0:1".parse().unwrap());
    assert_eq!(next.inbox(user_id(1), &Cursor::default(), 10).await.unwrap(), log[..2], "not the half batch");
    store(&next, &log[2..]).await;
    assert_eq!(history(&next).await, [0, 1, 2, 3, 4, 5]);
    assert_eq!(documents(&mongo).await[..4], written, "what was there stays as it was");
    assert_eq!(next.inbox(user_id(1), &Cursor::default(), 10).await.unwrap(), log);
}

/// The log's last positions may hold nothing of ours (set aside, dropped).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_what_the_caller_says_and_never_goes_back() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let one = mongo.store().await;
    one.store_batch(&[], &"0:7,3:2".parse().unwrap()).await.unwrap();
    one.store_batch(&[at(0, 9, record(1, 1, 2))], &"0:9".parse().unwrap()).await.unwrap();
    one.store_batch(&[], &"0:4,3:3".parse().unwrap()).await.unwrap();
    assert_eq!(one.stored().await.unwrap(), "0:9,3:3".parse().unwrap());
    assert_eq!(mongo.store().await.stored().await.unwrap(), "0:9,3:3".parse().unwrap());
}

async fn documents(mongo: &Mongo) -> Vec<Document> {
    let messages = mongo.collection("messages").await;
    let mut found = messages.find(doc! {}).sort(doc! { "sockeye.offset": 1 }).await.unwrap();
    let mut all = vec![];
    while found.advance().await.unwrap() {
        all.push(Document::try_from(found.current()).unwrap());
    }
    all
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(Config { cases: 8, max_shrink_iters: 20, ..Config::default() })]

    /// Consumers that start again from what was committed, on any node: documents are as if stored once.
    #[test]
    fn redelivery_changes_nothing(
        times in prop::collection::vec(0..1_000u64, 1..30),
        steps in prop::collection::vec((0..10usize, 1..8usize, any::<bool>()), 0..8),
    ) {
        let log = log(&times);
        let (once, again) = block_on(async {
            let (whole, parts) = (Mongo::new(MongoSchema::Direct), Mongo::new(MongoSchema::Direct));
            store(&whole.store().await, &log).await;
            let nodes = [parts.store().await, parts.store().await];
            let mut reached = 0;
            for (back, len, which) in steps {
                let from = reached - back.min(reached);
                let until = (from + len).min(log.len());
                store(&nodes[usize::from(which)], &log[from..until]).await;
                reached = reached.max(until);
                let stored = Cursor::from_iter([Position { partition: 0, offset: reached as u64 - 1 }]);
                assert_eq!(nodes[0].stored().await.unwrap(), stored);
            }
            store(&nodes[0], &log[reached..]).await;
            (documents(&whole).await, documents(&parts).await)
        });
        prop_assert_eq!(once, again);
    }
}
