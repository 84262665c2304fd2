//! Reading history from secondaries that lag.

use std::sync::Arc;

use mongodb::{Client, bson::doc};
use sockeye_adapters::{
    conformance::values::{at, message_id, record, user_id},
    store::mongo::{MongoReadPreference, MongoSchema, MongoStore, MongoStoreOptions},
};
use sockeye_core::{conversation::ConversationId, ports::Messages, position::Cursor};
use tokio::task::JoinSet;

use crate::fixture::{Mongo, address};

/// One secondary is stopped from applying writes. Who has waited for a message reads it all the same: a secondary that
/// does not have it yet lets them wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_waited_for_is_read_from_any_secondary() {
    const READS: usize = 24;
    let mongo = Mongo::new(MongoSchema::Direct);
    let writer = mongo.store().await;
    let options = MongoStoreOptions { history_read: MongoReadPreference::Secondary, ..mongo.options() };
    let reader = Arc::new(mongo.store_with(options).await);
    let status = Client::with_uri_str(address()).await.unwrap();
    let status = status.database("admin").run_command(doc! { "replSetGetStatus": 1 }).await.unwrap();
    let members: Vec<_> =
        status.get_array("members").unwrap().iter().filter_map(|m| m.as_document()).collect();
    if members.len() < 3 {
        eprintln!("skipped: needs a replica set of three (scripts/services run --mongo-members 3)");
        return;
    }
    let secondary = members.iter().find(|member| member.get_str("stateStr").unwrap() == "SECONDARY").unwrap();
    let uri = format!("mongodb://{}/?directConnection=true", secondary.get_str("name").unwrap());
    let secondary = Client::with_uri_str(uri).await.unwrap().database("admin");
    // Both secondaries have been read from once, before there is anything.
    for _ in 0..READS {
        assert!(history(&reader).await.is_empty());
    }

    secondary.run_command(doc! { "fsync": 1, "lock": true }).await.expect("lock");
    let (locked, name) = (secondary.clone(), mongo.name.clone());
    let reads = async move {
        let through: Cursor = "0:0".parse().unwrap();
        writer.store_batch(&[at(0, 0, record(1, 1, 2))], &through).await.expect("store");
        let mut reads = JoinSet::new();
        for _ in 0..READS {
            let (reader, through) = (Arc::clone(&reader), through.clone());
            reads.spawn(async move {
                reader.wait_stored(&through).await.expect("wait");
                history(&reader).await
            });
        }
        let asked = doc! { "currentOp": 1, "command.find": "messages", "command.$db": name };
        let mut read = vec![];
        while read.len() < READS {
            read.extend(reads.try_join_next().map(|read| read.expect("the task")));
            let asked = locked.run_command(asked.clone()).await.expect("what it is doing");
            if !asked.get_array("inprog").unwrap().is_empty() {
                break;
            }
        }
        (read, reads)
    };
    // Unlocked whatever happens: other tests use the same server.
    let read = tokio::spawn(reads).await;
    secondary.run_command(doc! { "fsyncUnlock": 1 }).await.expect("unlock");
    let (mut read, waiting) = read.expect("reads");
    assert!(!waiting.is_empty(), "none had to wait: {read:?}");
    read.extend(waiting.join_all().await);
    assert!(read.iter().all(|read| read == &[1]), "{read:?}");
}

async fn history(store: &MongoStore) -> Vec<u64> {
    let conversation = ConversationId::direct(user_id(1), user_id(2));
    let all = store.history(&conversation, None, 10).await.expect("history");
    all.iter().map(|m| (0..10).find(|&n| message_id(n) == m.id).unwrap()).collect()
}
