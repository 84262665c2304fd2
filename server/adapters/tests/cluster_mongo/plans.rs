//! What MongoDB really did for each call, by its profiler.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{DateTime, Document, doc};
use sockeye_adapters::{
    conformance::values::{at, group_id, group_record, message_id, record, time, user, user_id},
    store::mongo::{MongoSchema, MongoStore},
};
use sockeye_core::{
    conversation::ConversationId,
    media::Picture,
    message::Entry,
    ports::{Conversations, Messages, Sessions, Users},
    position::Cursor,
    session::SessionId,
};

use crate::fixture::{Mongo, oid};

/// Each of so many users has exchanged so many messages with user 0, old and ours.
const OTHERS: u64 = 20;
const EACH: u64 = 200;

async fn fill(mongo: &Mongo, store: &MongoStore) {
    for number in 0..=OTHERS {
        store.insert_user(&user(number)).await.unwrap();
    }
    let old = (0..OTHERS * EACH).map(|n| {
        let (a, b) = (oid(user_id(0).0), oid(user_id(1 + n % OTHERS).0));
        let (sender, receiver) = if n % 3 == 0 { (a, b) } else { (b, a) };
        let at = DateTime::from_millis(1_600_000_000_000 + i64::try_from(n).unwrap());
        doc! { "_id": oid(message_id(1_000_000 + n).0), "senderId": sender, "receiverId": receiver, "text": "", "createdAt": at }
    });
    mongo.collection("messages").await.insert_many(old).await.unwrap();
    let ours: Vec<Entry> = (0..OTHERS * EACH)
        .map(|n| {
            let other = 1 + n % OTHERS;
            let (from, to) = if n % 3 == 0 { (0, other) } else { (other, 0) };
            let record = if n % 50 == 0 { group_record(n, 0, 1, &[0, other]) } else { record(n, from, to) };
            at(u32::try_from(n % 4).unwrap(), n / 4, record)
        })
        .collect();
    for batch in ours.chunks(1_000) {
        store.store_batch(batch, &batch.iter().map(|entry| entry.position).collect()).await.unwrap();
    }
}

async fn call_everything(store: &MongoStore) {
    let direct = ConversationId::direct(user_id(0), user_id(3));
    let page = store.history(&direct, None, 10).await.unwrap();
    assert_eq!(page.len(), 10);
    let page = store.history(&direct, Some(page[0].id), 10).await.unwrap();
    assert_eq!(page.len(), 10);
    let old = store.history(&direct, Some(message_id(1_000_000 + 102)), 10).await.unwrap();
    assert_eq!(old.len(), 5);
    assert_eq!(
        store.history(&ConversationId::Group(group_id(1)), Some(message_id(1_000)), 10).await.unwrap().len(),
        10
    );
    let missed: Cursor = "0:900,1:950,2:990".parse().unwrap();
    assert_eq!(store.inbox(user_id(0), &missed, 50).await.unwrap().len(), 50);
    let latest: Vec<_> = store.partners(user_id(0), 5).await.unwrap().iter().map(|user| user.id).collect();
    assert_eq!(latest, [20, 19, 18, 17, 16].map(user_id));
    store.partners(user_id(3), 5).await.unwrap();
    store.message(message_id(5)).await.unwrap();
    store.people(user_id(3), Some(user_id(5)), 5).await.unwrap();
    store.user(user_id(3)).await.unwrap();
    store.user_by_email(&user(3).email).await.unwrap();
    store.set_picture(user_id(3), &Picture::External("x:".into()), time(9)).await.unwrap();
    assert!(store.replace_password_hash(user_id(3), &user(3).password_hash, "new").await.unwrap());
    assert_eq!(store.some_password_hashes(10).await.unwrap().len(), 10);
    store.group(group_id(1)).await.unwrap();
    store.end_session(SessionId([1; 16]), time(u64::from(u32::MAX) * 1_000)).await.unwrap();
    store.session_ended(SessionId([1; 16])).await.unwrap();
    store.ended_sessions(&[1, 2, 3].map(|n| SessionId([n; 16]))).await.unwrap();
    store.accounts(&[1, 2, 3, 99].map(user_id)).await.unwrap();
    store.end_sessions(user_id(3), time(9)).await.unwrap();
    store.stored().await.unwrap();
    store.store_batch(&[at(0, 0, record(0, 0, 1))], &"0:0".parse().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_reads_a_whole_collection_or_sorts_one() {
    for schema in [MongoSchema::Direct, MongoSchema::DirectV1] {
        let mongo = Mongo::new(schema);
        let store = mongo.store().await;
        fill(&mongo, &store).await;
        let database = mongo.database().await;
        database.run_command(doc! { "profile": 2 }).await.unwrap();
        call_everything(&store).await;
        let profile = database.collection::<Document>("system.profile");
        let done: Vec<Document> = profile
            .find(doc! { "ns": { "$not": { "$regex": "system" } } })
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert!(done.len() > 20, "{}", done.len());
        for call in done {
            let plan = call.get_str("planSummary").unwrap_or_default();
            let told =
                format!("{} {plan} {}", call.get_str("ns").unwrap(), call.get_document("command").unwrap());
            assert!(!plan.contains("COLLSCAN"), "{told}");
            let number =
                |field| call.get(field).and_then(|n| n.as_i32().map(i64::from).or(n.as_i64())).unwrap_or(0);
            if call.get_document("command").unwrap().contains_key("aggregate") {
                // Each reads an entry or two per partner, and sorts the partners.
                assert!(plan.contains("DISTINCT_SCAN"), "{told}");
            } else {
                assert!(!call.get_bool("hasSortStage").unwrap_or(false), "{told}");
            }
            let most = i64::try_from(4 * OTHERS).unwrap();
            assert!(number("docsExamined") <= most, "{told}: {call}");
            assert!(number("keysExamined") <= most, "{told}: {call}");
        }
    }
}

/// A deadline of the server, not only of ours: it does not go on working for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_tells_the_server_its_deadline() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let store = mongo.store().await;
    fill(&mongo, &store).await;
    let database = mongo.database().await;
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    call_everything(&store).await;
    let profile = database.collection::<Document>("system.profile");
    let reads =
        ["find", "aggregate"].map(|name| doc! { format!("command.{name}"): { "$exists": true } }).to_vec();
    let filter = doc! { "ns": { "$not": { "$regex": "system" } }, "$or": reads };
    let reads: Vec<Document> = profile.find(filter).await.unwrap().try_collect().await.unwrap();
    assert!(reads.len() > 15);
    let deadline = Duration::from_secs(5).as_millis();
    for read in reads {
        let command = read.get_document("command").unwrap();
        let told = command.get("maxTimeMS").and_then(|n| n.as_i32().map(i64::from).or(n.as_i64()));
        assert_eq!(told.map(|ms| u128::try_from(ms).unwrap()), Some(deadline), "{command}");
    }
}
