//! What the child does: senders append, a worker and a tail follow, people sign up, pictures are kept. Each acknowledgement is a
//! line of output, written after it was given and before anything else.

use std::{
    fmt::Display,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use sockeye_adapters::{
    blobs::DirectoryBlobs,
    conformance::values::{record, user},
    log::embedded::{EmbeddedLog, EmbeddedLogOptions},
    store::sqlite::{SqliteStore, SqliteStoreOptions},
};
use sockeye_core::{
    media::{Image, ImageKind, MediaId},
    ports::{Blobs, Clock, MessageLog, Messages, Users},
    position::Cursor,
    time::Timestamp,
};
use tokio::task::JoinSet;

const SENDERS: u64 = 16;

/// A message's number, in which its round, sender and place among the sender's messages can be read.
pub fn number(round: u64, sender: u64, nth: u64) -> u64 {
    round << 40 | sender << 32 | nth
}

/// The picture that goes by a number.
pub fn picture(nth: u64) -> (MediaId, Image) {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&nth.to_be_bytes());
    let bytes = vec![nth.to_be_bytes()[7]; 60_000];
    (MediaId::new(name, ImageKind::Png), Image { kind: ImageKind::Png, bytes })
}

pub struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
}

pub fn open(dir: &Path) -> (Arc<EmbeddedLog>, Arc<SqliteStore>) {
    let log = EmbeddedLog::open(dir, Arc::new(Fixed), EmbeddedLogOptions::default()).expect("the log");
    let store = SqliteStore::open(dir, Arc::new(Fixed), SqliteStoreOptions::default()).expect("the store");
    (Arc::new(log), Arc::new(store))
}

pub fn until_killed() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).expect("input");
    // Without input somebody ran the ignored tests by hand.
    let Some((round, dir)) = line.trim_end().split_once(' ') else { return };
    let round = round.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(run(round, Path::new(dir)));
}

async fn run(round: u64, dir: &Path) {
    let (log, store) = open(dir);
    let blobs = DirectoryBlobs::open(dir).expect("media");
    let mut work = JoinSet::new();
    for sender in 0..SENDERS {
        work.spawn(send(Arc::clone(&log), round, sender));
    }
    work.spawn(store_all(Arc::clone(&log), Arc::clone(&store)));
    work.spawn(follow(Arc::clone(&log)));
    work.spawn(sign_up(Arc::clone(&store), round));
    work.spawn(keep_pictures(blobs, round));
    // Work ends when the disk refuses; reading still works then.
    while let Some(ended) = work.join_next().await {
        if !ended.expect("no panic") {
            let mut tail = log.tail(&Cursor::default()).await.expect("readable");
            assert_eq!(tail.next(1).await.expect("readable").len(), 1);
            tell("readable");
        }
    }
    std::future::pending().await
}

/// `false` when the disk refused.
async fn send(log: Arc<EmbeddedLog>, round: u64, sender: u64) -> bool {
    for nth in 0.. {
        let number = number(round, sender, nth);
        let record = record(number, sender, 100 + nth % 3);
        let Ok(appended) = log.append(&record).await else {
            tell("refused");
            return false;
        };
        tell(format_args!("ack {number} {}", appended.position.offset));
        if nth % 7 == 3 {
            match log.append(&record).await {
                Ok(again) => assert_eq!(again.position, appended.position, "a retry is the same entry"),
                Err(_) => return false,
            }
        }
    }
    true
}

async fn store_all(log: Arc<EmbeddedLog>, store: Arc<SqliteStore>) -> bool {
    let mut consumer = log.consumer().await.expect("a consumer");
    loop {
        let Ok(batch) = consumer.next(100).await else { return false };
        let last = batch.through.offset(0).expect("the only partition");
        if store.store_batch(&batch.entries, &batch.through).await.is_err() {
            return false;
        }
        tell(format_args!("stored {last}"));
        if consumer.commit(&batch.through).await.is_err() {
            return false;
        }
        tell(format_args!("committed {last}"));
    }
}

async fn follow(log: Arc<EmbeddedLog>) -> bool {
    let end = log.end().await.expect("the end");
    let mut tail = log.tail(&end).await.expect("a tail");
    let mut next = end.offset(0).map_or(0, |offset| offset + 1);
    loop {
        let Ok(entries) = tail.next(100).await else { return false };
        for entry in entries {
            assert_eq!(entry.position.offset, next, "dense");
            next += 1;
        }
    }
}

async fn sign_up(store: Arc<SqliteStore>, round: u64) -> bool {
    for nth in 0..200 {
        let number = number(round, 0, nth);
        if store.insert_user(&user(number)).await.is_err() {
            return false;
        }
        tell(format_args!("user {number}"));
    }
    true
}

async fn keep_pictures(blobs: DirectoryBlobs, round: u64) -> bool {
    for nth in 0..200 {
        let number = number(round, 0, nth);
        let (id, image) = picture(number);
        if blobs.put(&id, &image).await.is_err() {
            return false;
        }
        tell(format_args!("picture {number}"));
    }
    true
}

/// One whole line at a time, past the test harness.
fn tell(line: impl Display) {
    io::stdout().lock().write_all(format!("{line}\n").as_bytes()).expect("the parent listens");
}
