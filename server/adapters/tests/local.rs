//! What the local adapters promise beyond their ports: bounds, retention, damage.

mod support;

use std::sync::Arc;

use rusqlite::Connection;
use sockeye_adapters::{
    OpenError,
    auth::Bcrypt,
    blobs::DirectoryBlobs,
    conformance::values::{at, group_id, record, time, user_id},
    log::embedded::{EmbeddedLog, EmbeddedLogOptions},
    store::sqlite::{SqliteStore, SqliteStoreOptions},
};
use sockeye_core::{
    conversation::ConversationId,
    media::{Image, ImageKind, MediaId},
    ports::{
        Asker, Blobs, Conversations, LogConsumer, LogError, MessageLog, Messages, PasswordError, Passwords,
        Sessions,
    },
    position::{Cursor, Position},
    session::SessionId,
};
use support::{Counting, ManualClock};
use tempfile::TempDir;
use tokio::task::JoinSet;

fn place(offset: u64) -> Cursor {
    Cursor::from_iter([Position { partition: 0, offset }])
}

/// What is in the file.
fn offsets(dir: &TempDir) -> Vec<u64> {
    let file = Connection::open(dir.path().join("log.db")).expect("a log");
    let mut entries = file.prepare("SELECT log_offset FROM entries ORDER BY 1").expect("a log");
    let offsets = entries.query_map([], |row| row.get::<_, i64>(0)).expect("a log");
    offsets.map(|offset| offset.expect("a log").try_into().expect("not negative")).collect()
}

async fn commit(log: &EmbeddedLog, done: u64) {
    log.consumer().await.expect("a working log").commit(&place(done)).await.expect("a working log");
}

/// Past the news of what was stored before.
async fn next(consumer: &mut dyn LogConsumer) -> Result<Vec<u64>, LogError> {
    loop {
        let batch = consumer.next(10).await?;
        if !batch.entries.is_empty() {
            return Ok(batch.entries.iter().map(|entry| entry.position.offset).collect());
        }
    }
}

#[tokio::test]
async fn a_repeat_answers_the_first_place() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), ManualClock::at(0), EmbeddedLogOptions::default()).unwrap();
    let first = log.append(&record(1, 1, 2)).await.unwrap();
    log.append(&record(2, 1, 2)).await.unwrap();
    let again = log.append(&record(1, 1, 2)).await.unwrap();
    assert_eq!((again.position, again.first), (first.position, Some(record(1, 1, 2))));
    assert_eq!(offsets(&dir), [0, 1]);
}

/// Old and committed: dropped, from the beginning, a few at a time. The places that follow go on.
#[tokio::test]
async fn entries_are_dropped_when_old_and_committed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000);
    let options = EmbeddedLogOptions {
        retention_ms: 500,
        retention_check_ms: 0, // after every batch
        retention_batch_len_max: 2,
        ..EmbeddedLogOptions::default()
    };
    let log = EmbeddedLog::open(dir.path(), clock.clone(), options.clone()).unwrap();
    for number in 0..6 {
        log.append(&record(number, 1, 2)).await.unwrap();
    }
    clock.set(1_400);
    log.append(&record(6, 1, 2)).await.unwrap();
    clock.set(1_501);
    log.append(&record(7, 1, 2)).await.unwrap();
    assert_eq!(offsets(&dir).len(), 8, "nothing is committed");

    commit(&log, 3).await;
    let follower = log.consumer().await.unwrap();
    while offsets(&dir) != [4, 5, 6, 7] {
        tokio::task::yield_now().await;
    }
    commit(&log, 7).await;
    while offsets(&dir) != [6, 7] {
        tokio::task::yield_now().await;
    }
    clock.set(9_000);
    commit(&log, 7).await;
    while !offsets(&dir).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.end().await.unwrap(), place(7));
    drop((log, follower));

    let log = EmbeddedLog::open(dir.path(), clock, options).unwrap();
    assert_eq!(log.end().await.unwrap(), place(7));
    assert_eq!(log.append(&record(8, 1, 2)).await.unwrap().position.offset, 8);
    assert_eq!(offsets(&dir), [8]);
}

/// Another consumer has committed them.
#[tokio::test]
async fn a_consumer_passes_over_what_was_dropped_before_it_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000);
    let options =
        EmbeddedLogOptions { retention_ms: 0, retention_check_ms: 0, ..EmbeddedLogOptions::default() };
    let log = EmbeddedLog::open(dir.path(), clock.clone(), options).unwrap();
    let mut slow = log.consumer().await.unwrap();
    for number in 0..3 {
        log.append(&record(number, 1, 2)).await.unwrap();
    }
    clock.set(2_000);
    commit(&log, 2).await;
    while !offsets(&dir).is_empty() {
        tokio::task::yield_now().await;
    }
    let later = record(3, 1, 2);
    let (entries, appended) = tokio::join!(next(&mut *slow), log.append(&later));
    assert_eq!(appended.unwrap().position.offset, 3);
    assert_eq!(entries.unwrap(), [3]);
}

#[tokio::test]
async fn commits_neither_go_back_nor_past_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), ManualClock::at(0), EmbeddedLogOptions::default()).unwrap();
    commit(&log, 1_000).await;
    for number in 0..3 {
        log.append(&record(number, 1, 2)).await.unwrap();
    }
    assert_eq!(next(&mut *log.consumer().await.unwrap()).await.unwrap()[0], 0);
    commit(&log, 1_000).await;
    commit(&log, 0).await;
    let last = log.append(&record(3, 1, 2)).await.unwrap().position;
    assert_eq!(next(&mut *log.consumer().await.unwrap()).await.unwrap(), [last.offset]);
}

#[tokio::test]
async fn appends_over_the_bound_are_refused_and_the_others_kept() {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedLogOptions { queue_len_max: 4, ..EmbeddedLogOptions::default() };
    let log = Arc::new(EmbeddedLog::open(dir.path(), ManualClock::at(0), options).unwrap());
    // Another writer holds the file, so the thread cannot go on until it is let go.
    let other = Connection::open(dir.path().join("log.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut appends = JoinSet::new();
    for number in 0..30 {
        let log = Arc::clone(&log);
        appends.spawn(async move { log.append(&record(number, 1, 2)).await });
    }
    let mut refused = 0;
    while refused < 20 {
        let answer = appends.join_next().await.unwrap().unwrap();
        assert!(matches!(answer, Err(LogError::Unavailable(_))));
        refused += 1;
    }
    other.execute_batch("ROLLBACK").unwrap();
    let kept = appends.join_all().await.into_iter().filter(Result::is_ok).count();
    assert!(kept >= 4, "what waited was written");
    assert_eq!(offsets(&dir).len(), kept);
}

#[tokio::test]
async fn an_append_that_takes_too_long_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedLogOptions { deadline_ms: 50, ..EmbeddedLogOptions::default() };
    let log = EmbeddedLog::open(dir.path(), ManualClock::at(0), options).unwrap();
    let other = Connection::open(dir.path().join("log.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(log.append(&record(1, 1, 2)).await, Err(LogError::Unavailable(_))));
    other.execute_batch("ROLLBACK").unwrap();
    // The same append may be tried again; it is one entry.
    while log.append(&record(1, 1, 2)).await.is_err() {}
    assert_eq!(offsets(&dir), [0]);
}

#[tokio::test]
async fn a_damaged_entry_is_named_and_does_not_hold_up_those_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), ManualClock::at(0), EmbeddedLogOptions::default()).unwrap();
    for number in 0..4 {
        log.append(&record(number, 1, 2)).await.unwrap();
    }
    let other = Connection::open(dir.path().join("log.db")).unwrap();
    other.execute("UPDATE entries SET record = x'7b' WHERE log_offset = 2", []).unwrap();
    drop(other);
    // What was just written is read from memory: only a later process meets the damage.
    drop(log);
    let log = EmbeddedLog::open(dir.path(), ManualClock::at(0), EmbeddedLogOptions::default()).unwrap();
    let mut consumer = log.consumer().await.unwrap();
    assert_eq!(next(&mut *consumer).await.unwrap(), [0, 1]);
    let damaged = |error| match error {
        LogError::Unreadable(unreadable) => unreadable,
        error => panic!("{error}"),
    };
    for _ in 0..2 {
        let unreadable = damaged(next(&mut *consumer).await.unwrap_err());
        assert_eq!(unreadable.position, Position { partition: 0, offset: 2 });
    }
    // How to go on without it.
    let unreadable = damaged(next(&mut *consumer).await.unwrap_err());
    consumer.set_aside(&unreadable).await.unwrap();
    assert_eq!(next(&mut *consumer).await.unwrap(), [3]);
    let file = Connection::open(dir.path().join("log.db")).unwrap();
    let kept =
        file.query_row("SELECT log_offset, record FROM set_aside", [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(kept.unwrap(), (2, vec![0x7b]));

    let mut tail = log.tail(&Cursor::default()).await.unwrap();
    assert_eq!(tail.next(10).await.unwrap().len(), 2);
    damaged(tail.next(10).await.unwrap_err());
    assert_eq!(tail.next(10).await.unwrap()[0].position.offset, 3);
}

#[tokio::test]
async fn two_processes_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let open = || EmbeddedLog::open(dir.path(), ManualClock::at(0), EmbeddedLogOptions::default());
    let log = open().unwrap();
    assert!(matches!(open(), Err(OpenError::InUse { .. })));
    drop(log);
    open().unwrap();
}

fn store(dir: &TempDir, now: u64) -> SqliteStore {
    SqliteStore::open(dir.path(), ManualClock::at(now), SqliteStoreOptions::default()).expect("a store")
}

#[tokio::test]
async fn ended_sessions_are_forgotten_when_their_tokens_have_expired() {
    let dir = tempfile::tempdir().unwrap();
    let early = store(&dir, time(0).as_millis());
    for (n, until) in [(1, 100), (2, 300), (3, 50)] {
        early.end_session(SessionId([n; 16]), time(until)).await.unwrap();
    }
    early.end_session(SessionId([3; 16]), time(250)).await.unwrap();
    drop(early);
    let later = store(&dir, time(200).as_millis());
    later.end_session(SessionId([4; 16]), time(900)).await.unwrap();
    for (n, remembered) in [(1, false), (2, true), (3, true), (4, true)] {
        assert_eq!(later.session_ended(SessionId([n; 16])).await.unwrap(), remembered, "{n}");
    }
}

#[tokio::test]
async fn a_group_is_read_with_its_members() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 0);
    let other = Connection::open(dir.path().join("store.db")).unwrap();
    for member in [3, 1, 2] {
        let row = (group_id(1).0.0, user_id(member).0.0);
        other.execute("INSERT INTO group_members (group_id, user) VALUES (?1, ?2)", row).unwrap();
    }
    let group = store.group(group_id(1)).await.unwrap().unwrap();
    assert_eq!(group.id, ConversationId::Group(group_id(1)));
    assert_eq!(group.members, [user_id(1), user_id(2), user_id(3)]);
}

#[tokio::test]
async fn a_store_that_failed_works_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 0);
    let other = Connection::open(dir.path().join("store.db")).unwrap();
    other.execute_batch("ALTER TABLE inbox RENAME TO away").unwrap();
    store.store_batch(&[at(0, 0, record(1, 1, 2))], &place(0)).await.unwrap_err();
    assert!(store.stored().await.unwrap().is_empty());
    other.execute_batch("ALTER TABLE away RENAME TO inbox").unwrap();
    assert_eq!(store.message(record(1, 1, 2).message.id).await.unwrap(), None, "all or nothing");
    store.store_batch(&[at(0, 0, record(1, 1, 2))], &place(0)).await.unwrap();
    assert_eq!(store.inbox(user_id(2), &Cursor::default(), 9).await.unwrap().len(), 1);
}

/// A client with an address of its own.
fn asker(client: [u8; 4]) -> Asker {
    Asker { client: client.into(), account: None }
}

#[tokio::test]
async fn passwords_over_the_bound_are_refused() {
    let passwords = Arc::new(Bcrypt::new(10, 1, 1, Arc::new(Counting::default())).unwrap());
    let mut checks = JoinSet::new();
    for _ in 0..40 {
        let passwords = Arc::clone(&passwords);
        checks.spawn(async move { passwords.verify("password", None, asker([192, 0, 2, 1])).await });
    }
    let answers = checks.join_all().await;
    assert!(answers.iter().any(|answer| matches!(answer, Ok(false))));
    assert!(answers.iter().any(|answer| matches!(answer, Err(PasswordError::Busy { retry_after_ms: 1 }))));
    assert!(Bcrypt::new(3, 1, 1, Arc::new(Counting::default())).is_err());
    assert!(Bcrypt::new(18, 1, 1, Arc::new(Counting::default())).is_err());
}

/// Guessers who come back with the next guess as soon as the last was answered or refused.
#[tokio::test]
async fn somebody_who_logs_in_among_250_guessers_gets_a_turn_before_any_of_them_gets_another_two() {
    let passwords = Arc::new(Bcrypt::new(4, 1, 20, Arc::new(Counting::default())).unwrap());
    let served = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut guessers = JoinSet::new();
    for n in 0..250u8 {
        let (passwords, served) = (Arc::clone(&passwords), Arc::clone(&served));
        guessers.spawn(async move {
            loop {
                match passwords.verify("a guess", None, asker([203, 0, 113, n])).await {
                    Ok(_) => _ = served.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
    }
    // Until all have had their turn: from then on whoever is new is before them.
    while served.load(std::sync::atomic::Ordering::Relaxed) < 600 {
        tokio::task::yield_now().await;
    }
    for n in 0..20 {
        let before = served.load(std::sync::atomic::Ordering::Relaxed);
        passwords.verify("password", None, asker([198, 51, 100, n])).await.expect("a turn");
        let meanwhile = served.load(std::sync::atomic::Ordering::Relaxed) - before;
        assert!(meanwhile <= 3, "{meanwhile} guesses were served first");
    }
    guessers.shutdown().await;
}

#[tokio::test]
async fn hashes_of_less_cost_are_outdated_and_costlier_ones_are_not() {
    let of_cost = |cost| Bcrypt::new(cost, 1, 1_000, Arc::new(Counting::default())).unwrap();
    let (cheap, costly) = (of_cost(4), of_cost(5));
    let hash = cheap.hash("password", asker([192, 0, 2, 1])).await.unwrap();
    assert!(costly.is_outdated(&hash) && !cheap.is_outdated(&hash));
    let renewed = costly.hash("password", asker([192, 0, 2, 1])).await.unwrap();
    assert!(!costly.is_outdated(&renewed) && !cheap.is_outdated(&renewed), "no hash is made weaker");
    // Whatever they take: the answers are right.
    costly.level_with(&["$2a$06$4ib164.bS.6gDreatbCHiO2mz4mxXitm0cM5j.OQAe5QWujN8AjBG".to_owned()]);
    for hash in [&hash, &renewed] {
        assert!(costly.verify("password", Some(hash), asker([192, 0, 2, 1])).await.unwrap());
        assert!(!costly.verify("another", Some(hash), asker([192, 0, 2, 1])).await.unwrap());
    }
    assert!(!costly.verify("password", None, asker([192, 0, 2, 1])).await.unwrap());
}

#[tokio::test]
async fn pictures_lie_under_their_first_digits_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let image = Image { kind: ImageKind::Png, bytes: vec![1; 10] };
    let id = MediaId::new([0xab; 16], ImageKind::Png);
    let unfinished = dir.path().join("media/unfinished");
    std::fs::create_dir_all(&unfinished).unwrap();
    let left_over = std::fs::File::create(unfinished.join("left over")).unwrap();
    let long_ago = left_over.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(7200);
    left_over.set_modified(long_ago).unwrap();
    let by_another = unfinished.join("what another process is at");
    std::fs::write(&by_another, b"half").unwrap();
    let blobs = DirectoryBlobs::open(dir.path()).unwrap();
    assert!(by_another.exists());
    std::fs::remove_file(by_another).unwrap();
    assert_eq!(std::fs::read_dir(&unfinished).unwrap().count(), 0);
    blobs.put(&id, &image).await.unwrap();
    assert_eq!(std::fs::read(dir.path().join(format!("media/ab/{id}"))).unwrap(), image.bytes);
    assert_eq!(std::fs::read_dir(&unfinished).unwrap().count(), 0);
    // A directory in its place is an error, not a picture that is absent.
    let other = MediaId::new([0xcd; 16], ImageKind::Gif);
    std::fs::create_dir_all(dir.path().join(format!("media/cd/{other}"))).unwrap();
    blobs.get(&other).await.unwrap_err();
}
