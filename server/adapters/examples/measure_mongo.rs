//! Measures the MongoDB store, for docs/decisions/0031-mongodb-store.md:
//! `scripts/services run mongo -- cargo run --release -p sockeye-adapters --example measure_mongo`.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use sockeye_adapters::{
    conformance::values::{at, message_id, record, user, user_id},
    store::mongo::{MongoReadPreference, MongoSchema, MongoStore, MongoStoreOptions},
};
use sockeye_core::{
    conversation::ConversationId,
    message::Entry,
    ports::{Messages, Users},
    position::Cursor,
};

const USERS: u64 = 100;
const BATCHES: u64 = 100;

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "told by the environment where the server is")]
async fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::var("SOCKEYE_TEST_MONGODB_URI")?;
    let name = format!("sockeye_measure_{}", std::process::id());
    let options = MongoStoreOptions::new(uri.replacen("/?", &format!("/{name}?"), 1), MongoSchema::DirectV1);
    let store = MongoStore::open(options.clone()).await?;
    store.migrate().await?;
    let secondary = MongoReadPreference::SecondaryPreferred;
    let from_secondary = MongoStore::open(MongoStoreOptions { history_read: secondary, ..options }).await?;
    for number in 0..USERS {
        store.insert_user(&user(number)).await?;
    }
    let mut next = 0;
    for len in [1, 50, 1_000] {
        let mut took = vec![];
        let mut last = vec![];
        for _ in 0..BATCHES {
            last = batch(next, len);
            next += len;
            let began = Instant::now();
            store.store_batch(&last, &through(&last)).await?;
            took.push(began.elapsed());
        }
        report(&format!("store_batch of {len}"), len, &mut took);
        if len == 1_000 {
            let mut took = vec![];
            for _ in 0..20 {
                let began = Instant::now();
                store.store_batch(&last, &through(&last)).await?;
                took.push(began.elapsed());
            }
            report("the same again", len, &mut took);
        }
    }
    for (name, store) in [("primary", &store), ("secondary", &from_secondary)] {
        let mut took = [vec![], vec![], vec![], vec![]];
        for n in 0..300 {
            let (one, other) = (n % USERS, (n * 7 + 1) % USERS);
            let direct = ConversationId::direct(user_id(one), user_id(other));
            let mut began = Instant::now();
            let mut lap = |which: usize| {
                took[which].push(began.elapsed());
                began = Instant::now();
            };
            let page = store.history(&direct, None, 50).await?;
            lap(0);
            store.history(&direct, page.first().map(|message| message.id), 50).await?;
            lap(1);
            store.partners(user_id(one), 100).await?;
            lap(2);
            let after: Cursor = format!("0:{}", next - 500).parse()?;
            store.inbox(user_id(one), &after, 1_000).await?;
            lap(3);
        }
        for (what, took) in
            ["history of 50", "the page before", "partners", "inbox of 500 missed"].iter().zip(&mut took)
        {
            report(&format!("{what}, {name}"), 1, took);
        }
    }
    let last = batch(next, 1);
    let (there, wanted) = (through(&last), last.first().map(|entry| entry.position));
    let began = Instant::now();
    let (waited, stored) = tokio::join!(
        async { from_secondary.wait_stored(&wanted.into_iter().collect()).await.map(|()| began.elapsed()) },
        store.store_batch(&last, &there),
    );
    stored?;
    println!("wait for another node's batch of 1: {:?}; last message {}", waited?, message_id(next));
    mongodb::Client::with_uri_str(uri).await?.database(&name).drop().await?;
    Ok(())
}

fn batch(from: u64, len: u64) -> Vec<Entry> {
    (from..from + len).map(|n| at(0, n, record(n, n % USERS, (n * 7 + 1) % USERS))).collect()
}

fn through(batch: &[Entry]) -> Cursor {
    batch.iter().map(|entry| entry.position).collect()
}

fn report(what: &str, len: u64, took: &mut [Duration]) {
    took.sort_unstable();
    let total: Duration = took.iter().sum();
    let rate = (took.len() as u64 * len) as f64 / total.as_secs_f64();
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("{what}: {rate:.0}/s, p50 {p50:?}, p99 {p99:?}");
}
