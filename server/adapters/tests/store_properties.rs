//! However entries reach the store - in which batches, repeated or out of order - it ends up the same.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use proptest::prelude::*;
use sockeye_adapters::{
    conformance::values::{at, group_record, record, user, user_id},
    store::sqlite::{SqliteStore, SqliteStoreOptions},
};
use sockeye_core::{
    conversation::ConversationId,
    message::Entry,
    ports::{Messages, Users},
    position::Cursor,
};
use support::ManualClock;

const USERS: u64 = 4;

/// A log of two partitions. The names of messages repeat: a client's retry may be in the log twice.
fn log(repeats: bool) -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((0..40u64, 0..USERS, 0..USERS, any::<bool>()), 1..30).prop_map(move |drafts| {
        let mut next = [0, 0];
        let drafts = drafts.into_iter().enumerate();
        drafts
            .map(|(nth, (number, from, to, group))| {
                // A message has one conversation, and so one partition, whenever it is repeated.
                let number = if repeats { number } else { nth as u64 };
                let (from, to) = if repeats { (number % USERS, number % 3) } else { (from, to) };
                let group = if repeats { number % 5 == 0 } else { group };
                let record =
                    if group { group_record(number, from, 1, &[0, 1, 2]) } else { record(number, from, to) };
                let partition = usize::from(group);
                next[partition] += 1;
                at(u32::from(group), next[partition] - 1, record)
            })
            .collect()
    })
}

/// Everything that can be seen of a store.
async fn seen(store: &SqliteStore) -> String {
    let mut all = vec![];
    for one in 0..USERS {
        let user = user_id(one);
        all.push(json(&store.inbox(user, &Cursor::default(), 100).await.unwrap()));
        all.push(json(&store.partners(user, 100).await.unwrap()));
        for other in one..USERS {
            let id = ConversationId::direct(user, user_id(other));
            all.push(json(&store.history(&id, None, 100).await.unwrap()));
        }
    }
    format!("{all:#?} {}", store.stored().await.unwrap())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

async fn new_store(dir: &tempfile::TempDir) -> SqliteStore {
    let store = SqliteStore::open(dir.path(), ManualClock::at(0), SqliteStoreOptions::default()).unwrap();
    for number in 0..USERS {
        store.insert_user(&user(number)).await.unwrap();
    }
    store
}

/// Stores `batches`, and sees that how far the log is stored never goes back.
async fn after(batches: &[&[Entry]]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(&dir).await;
    for batch in batches {
        let before = store.stored().await.unwrap();
        let through = batch.iter().map(|entry| entry.position).collect();
        store.store_batch(batch, &through).await.unwrap();
        let after = store.stored().await.unwrap();
        assert!(after.covers_all(&before), "the cursor went back");
        assert!(after.covers_all(&through));
    }
    seen(&store).await
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// As a consumer that starts again from what it had committed.
    #[test]
    fn redelivery_changes_nothing(
        entries in log(true),
        steps in prop::collection::vec((0..30usize, 1..8usize), 0..12),
    ) {
        let mut batches: Vec<&[Entry]> = vec![];
        let mut reached = 0;
        for (back, len) in steps {
            let from = reached - back.min(reached);
            let until = (from + len).min(entries.len());
            batches.push(&entries[from..until]);
            reached = reached.max(until);
        }
        batches.push(&entries[reached..]);
        prop_assert_eq!(block_on(after(&batches)), block_on(after(&[&entries])));
    }

    /// As partitions that are stored by different workers.
    #[test]
    fn the_order_of_batches_changes_nothing(
        entries in log(false),
        len in 1..6usize,
        shuffle in any::<prop::sample::Index>(),
    ) {
        let mut batches: Vec<&[Entry]> = entries.chunks(len).collect();
        let middle = shuffle.index(batches.len());
        batches.rotate_left(middle);
        batches.extend_from_within(..middle);
        batches.reverse();
        prop_assert_eq!(block_on(after(&batches)), block_on(after(&[&entries])));
    }
}
