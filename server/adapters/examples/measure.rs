//! Measures the embedded log and store on this machine, for docs/decisions/0020-embedded-log.md:
//! `cargo run --release -p sockeye-adapters --example measure [seconds per figure [sync|log|store]]`.

use std::{
    error::Error,
    fs::File,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sockeye_adapters::{
    conformance::values::{at, record},
    log::embedded::{EmbeddedLog, EmbeddedLogOptions},
    store::sqlite::{SqliteStore, SqliteStoreOptions},
};
use sockeye_core::{
    ports::{Clock, MessageLog, Messages},
    position::Cursor,
    time::Timestamp,
};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let span = Duration::from_secs(seconds);
    let only = std::env::args().nth(2);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("sync") {
        bare_sync(span)?;
    }
    for consumers in [false, true] {
        for callers in [1, 10, 200].into_iter().filter(|_| wanted("log")) {
            appends(callers, consumers, span).await?;
        }
    }
    for rows in [1, 50, 500].into_iter().filter(|_| wanted("store")) {
        batches(rows, span).await?;
    }
    Ok(())
}

/// What the disk can do: 4 KiB added to a file and synced, again and again.
fn bare_sync(span: Duration) -> Outcome<()> {
    let mut file = File::create(tempfile::tempdir()?.path().join("bare"))?;
    let mut latencies = vec![];
    let began = Instant::now();
    while began.elapsed() < span {
        let asked = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        latencies.push(asked.elapsed());
    }
    report("4 KiB write and sync, no database", began.elapsed(), latencies);
    Ok(())
}

/// `callers` append one after another each; with `consumers`, both groups follow, and one stores.
async fn appends(callers: u64, consumers: bool, span: Duration) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let log = EmbeddedLog::open(dir.path(), Arc::new(Fixed), EmbeddedLogOptions::default())?;
    let log: Arc<dyn MessageLog> = Arc::new(log);
    let store = SqliteStore::open(dir.path(), Arc::new(Fixed), SqliteStoreOptions::default())?;
    let store = Arc::new(store);
    let mut following = JoinSet::new();
    if consumers {
        following.spawn(store_all(Arc::clone(&log), Arc::clone(&store)));
        following.spawn(follow(Arc::clone(&log)));
    }
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for caller in 0..callers {
        let (log, over) = (Arc::clone(&log), Arc::clone(&over));
        tasks.spawn(async move {
            let mut latencies = vec![];
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let mut record = record(caller << 32 | number, caller, caller + 1);
                record.message.text = "a message of the usual length, more or less".into();
                let asked = Instant::now();
                log.append(&record).await?;
                latencies.push(asked.elapsed());
            }
            Outcome::Ok(latencies)
        });
    }
    tokio::time::sleep(span).await;
    over.store(true, Ordering::Relaxed);
    let mut latencies = vec![];
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    let elapsed = began.elapsed();
    let behind = behind(&*log, &store).await?;
    following.abort_all();
    let with = if consumers { format!(", stored and dispatched ({behind} behind)") } else { String::new() };
    report(&format!("append, {callers} callers{with}"), elapsed, latencies);
    Ok(())
}

async fn store_all(log: Arc<dyn MessageLog>, store: Arc<SqliteStore>) -> Outcome<()> {
    let mut consumer = log.consumer().await?;
    loop {
        let batch = consumer.next(500).await?;
        store.store_batch(&batch.entries, &batch.through).await?;
        consumer.commit(&batch.through).await?;
    }
}

async fn follow(log: Arc<dyn MessageLog>) -> Outcome<()> {
    let mut tail = log.tail(&Cursor::default()).await?;
    loop {
        tail.next(500).await?;
    }
}

async fn behind(log: &dyn MessageLog, store: &SqliteStore) -> Outcome<u64> {
    let count = |cursor: &Cursor| cursor.offset(0).map_or(0, |offset| offset + 1);
    Ok(count(&log.end().await?) - count(&store.stored().await?))
}

/// Batches of `rows` entries into the store.
async fn batches(rows: u64, span: Duration) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let store = SqliteStore::open(dir.path(), Arc::new(Fixed), SqliteStoreOptions::default())?;
    let mut latencies = vec![];
    let began = Instant::now();
    for batch in 0.. {
        if began.elapsed() > span {
            break;
        }
        let entries: Vec<_> =
            (batch * rows..(batch + 1) * rows).map(|n| at(0, n, record(n, n % 100, n % 71))).collect();
        let asked = Instant::now();
        let through = entries.iter().map(|entry| entry.position).collect();
        store.store_batch(&entries, &through).await?;
        latencies.push(asked.elapsed());
    }
    let elapsed = began.elapsed();
    let stored = rows as f64 * latencies.len() as f64 / elapsed.as_secs_f64();
    report(&format!("store_batch of {rows} ({stored:.0} rows/s)"), elapsed, latencies);
    Ok(())
}

fn report(what: &str, elapsed: Duration, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |share: usize| latencies.get(latencies.len() * share / 1000).or(latencies.last());
    let ms = |share| at(share).map_or(0.0, |latency: &Duration| latency.as_secs_f64() * 1e3);
    let rate = latencies.len() as f64 / elapsed.as_secs_f64();
    println!("{what}: {rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms", ms(500), ms(990), ms(999));
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
}
