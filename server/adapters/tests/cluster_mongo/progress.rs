//! Waiting for what other nodes store.

use std::sync::Arc;

use mongodb::bson::doc;
use sockeye_adapters::{
    conformance::values::{at, record},
    store::mongo::MongoSchema,
};
use sockeye_core::{ports::Messages, position::Cursor};
use tokio::task::JoinSet;

use crate::fixture::Mongo;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_sees_what_another_node_stores_and_asks_for_all_together() {
    const WAITING: u64 = 200;
    let mongo = Mongo::new(MongoSchema::Direct);
    let (here, there) = (Arc::new(mongo.store().await), mongo.store().await);
    let database = mongo.database().await;
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    let wanted: Cursor = "0:0".parse().unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..WAITING {
        let (here, wanted) = (Arc::clone(&here), wanted.clone());
        waiting.spawn(async move { here.wait_stored(&wanted).await });
    }
    // Half of them give up.
    let mut given_up = JoinSet::new();
    for _ in 0..WAITING {
        let (here, wanted) = (Arc::clone(&here), wanted.clone());
        given_up.spawn(async move { here.wait_stored(&wanted).await });
    }
    let queries = database.collection::<mongodb::bson::Document>("system.profile");
    let asked = doc! { "ns": format!("{}.sockeye_progress", mongo.name), "op": "query" };
    while queries.count_documents(asked.clone()).await.unwrap() < 3 {}
    given_up.shutdown().await;
    assert!(waiting.try_join_next().is_none(), "nothing is stored");
    there.store_batch(&[at(0, 0, record(1, 1, 2))], &wanted).await.unwrap();
    for done in waiting.join_all().await {
        done.unwrap();
    }
    let asked = queries.count_documents(asked).await.unwrap();
    assert!(asked < WAITING, "{asked} queries: each asked on its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_fails_when_the_database_does_not_answer() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let mut options = mongo.options();
    // Nobody listens on port 1 of this machine.
    options.uri = "mongodb://user:secret@127.0.0.1:1/x?serverSelectionTimeoutMS=300&replicaSet=none".into();
    let store = sockeye_adapters::store::mongo::MongoStore::open(options.clone()).await.unwrap();
    let error = store.wait_stored(&"0:0".parse().unwrap()).await.unwrap_err();
    let store_error =
        store.store_batch(&[at(0, 0, record(1, 1, 2))], &"0:0".parse().unwrap()).await.unwrap_err();
    for text in [
        format!("{error:?} {error}"),
        format!("{store_error:?} {store_error}"),
        format!("{options:?} {store:?}"),
    ] {
        assert!(!text.contains("secret"), "{text}");
    }
    options.uri = "mongodb://user:secret@host:port/?w=?".into();
    let error = sockeye_adapters::store::mongo::MongoStore::open(options).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("secret"));
}
