//! Old messages whose `createdAt` is no date, as imports and forks leave them.

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use sockeye_adapters::{
    conformance::values::{at, record, user, user_id},
    store::mongo::{MongoSchema, MongoStore},
};
use sockeye_core::{
    conversation::ConversationId,
    id::{self, MessageId},
    message::{Entry, Message},
    ports::{Messages, Users},
    time::Timestamp,
};

use crate::fixture::{Mongo, oid};

const DAY_MS: i64 = 86_400_000;
/// 2024-01-01T00:00:00Z
const NEW_YEAR_MS: i64 = 1_704_067_200_000;

/// An id that was made at the beginning of that day of 2024 (from 0).
fn id_of_day(day: u8, nth: u8) -> ObjectId {
    let seconds = u32::try_from((NEW_YEAR_MS + i64::from(day) * DAY_MS) / 1_000).unwrap();
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    bytes[11] = nth;
    ObjectId::from_bytes(bytes)
}

fn between(sender: u64, receiver: u64) -> Document {
    doc! { "senderId": oid(user_id(sender).0), "receiverId": oid(user_id(receiver).0) }
}

fn old(id: ObjectId, text: &str, created_at: impl Into<Bson>) -> Document {
    let mut old = doc! { "_id": id, "text": text, "createdAt": created_at.into() };
    old.extend(between(1, 2));
    old
}

async fn in_pages_of(store: &MongoStore, len: usize) -> Vec<Message> {
    let conversation = ConversationId::direct(user_id(1), user_id(2));
    let (mut pages, mut before): (Vec<Message>, Option<MessageId>) = (vec![], None);
    loop {
        let page = store.history(&conversation, before, len).await.unwrap();
        assert!(page.len() <= len && pages.len() < 1_000);
        let Some(first) = page.first() else { return pages };
        before = Some(first.id);
        pages.splice(0..0, page);
    }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_old_message_is_on_one_page_whatever_its_time_is() {
    for schema in [MongoSchema::Direct, MongoSchema::DirectV1] {
        let mongo = Mongo::new(schema);
        let store = mongo.store().await;
        let date = |day: i64| DateTime::from_millis(NEW_YEAR_MS + day * DAY_MS);
        let messages = [
            old(id_of_day(0, 0), "text1", "2024-01-01T10:00:00.000Z"),
            old(id_of_day(1, 0), "text2", "2024-01-02T10:00:00.000Z"),
            old(id_of_day(2, 0), "date3", date(2)),
            old(id_of_day(3, 0), "number4", NEW_YEAR_MS + 3 * DAY_MS),
            old(id_of_day(4, 0), "null5", Bson::Null),
            old(id_of_day(5, 0), "date6", date(5)),
        ];
        mongo.collection("messages").await.insert_many(messages).await.unwrap();
        for len in [1, 2, 3, 4, 5, 100] {
            let all = in_pages_of(&store, len).await;
            assert_eq!(
                texts(&all),
                ["text1", "text2", "date3", "number4", "null5", "date6"],
                "{schema:?}, {len}"
            );
            let times: Vec<_> = all.iter().map(|message| message.created_at.as_millis()).collect();
            let day =
                |day: i64, hours: i64| u64::try_from(NEW_YEAR_MS + day * DAY_MS + hours * 3_600_000).unwrap();
            assert_eq!(times, [day(0, 10), day(1, 10), day(2, 0), day(3, 0), day(4, 0), day(5, 0)]);
        }
    }
}

/// What one old message has as its `createdAt`, and whether it is missing.
fn created_at() -> impl Strategy<Value = Option<Bson>> {
    let at = NEW_YEAR_MS..NEW_YEAR_MS + 20 * DAY_MS;
    prop_oneof![
        4 => at.clone().prop_map(|millis| Some(DateTime::from_millis(millis / DAY_MS * DAY_MS).into())),
        1 => at.clone().prop_map(|millis| DateTime::from_millis(millis).try_to_rfc3339_string().ok().map(Bson::from)),
        1 => at.clone().prop_map(|millis| Some(millis.into())),
        1 => at.prop_map(|millis| Some(i32::try_from(millis / 1_000).unwrap().into())),
        1 => Just(Some("yesterday".into())),
        1 => Just(Some(f64::NAN.into())),
        1 => Just(Some(Bson::Null)),
        1 => Just(None),
        1 => Just(Some(doc! { "$date": "2024-01-01" }.into())),
        1 => Just(Some(Bson::Array(vec![]))),
        1 => Just(Some(Bson::Array(vec![DateTime::from_millis(NEW_YEAR_MS).into(), 5.into()]))),
        1 => Just(Some(true.into())),
        1 => Just(Some(Bson::MinKey)),
        1 => Just(Some(Bson::MaxKey)),
        1 => Just(Some(Bson::Timestamp(mongodb::bson::Timestamp { time: 1_704_067_200, increment: 1 }))),
        1 => Just(Some(Bson::Decimal128("1704067200000".parse().unwrap()))),
    ]
}

/// Some of ours among them, from gateways of different clocks.
fn ours() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(0..20u64, 0..8).prop_map(|days| {
        let entry = |(nth, day): (u64, u64)| {
            let mut entry = at(0, nth, record(nth, 2, 1));
            let millis = u64::try_from(NEW_YEAR_MS).unwrap() + day * u64::try_from(DAY_MS).unwrap();
            entry.record.message.created_at = Timestamp::from_millis(millis);
            entry
        };
        (0..).zip(days).map(entry).collect()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_any_mix_are_the_whole_history() {
    let mut random = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let days = prop::collection::vec((0..20u8, any::<bool>(), created_at()), 0..30);
    for round in 0..24 {
        let (days, ours) = (&days, ours()).new_tree(&mut random).unwrap().current();
        let schema = if round % 2 == 0 { MongoSchema::Direct } else { MongoSchema::DirectV1 };
        let mongo = Mongo::new(schema);
        let store = mongo.store().await;
        let mut wanted: Vec<id::ObjectId> = vec![];
        let mut documents: Vec<Document> = vec![];
        for (nth, (day, back, created_at)) in (0..).zip(days) {
            let id = id_of_day(day, nth);
            let mut document = doc! { "_id": id };
            document.extend(if back { between(2, 1) } else { between(1, 2) });
            document.extend(created_at.map(|at| ("createdAt".to_owned(), at)));
            documents.push(document);
            wanted.push(id::ObjectId(id.bytes()));
        }
        // What is no message is on no page, and makes none shorter.
        documents.extend((0..5).map(|n| {
            let mut document =
                doc! { "_id": format!("text {n}"), "createdAt": DateTime::from_millis(NEW_YEAR_MS) };
            document.extend(between(1, 2));
            document
        }));
        mongo.collection("messages").await.insert_many(documents).await.unwrap();
        if let Some(last) = ours.last() {
            store.store_batch(&ours, &[last.position].into_iter().collect()).await.unwrap();
        }
        let log: Vec<_> = ours.iter().map(|entry| entry.record.message.id).collect();
        wanted.extend(log.iter().map(|id| id.0));
        wanted.sort();

        let whole = in_pages_of(&store, 100).await;
        let mut found: Vec<_> = whole.iter().map(|message| message.id.0).collect();
        found.sort();
        assert_eq!(found, wanted, "round {round}");
        let of_log: Vec<_> = whole.iter().map(|message| message.id).filter(|id| log.contains(id)).collect();
        assert_eq!(of_log, log, "ours are in the order of the log");
        for len in [1, 2, 3, 7] {
            assert_eq!(in_pages_of(&store, len).await, whole, "round {round}, pages of {len}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_chats_is_in_the_order_of_times_of_any_type() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let store = mongo.store().await;
    for number in 1..=8 {
        store.insert_user(&user(number)).await.unwrap();
    }
    let day = |day: i64| NEW_YEAR_MS + day * DAY_MS;
    let times: [Bson; 7] = [
        DateTime::from_millis(day(3)).into(),
        "2024-01-08T00:00:00Z".into(),
        day(5).into(),
        (day(6) / 1_000).into(),
        Bson::Null,
        "yesterday".into(),
        DateTime::from_millis(day(1)).into(),
    ];
    let messages = (2..).zip(times).map(|(other, created_at)| {
        let mut message =
            doc! { "_id": id_of_day(if other == 6 { 4 } else { 2 }, u8::try_from(other).unwrap()) };
        message.extend(if other % 2 == 0 { between(1, other) } else { between(other, 1) });
        message.insert("createdAt", created_at);
        message
    });
    mongo.collection("messages").await.insert_many(messages).await.unwrap();
    let partners: Vec<_> = store.partners(user_id(1), 10).await.unwrap().iter().map(|user| user.id).collect();
    assert_eq!(partners, [3, 5, 4, 6, 2, 7, 8].map(user_id));
    let first: Vec<_> = store.partners(user_id(1), 3).await.unwrap().iter().map(|user| user.id).collect();
    assert_eq!(first, [3, 5, 4].map(user_id));
}

/// A database that was imported as text: pages read what they show, whatever the length of the conversation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_undated_messages_read_an_index() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let store = mongo.store().await;
    let many = (0..3_000u32).map(|n| {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&(1_700_000_000 + n).to_be_bytes());
        let mut message = doc! { "_id": ObjectId::from_bytes(bytes), "createdAt": format!("{n}") };
        message.extend(if n % 3 == 0 { between(1, 2) } else { between(2, 1) });
        message
    });
    mongo.collection("messages").await.insert_many(many).await.unwrap();
    let database = mongo.database().await;
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    let conversation = ConversationId::direct(user_id(1), user_id(2));
    let page = store.history(&conversation, None, 10).await.unwrap();
    let page = store.history(&conversation, Some(page[0].id), 10).await.unwrap();
    assert_eq!(page.len(), 10);
    let profile = database.collection::<Document>("system.profile");
    let filter = doc! { "command.find": "messages" };
    let done: Vec<Document> = profile.find(filter).await.unwrap().try_collect().await.unwrap();
    assert_eq!(done.len(), 9, "four kinds of messages, twice, and one by its id");
    for call in done {
        let number =
            |field| call.get(field).and_then(|n| n.as_i32().map(i64::from).or(n.as_i64())).unwrap_or(0);
        assert!(!call.get_bool("hasSortStage").unwrap_or(false), "{call}");
        assert!(number("docsExamined") <= 22 && number("keysExamined") <= 22, "{call}");
    }
}
