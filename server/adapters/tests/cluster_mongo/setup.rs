//! `sockeye migrate` and `sockeye doctor`.

use mongodb::{IndexModel, bson::doc, options::IndexOptions};
use sockeye_adapters::{
    conformance::values::{at, record},
    store::mongo::{MongoSchema, MongoStore},
};
use sockeye_core::{
    ports::Messages,
    position::{Cursor, Position},
};

use crate::fixture::Mongo;

fn by_email(name: &str, unique: bool) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).unique(unique).build();
    IndexModel::builder().keys(doc! { "email": 1 }).options(options).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrating_makes_the_indexes_once() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let store = MongoStore::open(mongo.options()).await.unwrap();
    let before = store.describe().await.unwrap();
    assert_eq!(before.missing_indexes.len(), 7, "{before:?}");
    assert_eq!(before.problems.len(), 1, "{before:?}");
    let done = store.migrate().await.unwrap();
    assert_eq!(done.len(), 7, "{done:?}");
    assert_eq!(done[0], "Created the index email_1 of users.");
    assert!(store.migrate().await.unwrap().is_empty());
    let after = store.describe().await.unwrap();
    assert_eq!((after.missing_indexes.len(), after.problems.len()), (0, 0), "{after:?}");
    assert_eq!(after.replica_set.as_deref(), Some("sockeye"));
    assert_eq!(after.members.iter().filter(|member| member.state == "PRIMARY").count(), 1, "{after:?}");
    assert_eq!(after.database, mongo.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_of_another_name_will_do() {
    let mongo = Mongo::new(MongoSchema::Direct);
    mongo.collection("users").await.create_index(by_email("mine", true)).await.unwrap();
    let done = MongoStore::open(mongo.options()).await.unwrap().migrate().await.unwrap();
    assert_eq!(done.len(), 6, "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_in_the_way_is_told() {
    let mongo = Mongo::new(MongoSchema::Direct);
    mongo.collection("users").await.create_index(by_email("mine", false)).await.unwrap();
    let error = MongoStore::open(mongo.options()).await.unwrap().migrate().await.unwrap_err();
    assert!(error.to_string().contains("db.users.dropIndex(\"mine\")"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_repeat_are_told() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let twice = [doc! { "email": "a@b.c" }, doc! { "email": "a@b.c" }];
    mongo.collection("users").await.insert_many(twice).await.unwrap();
    let error = MongoStore::open(mongo.options()).await.unwrap().migrate().await.unwrap_err();
    assert!(error.to_string().contains("users have the same email"), "{error}");
    assert!(!error.to_string().contains("a@b.c"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_without_an_address_are_told() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let twice = [doc! { "fullName": "Ann" }, doc! { "fullName": "Bob" }];
    mongo.collection("users").await.insert_many(twice).await.unwrap();
    let error = MongoStore::open(mongo.options()).await.unwrap().migrate().await.unwrap_err().to_string();
    assert!(error.contains("have the same email, or none"), "{error}");
    assert!(error.contains("db.users.aggregate([{$group: {_id: \"$email\""), "{error}");
}

/// What MongoDB refuses is said, not stored, and not forgotten: how far is stored stays before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_is_told_and_loses_nothing() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let database = mongo.database().await;
    let validator = doc! { "text": { "$ne": "message 2" } };
    database.create_collection("messages").validator(validator).await.unwrap();
    let store = mongo.store().await;
    let problems = store.describe().await.unwrap().problems;
    assert!(matches!(&problems[..], [one] if one.starts_with("messages has a validator")), "{problems:?}");

    let entries: Vec<_> = (1..=3).map(|number| at(0, number - 1, record(number, 1, 2))).collect();
    assert_eq!(entries[1].record.message.text, "message 2");
    let through: Cursor = [Position { partition: 0, offset: 2 }].into_iter().collect();
    let error = store.store_batch(&entries, &through).await.unwrap_err().to_string();
    assert!(error.contains("has a validator"), "{error}");
    assert_eq!(store.stored().await.unwrap(), Cursor::default());

    database.run_command(doc! { "collMod": "messages", "validator": {} }).await.unwrap();
    store.store_batch(&entries, &through).await.unwrap();
    assert_eq!(store.stored().await.unwrap(), through);
    for entry in entries {
        assert_eq!(store.message(entry.record.message.id).await.unwrap(), Some(entry.record.message));
    }
    assert!(store.describe().await.unwrap().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_may_migrate_at_a_time() {
    let mongo = Mongo::new(MongoSchema::DirectV1);
    let nodes = futures_util::future::join_all(
        (0..4).map(|_| async { MongoStore::open(mongo.options()).await.unwrap().migrate().await }),
    );
    nodes.await.into_iter().for_each(|done| drop(done.unwrap()));
}
