//! Measures the Kafka log, for docs/decisions/0030-kafka-log.md:
//! `scripts/services run kafka -- sh -c 'cargo run --release -p sockeye-adapters --example measure_kafka \
//! "$SOCKEYE_TEST_KAFKA_BROKERS" [seconds per figure]'`.

use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sockeye_adapters::{
    conformance::values::record,
    log::kafka::{KafkaAdmin, KafkaLog, KafkaLogOptions},
};
use sockeye_core::{ports::MessageLog, position::Position};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let brokers = std::env::args().nth(1).ok_or("which brokers?")?;
    let span = Duration::from_secs(std::env::args().nth(2).map_or(Ok(5), |text| text.parse())?);
    let mut options = KafkaLogOptions::new(brokers, format!("measure-{}", std::process::id()), "measure");
    options.replication = Some(1);
    KafkaAdmin::open(options.clone())?.migrate().await?;
    for linger_ms in [0, 1, 5] {
        options.linger_ms = linger_ms;
        for callers in [1, 10, 200] {
            appends(&options, callers, span).await?;
        }
    }
    for callers in [1, 10, 200] {
        ends(&options, callers, span).await?;
    }
    consumed(&options, span).await
}

/// `callers` append one after another each, and a tail follows.
async fn appends(options: &KafkaLogOptions, callers: u64, span: Duration) -> Outcome<()> {
    let log = Arc::new(KafkaLog::open(options.clone())?);
    let mut tail = log.tail(&log.end().await?).await?;
    log.append(&record(0, 0, 1)).await?;
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for caller in 0..callers {
        let (log, over) = (Arc::clone(&log), Arc::clone(&over));
        tasks.spawn(async move {
            let mut appended: Vec<(Position, Instant, Instant)> = vec![];
            let mut number = caller * 1_000_000;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                let asked = Instant::now();
                let position = log.append(&record(number, caller, 9)).await?.position;
                appended.push((position, asked, Instant::now()));
            }
            Outcome::Ok(appended)
        });
    }
    let follow = tokio::spawn(async move {
        let mut read: HashMap<Position, Instant> = HashMap::new();
        while let Ok(Ok(entries)) = tokio::time::timeout(Duration::from_secs(2), tail.next(1_000)).await {
            let now = Instant::now();
            read.extend(entries.iter().map(|entry| (entry.position, now)));
        }
        read
    });
    tokio::time::sleep(span).await;
    over.store(true, Ordering::Relaxed);
    let mut appended = vec![];
    while let Some(done) = tasks.join_next().await {
        appended.extend(done??);
    }
    let elapsed = began.elapsed();
    let read = follow.await?;
    let name = format!("linger {} ms, {callers} callers", options.linger_ms);
    report(&format!("append, {name}"), elapsed, appended.iter().map(|(_, asked, done)| *done - *asked));
    let seen = appended.iter().filter_map(|(at, asked, _)| Some(*read.get(at)? - *asked));
    report(&format!("append until tailed, {name}"), elapsed, seen);
    Ok(())
}

async fn ends(options: &KafkaLogOptions, callers: u64, span: Duration) -> Outcome<()> {
    let log = Arc::new(KafkaLog::open(options.clone())?);
    log.end().await?;
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..callers {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            let mut latencies = vec![];
            while began.elapsed() < span {
                let asked = Instant::now();
                log.end().await?;
                latencies.push(asked.elapsed());
            }
            Outcome::Ok(latencies)
        });
    }
    let mut latencies = vec![];
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    report(&format!("end, {callers} callers"), began.elapsed(), latencies);
    Ok(())
}

/// Catching up with all of the above, a commit after each batch.
async fn consumed(options: &KafkaLogOptions, span: Duration) -> Outcome<()> {
    let log = KafkaLog::open(options.clone())?;
    let mut consumer = log.consumer().await?;
    let first = consumer.next(1).await?;
    consumer.commit(&first.through).await?;
    let (mut entries, mut latencies) = (0, vec![]);
    let began = Instant::now();
    while let Ok(batch) = tokio::time::timeout(Duration::from_secs(1), consumer.next(500)).await {
        let batch = batch?;
        entries += batch.entries.len();
        let asked = Instant::now();
        consumer.commit(&batch.through).await?;
        latencies.push(asked.elapsed());
        if began.elapsed() > span {
            break;
        }
    }
    let elapsed = began.elapsed();
    println!("consumed {:.0} entries/s", entries as f64 / elapsed.as_secs_f64());
    report("commit", elapsed, latencies);
    Ok(())
}

fn report(name: &str, elapsed: Duration, latencies: impl IntoIterator<Item = Duration>) {
    let mut latencies: Vec<Duration> = latencies.into_iter().collect();
    latencies.sort_unstable();
    let Some(last) = latencies.len().checked_sub(1) else { return println!("{name}: none") };
    let at = |percent: usize| latencies[last * percent / 100];
    let rate = latencies.len() as f64 / elapsed.as_secs_f64();
    println!("{name}: {rate:.0}/s, p50 {:.1?}, p99 {:.1?}, max {:.1?}", at(50), at(99), latencies[last]);
}
