//! The suite of [`sockeye_core::ports::Messages`].

use std::sync::Arc;

use sockeye_core::{
    conversation::ConversationId,
    id::MessageId,
    media::{ImageKind, MediaId, Picture},
    message::{Entry, Message, Origin},
    portion::Portion,
    ports::Store,
    position::{Cursor, Position},
};

use super::store_all;
use crate::conformance::{
    Fixture, poll_once,
    values::{at, device_id, group_id, group_record, message_id, record, time, user_id},
};

type AnyStore = dyn Store;

pub async fn a_stored_message_is_found_as_it_was(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let plain = at(0, 0, record(1, 1, 2));
    let mut rich = at(0, 1, group_record(2, 1, 7, &[1, 2, 3]));
    rich.record.message.text = "Gr\u{fc}\u{df}e\0 \u{1f44b}".into();
    rich.record.message.picture = Some(Picture::Stored(MediaId::new([1; 16], ImageKind::Png)));
    rich.record.message.client_id = Some("client's own".into());
    rich.record.origin = Origin::Device(device_id(4));
    let mut by_request = at(0, 2, record(3, 2, 2));
    by_request.record.origin = Origin::Request;
    let entries = [plain, rich, by_request];
    store_all(&*store, &entries).await.expect("store");
    for entry in &entries {
        let found = store.message(entry.record.message.id).await.expect("message");
        assert_eq!(found.as_ref(), Some(&entry.record.message));
    }
    let inbox = store.inbox(user_id(2), &Cursor::default(), 10).await.expect("inbox");
    assert_eq!(inbox, entries, "with members and origin");
    assert_eq!(store.message(message_id(9)).await.expect("message"), None);
}

/// Redelivery of a batch, a second log entry for a message, a repeat within a batch.
pub async fn a_message_is_stored_once_and_stays_as_it_was(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let first = at(0, 0, record(1, 1, 2));
    let mut second = at(0, 1, record(1, 1, 2));
    second.record.message.text = "changed".into();
    let last = at(0, 2, record(2, 1, 2));
    let batch = [first.clone(), second, last.clone()];
    for _ in 0..3 {
        store_all(&*store, &batch).await.expect("store");
    }
    store_all(&*store, &batch[1..]).await.expect("store");
    assert_eq!(history(&*store, None, 10).await, [1, 2]);
    assert_eq!(store.message(message_id(1)).await.expect("message"), Some(first.record.message.clone()));
    let inbox = store.inbox(user_id(2), &Cursor::default(), 10).await.expect("inbox");
    assert_eq!(inbox, [first, last]);
    store_all(&*store, &[]).await.expect("store nothing");
}

/// Whatever their times and ids are, and whichever batch they came in.
pub async fn history_is_in_log_order(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let mut entries: Vec<Entry> =
        (0..).zip([5, 2, 8, 1, 9, 3]).map(|(offset, n)| at(0, offset, record(n, 1, 2))).collect();
    entries[2].record.message.created_at = time(0);
    store_all(&*store, &entries[..2]).await.expect("store");
    store_all(&*store, &entries[2..]).await.expect("store");
    assert_eq!(history(&*store, None, 10).await, [5, 2, 8, 1, 9, 3]);
}

pub async fn history_comes_in_pages_from_the_latest_on(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let entries: Vec<_> = (0..6).map(|n| at(0, n, record(10 - n, 1, 2))).collect();
    store_all(&*store, &entries).await.expect("store");
    store_all(&*store, &[at(0, 6, record(50, 1, 3))]).await.expect("store");
    assert_eq!(history(&*store, None, 2).await, [6, 5]);
    assert_eq!(history(&*store, Some(6), 3).await, [9, 8, 7]);
    assert_eq!(history(&*store, Some(9), 3).await, [10]);
    assert!(history(&*store, Some(10), 3).await.is_empty());
    assert!(history(&*store, None, 0).await.is_empty());
    assert_eq!(history(&*store, None, usize::MAX).await, [10, 9, 8, 7, 6, 5]);
    assert!(history(&*store, Some(99), 3).await.is_empty(), "nothing is before a message that is not there");
    assert!(history(&*store, Some(50), 3).await.is_empty(), "nor before one of another conversation");
}

/// Whole messages, at least one, and the next page goes on where this one ended.
pub async fn a_page_of_history_ends_at_a_number_of_bytes(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let sized = |n: u64, len: usize| {
        let mut entry = at(0, n, record(n, 1 + n % 2, 2 - n % 2));
        entry.record.message.text = "x".repeat(len);
        entry
    };
    // Bytes at which an answer ends are counted from the latest: 30,000, 10, 20,000, 10, 10.
    let entries = [sized(1, 10), sized(2, 10), sized(3, 20_000), sized(4, 10), sized(5, 30_000)];
    store_all(&*store, &entries).await.expect("store");
    let conversation = ConversationId::direct(user_id(1), user_id(2));
    let page = async |before: Option<u64>, len_max, bytes_max| {
        let portion = Portion { len_max, bytes_max };
        let before = before.map(message_id);
        numbers(&store.history_within(&conversation, before, portion).await.expect("history"))
    };
    assert_eq!(page(None, 10, 1).await, [5], "at least one");
    assert_eq!(page(None, 10, 30_000).await, [5]);
    assert_eq!(page(None, 10, 40_000).await, [3, 4, 5], "the one that reaches the bound is in it");
    assert_eq!(page(Some(3), 10, 40_000).await, [1, 2]);
    assert_eq!(page(None, 2, 40_000).await, [4, 5]);
    assert_eq!(page(None, 10, 1_000_000).await, [1, 2, 3, 4, 5]);
}

pub async fn history_is_of_one_conversation(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let entries = [
        at(0, 0, record(1, 1, 2)),
        at(0, 1, record(2, 1, 3)),
        at(0, 2, record(3, 2, 1)),
        at(0, 3, group_record(4, 1, 1, &[1, 2])),
        at(0, 4, record(5, 1, 1)),
    ];
    store_all(&*store, &entries).await.expect("store");
    assert_eq!(history(&*store, None, 10).await, [1, 3]);
    let of = async |id| numbers(&store.history(&id, None, 10).await.expect("history"));
    assert_eq!(of(ConversationId::direct(user_id(1), user_id(1))).await, [5]);
    assert_eq!(of(ConversationId::Group(group_id(1))).await, [4]);
    assert!(of(ConversationId::Group(group_id(2))).await.is_empty());
}

/// Own messages too; nothing of conversations one is not in.
pub async fn the_inbox_has_the_members_entries_in_log_order(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let entries = [
        at(0, 0, record(7, 1, 2)),
        at(0, 1, record(3, 3, 4)),
        at(0, 2, record(5, 2, 1)),
        at(0, 3, group_record(1, 4, 1, &[1, 4])),
        at(0, 4, record(2, 1, 1)),
    ];
    store_all(&*store, &entries).await.expect("store");
    let inbox = async |user| {
        let entries = store.inbox(user_id(user), &Cursor::default(), 10).await.expect("inbox");
        entries.iter().map(|entry| entry.position.offset).collect::<Vec<_>>()
    };
    assert_eq!(inbox(1).await, [0, 2, 3, 4]);
    assert_eq!(inbox(2).await, [0, 2]);
    assert_eq!(inbox(4).await, [1, 3]);
    assert!(inbox(9).await.is_empty());
}

/// A partition that the cursor does not name counts from its beginning.
pub async fn the_inbox_starts_after_the_cursor_in_each_partition(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let entries: Vec<_> = (0..9)
        .map(|n| at(u32::try_from(n % 3).expect("small") * 10, n / 3, record(n, 1, 2 + n % 3)))
        .collect();
    store_all(&*store, &entries).await.expect("store");
    let inbox = async |after: &str| {
        let after = after.parse().expect("a cursor");
        let entries = store.inbox(user_id(1), &after, 100).await.expect("inbox");
        let mut places: Vec<_> = entries.iter().map(|entry| entry.position).collect();
        assert!(places.chunk_by(|a, b| a.partition == b.partition).all(<[_]>::is_sorted), "log order");
        places.sort_unstable();
        places.iter().map(|place| (place.partition, place.offset)).collect::<Vec<_>>()
    };
    assert_eq!(inbox("").await.len(), 9);
    assert_eq!(inbox("0:0,10:1,20:2").await, [(0, 1), (0, 2), (10, 2)]);
    assert_eq!(inbox("10:2,20:2").await, [(0, 0), (0, 1), (0, 2)]);
    assert_eq!(inbox("0:2,10:99,20:18446744073709551615").await, []);
    assert_eq!(inbox("77:5").await.len(), 9);
}

pub async fn the_inbox_is_bounded(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let entries: Vec<_> = (0..10).map(|n| at(u32::from(n >= 5), n % 5, record(n, 1, 2 + n / 5))).collect();
    store_all(&*store, &entries).await.expect("store");
    let mut cursor = Cursor::default();
    let mut got = vec![];
    loop {
        let page = store.inbox(user_id(1), &cursor, 3).await.expect("inbox");
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        page.iter().for_each(|entry| cursor.advance(entry.position));
        got.extend(page);
    }
    got.sort_by_key(|entry| entry.position);
    assert_eq!(got, entries, "page by page, all of it");
    assert!(store.inbox(user_id(1), &Cursor::default(), 0).await.expect("inbox").is_empty());
}

pub async fn waiting_ends_when_all_positions_are_stored(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    store.wait_stored(&Cursor::default()).await.expect("nothing to wait for");
    let wanted: Cursor = "0:1,4:0".parse().expect("a cursor");
    let waiting = {
        let (store, wanted) = (Arc::clone(&store), wanted.clone());
        tokio::spawn(async move { store.wait_stored(&wanted).await })
    };
    assert!(poll_once(store.wait_stored(&wanted)).await.is_none());
    store_all(&*store, &[at(0, 0, record(1, 1, 2)), at(0, 1, record(2, 1, 2))]).await.expect("store");
    assert!(poll_once(store.wait_stored(&wanted)).await.is_none(), "partition 4 is not stored");
    store_all(&*store, &[at(4, 0, record(3, 1, 3))]).await.expect("store");
    waiting.await.expect("the task").expect("wait");
    store.wait_stored(&wanted).await.expect("wait");
    // An earlier batch comes again: what was stored stays stored.
    store_all(&*store, &[at(0, 0, record(1, 1, 2))]).await.expect("store");
    store.wait_stored(&wanted).await.expect("wait");
    assert!(poll_once(store.wait_stored(&"0:2".parse().expect("a cursor"))).await.is_none());
}

pub async fn a_batch_is_visible_as_a_whole(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    for batch in 0..10 {
        let entries: Vec<_> = (batch * 100..batch * 100 + 100).map(|n| at(0, n, record(n, 1, 2))).collect();
        let storing = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store_all(&*store, &entries).await })
        };
        while !storing.is_finished() {
            let inbox = store.inbox(user_id(2), &Cursor::default(), usize::MAX).await.expect("inbox");
            assert_eq!(inbox.len() % 100, 0, "a part of a batch was visible");
        }
        storing.await.expect("the task").expect("store");
        let last = Position { partition: 0, offset: batch * 100 + 99 };
        store.wait_stored(&Cursor::from_iter([last])).await.expect("wait");
        assert_eq!(history(&*store, None, usize::MAX).await.len() as u64, last.offset + 1);
    }
}

pub async fn messages_survive_a_restart(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let entries: Vec<_> = (0..5).map(|n| at(0, n, record(n, 1, 2))).collect();
    store_all(&*store, &entries).await.expect("store");
    drop(store);
    let store = fixture.open().await;
    assert_eq!(history(&*store, None, 10).await, [0, 1, 2, 3, 4]);
    assert_eq!(store.inbox(user_id(2), &Cursor::default(), 10).await.expect("inbox"), entries);
    store.wait_stored(&"0:4".parse().expect("a cursor")).await.expect("how far is remembered");
    assert!(poll_once(store.wait_stored(&"0:5".parse().expect("a cursor"))).await.is_none());
}

/// Of the direct conversation of users 1 and 2.
async fn history(store: &AnyStore, before: Option<u64>, len_max: usize) -> Vec<u64> {
    let conversation = ConversationId::direct(user_id(1), user_id(2));
    let before = before.map(message_id);
    numbers(&store.history(&conversation, before, len_max).await.expect("history"))
}

fn numbers(messages: &[Message]) -> Vec<u64> {
    let number = |id: MessageId| (0..2_000).find(|&number| message_id(number) == id).expect("one of ours");
    messages.iter().map(|message| number(message.id)).collect()
}
