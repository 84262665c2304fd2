use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use sockeye_adapters::{
    blobs::DirectoryBlobs,
    conformance::{
        everything,
        values::{record, user, user_id},
    },
    log::embedded::EmbeddedLog,
    store::sqlite::SqliteStore,
};
use sockeye_core::{
    message::Entry,
    ports::{Blobs, MessageLog, Messages, Users},
    position::Cursor,
};

use super::{
    ledger::Ledger,
    work::{self, picture},
};

/// Everything acknowledged is there, and what is there is consistent.
pub async fn check(dir: &Path, ledger: &Ledger) {
    let (log, store) = work::open(dir);
    let entries = check_log(&log).await;
    for (number, &offset) in &ledger.acks {
        let entry = usize::try_from(offset).ok().and_then(|offset| entries.get(offset));
        let found = entry.map(number_of);
        assert_eq!(found, Some(*number), "acknowledged at {offset}");
    }
    let stored = store.stored().await.expect("stored").offset(0);
    assert!(stored >= ledger.stored, "{stored:?} is stored, {:?} was acknowledged", ledger.stored);
    check_store(&store, &entries).await;
    if let Some(committed) = ledger.committed {
        log.append(&record(1 << 60 | entries.len() as u64, 200, 201)).await.expect("append");
        let mut consumer = log.consumer().await.expect("a consumer");
        let next = loop {
            let batch = consumer.next(1).await.expect("next");
            if let Some(entry) = batch.entries.first() {
                break entry.position.offset;
            }
        };
        assert!(next > committed, "{committed} was committed, got {next}");
        assert!(Some(next) <= stored.map(|stored| stored + 1), "committed beyond what is stored");
    }
    for &number in &ledger.users {
        assert_eq!(store.user(user_id(number)).await.expect("user"), Some(user(number)));
    }
    let blobs = DirectoryBlobs::open(dir).expect("media");
    for &number in &ledger.pictures {
        let (id, image) = picture(number);
        assert!(blobs.get(&id).await.expect("get") == Some(image.bytes), "picture {number}");
    }
}

/// Whatever is there is consistent, and work can go on.
pub async fn check_consistent(dir: &Path) {
    let (log, store) = work::open(dir);
    let entries = check_log(&log).await;
    check_store(&store, &entries).await;
    let next = log.append(&record(1 << 60, 200, 201)).await.expect("append");
    assert_eq!(next.position.offset, entries.len() as u64);
}

/// Dense from 0, each message once, each sender's messages in the order in which they were sent, none left out.
async fn check_log(log: &EmbeddedLog) -> Vec<Entry> {
    let entries = everything(log).await;
    let mut next_of_sender: BTreeMap<u64, u64> = BTreeMap::new();
    for (offset, entry) in (0..).zip(&entries) {
        assert_eq!(entry.position.offset, offset, "dense");
        let number = number_of(entry);
        if number >> 60 != 0 {
            continue; // appended by a check
        }
        let next = next_of_sender.entry(number >> 32).or_insert(number >> 32 << 32);
        assert_eq!(number, *next, "in the order of sending");
        assert_eq!(entry.record, record(number, number >> 32 & 0xff, 100 + (number & 0xffff_ffff) % 3));
        *next += 1;
    }
    entries
}

/// As far as the store says it has the log, it has each entry: message, history and each member's inbox. It has no more.
async fn check_store(store: &SqliteStore, entries: &[Entry]) {
    let count = store.stored().await.expect("stored").offset(0).map_or(0, |offset| offset + 1);
    let count = usize::try_from(count).expect("small");
    // A store may be ahead of a log whose end was torn off; then there is nothing to compare that part with.
    let (stored, beyond) = entries.split_at(count.min(entries.len()));
    for entry in beyond {
        assert_eq!(store.message(entry.record.message.id).await.expect("message"), None);
    }
    let users: BTreeSet<_> = entries.iter().flat_map(|entry| entry.record.members.clone()).collect();
    for user in users {
        let mut inbox = store.inbox(user, &Cursor::default(), usize::MAX).await.expect("inbox");
        inbox.retain(|entry| entry.position.offset < entries.len() as u64);
        let of_user = stored.iter().filter(|entry| entry.record.members.contains(&user));
        assert!(inbox.iter().eq(of_user), "the inbox of {user:?}");
    }
    let conversations: BTreeSet<_> = entries.iter().map(|entry| entry.record.message.conversation).collect();
    for conversation in conversations {
        let history = store.history(&conversation, None, usize::MAX).await.expect("history");
        let messages = stored.iter().map(|entry| &entry.record.message);
        let expected: Vec<_> = messages.filter(|message| message.conversation == conversation).collect();
        assert!(history.iter().take(expected.len()).eq(expected), "the history of {conversation}");
    }
}

fn number_of(entry: &Entry) -> u64 {
    let id = entry.record.message.id.0.0;
    u64::from_be_bytes(id[4..].try_into().expect("eight bytes"))
}
