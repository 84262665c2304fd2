//! The suite of [`sockeye_core::ports::Users`].

use std::sync::Arc;

use sockeye_core::{
    id::UserId,
    media::{ImageKind, MediaId, Picture},
    portion::Portion,
    ports::{Store, StoreError},
    user::{AccountState, User},
};
use tokio::task::JoinSet;

use super::store_all;
use crate::conformance::{
    Fixture,
    values::{at, group_record, record, time, user, user_id},
};

type AnyStore = dyn Store;

pub async fn a_user_is_found_by_id_and_address(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let mut rich = user(2);
    rich.name = "Zo\u{eb} \u{1f44b}\0".into();
    rich.bio = "two\nlines".into();
    rich.picture = Some(Picture::External("https://example.org/me.png".into()));
    rich.updated_at = time(99);
    for user in [user(1), rich] {
        store.insert_user(&user).await.expect("insert");
        assert_eq!(store.user(user.id).await.expect("user").as_ref(), Some(&user));
        assert_eq!(store.user_by_email(&user.email).await.expect("user").as_ref(), Some(&user));
    }
    assert_eq!(store.user(user_id(3)).await.expect("user"), None);
    assert_eq!(store.user_by_email("nobody@example.org").await.expect("user"), None);
}

pub async fn accounts_are_found_many_at_a_time(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    assert!(store.accounts(&[]).await.expect("accounts").is_empty());
    for number in [1, 2, 300] {
        store.insert_user(&user(number)).await.expect("insert");
    }
    store.end_sessions(user_id(2), time(7)).await.expect("end");
    let asked: Vec<UserId> = (1..=300).chain([2]).map(user_id).collect();
    let mut found = store.accounts(&asked).await.expect("accounts");
    found.sort_unstable_by_key(|account| account.user);
    let account =
        |number, sessions_ended_through| AccountState { user: user_id(number), sessions_ended_through };
    assert_eq!(found, [account(1, None), account(2, Some(time(7))), account(300, None)], "each once");
}

pub async fn a_users_sessions_end_through_a_time_that_never_goes_back(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    for number in [1, 2] {
        store.insert_user(&user(number)).await.expect("insert");
    }
    for (through, expected) in [(500, 500), (400, 500), (501, 501)] {
        assert!(store.end_sessions(user_id(1), time(through)).await.expect("end"));
        let expected = User { sessions_ended_through: Some(time(expected)), ..user(1) };
        assert_eq!(store.user(user_id(1)).await.expect("user").as_ref(), Some(&expected));
        assert_eq!(store.user_by_email(&expected.email).await.expect("user"), Some(expected));
    }
    assert_eq!(store.user(user_id(2)).await.expect("user"), Some(user(2)));
    assert!(!store.end_sessions(user_id(3), time(500)).await.expect("end"), "nobody");
    assert_eq!(store.user(user_id(3)).await.expect("user"), None);
    drop(store);
    let ended = fixture.open().await.user(user_id(1)).await.expect("user").expect("a user");
    assert_eq!(ended.sessions_ended_through, Some(time(501)));
}

pub async fn addresses_are_compared_byte_for_byte(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    // The last two look alike: one letter, and a letter with a combining accent.
    let emails = ["a@b.c", "A@b.c", "a@b.c ", "a@b.c\0", "a@b.c\0x", "", "\u{e9}@b.c", "e\u{301}@b.c"];
    for (number, email) in (1..).zip(emails) {
        store.insert_user(&User { email: email.into(), ..user(number) }).await.expect("its own address");
    }
    for (number, email) in (1..).zip(emails) {
        let found = store.user_by_email(email).await.expect("user").expect("a user");
        assert_eq!(found.id, user_id(number), "{email:?}");
        let again = User { email: email.into(), ..user(number + 100) };
        assert!(matches!(store.insert_user(&again).await, Err(StoreError::Conflict(_))), "{email:?}");
        assert_eq!(store.user(again.id).await.expect("user"), None, "a refused user is not kept");
    }
}

pub async fn an_address_is_taken_once_however_many_ask(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    let mut asking = JoinSet::new();
    for number in 0..30 {
        let store = Arc::clone(&store);
        asking.spawn(async move {
            store.insert_user(&User { email: "wanted@example.org".into(), ..user(number) }).await
        });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(StoreError::Conflict(_)))));
    assert_eq!(store.people(user_id(99), None, 100).await.expect("people").len(), 1);
}

pub async fn a_picture_is_changed_and_nothing_else(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    store.insert_user(&user(1)).await.expect("insert");
    store.insert_user(&user(2)).await.expect("insert");
    let picture = Picture::Stored(MediaId::new([1; 16], ImageKind::Gif));
    let changed = store.set_picture(user_id(1), &picture, time(500)).await.expect("set");
    let expected = User { picture: Some(picture.clone()), updated_at: time(500), ..user(1) };
    assert_eq!(changed.as_ref(), Some(&expected));
    assert_eq!(store.user(user_id(1)).await.expect("user"), Some(expected));
    assert_eq!(store.user(user_id(2)).await.expect("user"), Some(user(2)));
    assert_eq!(store.set_picture(user_id(3), &picture, time(500)).await.expect("set"), None);
}

/// Their ids rise in that order, as those of [`sockeye_core::id::IdMint`] do.
pub async fn people_come_in_the_order_in_which_they_signed_up(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    assert!(store.people(user_id(1), None, 10).await.expect("people").is_empty());
    for number in [1, 3, 5, 9] {
        // The address is in another order, and so is the time.
        let email = format!("{}@example.org", 10 - number);
        store
            .insert_user(&User { email, created_at: time(10 - number), ..user(number) })
            .await
            .expect("insert");
    }
    let people = async |except| numbers(&store.people(user_id(except), None, 10).await.expect("people"));
    assert_eq!(people(3).await, [1, 5, 9]);
    assert_eq!(people(77).await, [1, 3, 5, 9]);
}

pub async fn people_come_in_pages(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    for number in [1, 3, 5, 7, 9] {
        store.insert_user(&user(number)).await.expect("insert");
    }
    let people = async |except, after: Option<u64>, len_max| {
        let after = after.map(user_id);
        numbers(&store.people(user_id(except), after, len_max).await.expect("people"))
    };
    assert_eq!(people(77, None, 2).await, [1, 3]);
    assert_eq!(people(77, Some(3), 2).await, [5, 7]);
    assert_eq!(people(5, Some(3), 2).await, [7, 9], "the one who asks takes no place");
    assert_eq!(people(5, Some(5), 9).await, [7, 9]);
    assert!(people(77, Some(9), 2).await.is_empty());
    assert!(people(77, None, 0).await.is_empty());
    assert_eq!(people(77, None, usize::MAX).await.len(), 5);
}

pub async fn partners_come_latest_exchange_first(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    for number in 1..=6 {
        store.insert_user(&user(number)).await.expect("insert");
    }
    let exchange = [
        at(0, 0, record(10, 1, 2)),
        at(0, 1, record(11, 3, 1)),
        at(0, 2, record(12, 1, 4)),
        at(0, 3, record(13, 2, 1)),
        at(0, 4, record(14, 5, 2)),
        at(0, 5, group_record(15, 1, 1, &[1, 6])),
        at(0, 6, record(16, 1, 1)),
    ];
    store_all(&*store, &exchange).await.expect("store");
    let partners =
        async |of, len_max| numbers(&store.partners(user_id(of), len_max).await.expect("partners"));
    assert_eq!(partners(1, 10).await, [2, 4, 3], "each once, direct exchanges with others only");
    assert_eq!(partners(1, 2).await, [2, 4]);
    assert_eq!(partners(2, 10).await, [5, 1]);
    assert!(partners(6, 10).await.is_empty());
}

/// Of people and of partners: whole ones, at least one.
pub async fn people_end_at_a_number_of_bytes(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    for number in 1..=5 {
        let bio = "x".repeat(if number == 2 { 20_000 } else { 10 });
        store.insert_user(&User { bio, ..user(number) }).await.expect("insert");
    }
    let exchange: Vec<_> = (2..=5).map(|n| at(0, 5 - n, record(20 - n, 1, n))).collect();
    store_all(&*store, &exchange).await.expect("store");
    let within = |bytes_max| Portion { len_max: 10, bytes_max };
    let people = async |after: Option<u64>, bytes_max| {
        let after = after.map(user_id);
        numbers(&store.people_within(user_id(1), after, within(bytes_max)).await.expect("people"))
    };
    assert_eq!(people(None, 1).await, [2]);
    assert_eq!(people(None, 20_000).await, [2], "the one that reaches the bound is the last");
    assert_eq!(people(Some(2), 20_000).await, [3, 4, 5]);
    let partners = async |bytes_max| {
        numbers(&store.partners_within(user_id(1), within(bytes_max)).await.expect("partners"))
    };
    assert_eq!(partners(1).await, [2]);
    assert_eq!(partners(20_000).await, [2]);
    assert_eq!(partners(1_000_000).await, [2, 3, 4, 5]);
}

pub async fn users_survive_a_restart(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    for number in [1, 2] {
        store.insert_user(&user(number)).await.expect("insert");
    }
    drop(store);
    let store = fixture.open().await;
    assert_eq!(store.people(user_id(9), None, 10).await.expect("people"), [user(1), user(2)]);
    let again = User { email: user(1).email, ..user(3) };
    assert!(matches!(store.insert_user(&again).await, Err(StoreError::Conflict(_))));
}

fn numbers(users: &[User]) -> Vec<u64> {
    users
        .iter()
        .map(|user| (1..100).find(|&number| user_id(number) == user.id).expect("one of ours"))
        .collect()
}

pub async fn a_password_hash_is_replaced_only_when_it_is_the_one_meant(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    store.insert_user(&user(1)).await.expect("insert");
    store.insert_user(&user(2)).await.expect("insert");
    let replace = async |number, old: &str, new: &str| {
        store.replace_password_hash(user_id(number), old, new).await.expect("an answer")
    };
    assert!(!replace(1, "hash of 2", "new").await, "another hash");
    assert!(!replace(3, "hash of 3", "new").await, "nobody");
    assert!(replace(1, "hash of 1", "new").await);
    assert!(!replace(1, "hash of 1", "newer").await, "it is another by now");
    let changed = User { password_hash: "new".into(), ..user(1) };
    assert_eq!(store.user(user_id(1)).await.expect("user"), Some(changed), "and nothing else");
    assert_eq!(store.user(user_id(2)).await.expect("user"), Some(user(2)));
}

pub async fn some_password_hashes_are_of_the_oldest_and_the_newest(fixture: &impl Fixture<AnyStore>) {
    let store = fixture.open().await;
    assert_eq!(store.some_password_hashes(10).await.expect("hashes"), Vec::<String>::new());
    for number in 1..=20 {
        store.insert_user(&user(number)).await.expect("insert");
    }
    let some = async |len_max| {
        let mut hashes = store.some_password_hashes(len_max).await.expect("hashes");
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    };
    assert_eq!(some(4).await, ["hash of 1", "hash of 19", "hash of 2", "hash of 20"]);
    assert_eq!(some(100).await.len(), 20);
}
