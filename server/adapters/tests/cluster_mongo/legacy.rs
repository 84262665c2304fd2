//! A database as an original backend left it (contracts direct-v1 and direct, section 7), served, continued, handed back.

use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use sockeye_adapters::{
    conformance::values::{at, message_id, record, time, user, user_id},
    store::mongo::{MongoSchema, MongoStore},
};
use sockeye_core::{
    conversation::ConversationId,
    id::MessageId,
    media::{ImageKind, MediaId, Picture},
    ports::{Conversations, Messages, Users},
    position::Cursor,
    user::User,
};

use crate::fixture::{Mongo, oid};

/// What mongoose's models of either contract write.
struct Node(MongoSchema);

impl Node {
    fn user(&self, number: u64, password: &str) -> Document {
        let dates = doc! { "createdAt": date(number), "updatedAt": date(number), "__v": 0 };
        let id = oid(user_id(number).0);
        let (email, name) = (format!("old{number}@example.org"), format!("Old {number}"));
        let mut user = match self.0 {
            MongoSchema::DirectV1 => doc! {
                "_id": id, "email": email, "password": password, "full_name": name, "profile_picture": "", "bio": "",
                "o_auth_provider": "local", "o_auth_id": "",
            },
            MongoSchema::Direct => {
                doc! { "_id": id, "email": email, "fullName": name, "password": password, "profilePic": "" }
            }
        };
        user.extend(dates);
        user
    }

    fn message(&self, number: u64, from: u64, to: u64, sent_at: u64) -> Document {
        let mut message = doc! {
            "_id": oid(message_id(number).0),
            "senderId": oid(user_id(from).0),
            "receiverId": oid(user_id(to).0),
            "text": format!("message {number}"),
        };
        if self.0 == MongoSchema::DirectV1 {
            message.insert("image", "");
        }
        message.extend(doc! { "createdAt": date(sent_at), "updatedAt": date(sent_at), "__v": 0 });
        message
    }
}

fn date(millis: u64) -> DateTime {
    DateTime::from_millis(i64::try_from(time(millis).as_millis()).unwrap())
}

async fn history(store: &MongoStore) -> Vec<u64> {
    let conversation = ConversationId::direct(user_id(1), user_id(2));
    let all = store.history(&conversation, None, 100).await.unwrap();
    // In pages of every size it is the same.
    for len in 1..=4 {
        let mut pages = vec![];
        let mut before: Option<MessageId> = None;
        loop {
            let page = store.history(&conversation, before, len).await.unwrap();
            assert!(page.len() <= len);
            let Some(first) = page.first() else { break };
            before = Some(first.id);
            pages.splice(0..0, page);
        }
        assert_eq!(pages, all, "in pages of {len}");
    }
    all.iter().map(|m| (0..100).find(|&n| message_id(n) == m.id).unwrap()).collect()
}

async fn an_old_database_is_served_and_continued(schema: MongoSchema) {
    let (mongo, node) = (Mongo::new(schema), Node(schema));
    let (users, messages) = (mongo.collection("users").await, mongo.collection("messages").await);
    let hash = bcrypt::hash("secret1", 4).unwrap();
    users.insert_many([1, 2, 3].map(|number| node.user(number, &hash))).await.unwrap();
    let unique = mongodb::options::IndexOptions::builder().unique(true).name("email_1".to_owned()).build();
    let index = mongodb::IndexModel::builder().keys(doc! { "email": 1 }).options(unique).build();
    users.create_index(index).await.unwrap();
    let mut odd = node.message(13, 1, 2, 30);
    odd.insert("image", Bson::Null);
    odd.remove("text");
    // Two at the same millisecond, and not in the order of their ids.
    let old = [
        node.message(12, 2, 1, 20),
        node.message(10, 1, 2, 10),
        node.message(11, 1, 2, 20),
        odd,
        node.message(14, 3, 1, 5),
    ];
    messages.insert_many(old).await.unwrap();

    let store = mongo.store().await;
    let one = store.user_by_email("old1@example.org").await.unwrap().expect("an old user");
    assert!(bcrypt::verify("secret1", &one.password_hash).unwrap());
    let expected = User { email: "old1@example.org".into(), name: "Old 1".into(), ..user(1) };
    assert_eq!(one, User { password_hash: hash.clone(), ..expected });
    assert_eq!(history(&store).await, [10, 11, 12, 13]);
    let odd = store.message(message_id(13)).await.unwrap().expect("an old message");
    assert_eq!((odd.text.as_str(), odd.picture, odd.client_id), ("", None, None));
    let partners = async || -> Vec<_> {
        let partners = store.partners(user_id(1), 10).await.unwrap();
        partners.iter().map(|user| user.name.clone()).collect()
    };
    assert_eq!(partners().await, ["Old 2", "Old 3"]);

    // Ours follow, from a gateway whose clock is behind: the second is before the first, by its time.
    let ours = [(20, 100), (21, 90)].map(|(number, sent_at)| {
        let mut entry = at(0, number - 20, record(number, 2, 1));
        entry.record.message.created_at = time(sent_at);
        entry
    });
    store.store_batch(&ours, &"0:1".parse().unwrap()).await.unwrap();
    assert_eq!(history(&store).await, [10, 11, 12, 13, 20, 21]);
    assert_eq!(store.inbox(user_id(1), &Cursor::default(), 10).await.unwrap(), ours);

    // Rolled back: the original backend reads ours, writes, and is replaced again.
    let find = messages.find_one(doc! { "_id": oid(message_id(21).0) });
    let mut read = find.await.unwrap().expect("ours");
    read.remove("sockeye").expect("what mongoose strips");
    assert_eq!(read, node.message(21, 2, 1, 90), "fields, types and their order");
    messages.insert_one(node.message(30, 1, 2, 150)).await.unwrap();
    messages.insert_one(node.message(31, 3, 1, 300)).await.unwrap();
    assert_eq!(history(&store).await, [10, 11, 12, 13, 20, 21, 30]);
    assert_eq!(partners().await, ["Old 3", "Old 2"]);
    let mut last = at(0, 2, record(22, 1, 2));
    last.record.message.created_at = time(200);
    store.store_batch(&[last], &"0:2".parse().unwrap()).await.unwrap();
    assert_eq!(history(&store).await, [10, 11, 12, 13, 20, 21, 30, 22]);

    // A user of ours, as the original backend would have written them; a picture of an old one.
    store
        .insert_user(&User { email: "old7@example.org".into(), name: "Old 7".into(), ..user(7) })
        .await
        .unwrap();
    let read = users.find_one(doc! { "_id": oid(user_id(7).0) }).await.unwrap().expect("ours");
    assert_eq!(read, node.user(7, "hash of 7"));
    let picture = Picture::External("https://example.org/p.png".into());
    store.set_picture(user_id(1), &picture, time(500)).await.unwrap().expect("an old user");
    let mut expected = node.user(1, &hash);
    let field = if schema == MongoSchema::Direct { "profilePic" } else { "profile_picture" };
    expected.insert(field, "https://example.org/p.png");
    expected.insert("updatedAt", date(500));
    assert_eq!(users.find_one(doc! { "_id": oid(user_id(1).0) }).await.unwrap(), Some(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_direct_is_served_and_continued() {
    an_old_database_is_served_and_continued(MongoSchema::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_direct_v1_is_served_and_continued() {
    an_old_database_is_served_and_continued(MongoSchema::DirectV1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_are_no_users_or_messages_are_skipped() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let (users, messages) = (mongo.collection("users").await, mongo.collection("messages").await);
    let id = ObjectId::from_bytes([9; 12]);
    let odd = [
        doc! { "_id": "a string", "email": "a@b.c" },
        doc! { "_id": 7, "email": "b@b.c" },
        doc! { "_id": id, "email": 5 },
        doc! { "_id": oid(user_id(4).0), "email": "c@b.c", "fullName": 5, "profilePic": Bson::Null, "createdAt": "x" },
    ];
    users.insert_many(odd).await.unwrap();
    let pair = doc! { "senderId": oid(user_id(1).0), "receiverId": oid(user_id(2).0) };
    let with = |extra: Document| pair.clone().into_iter().chain(extra).collect::<Document>();
    let odd = [
        with(doc! { "_id": "a string", "createdAt": date(1) }),
        with(doc! { "_id": oid(message_id(1).0), "createdAt": "yesterday", "text": 5, "image": [1] }),
        with(doc! { "_id": oid(message_id(2).0), "text": "no time" }),
        with(doc! { "_id": oid(message_id(3).0), "createdAt": date(3) }),
        doc! { "_id": oid(message_id(4).0), "senderId": oid(user_id(1).0), "text": "to nobody" },
    ];
    messages.insert_many(odd).await.unwrap();
    let store = mongo.store().await;
    let people = store.people(user_id(1), None, 10).await.unwrap();
    let [found] = &people[..] else { panic!("one usable user: {people:?}") };
    assert_eq!((found.id, found.name.as_str(), found.picture.as_ref()), (user_id(4), "", None));
    let all = store.history(&ConversationId::direct(user_id(1), user_id(2)), None, 10).await.unwrap();
    assert_eq!(all.last().map(|message| message.id), Some(message_id(3)), "{all:?}");
    assert_eq!(all.len(), 3);
    assert_eq!(store.message(message_id(4)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_pictures_have_addresses_that_an_original_backend_can_show() {
    let mongo = Mongo::new(MongoSchema::DirectV1);
    let mut options = mongo.options();
    options.public_url = Some("https://chat.example.org".into());
    let store = mongo.store_with(options).await;
    let name = MediaId::new([3; 16], ImageKind::Jpeg);
    let mut entry = at(0, 0, record(1, 1, 2));
    entry.record.message.picture = Some(Picture::Stored(name));
    store.store_batch(std::slice::from_ref(&entry), &"0:0".parse().unwrap()).await.unwrap();
    let stored = mongo.collection("messages").await.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(stored.get_str("image").unwrap(), format!("https://chat.example.org/media/{name}"));
    assert_eq!(store.message(message_id(1)).await.unwrap(), Some(entry.record.message));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_read_with_its_members_sorted() {
    let mongo = Mongo::new(MongoSchema::Direct);
    let members = [3, 1, 3].map(|number| oid(user_id(number).0));
    let id = sockeye_adapters::conformance::values::group_id(1);
    let groups = mongo.collection("sockeye_groups").await;
    groups.insert_one(doc! { "_id": oid(id.0), "members": members.to_vec() }).await.unwrap();
    let group = mongo.store().await.group(id).await.unwrap().expect("a group");
    assert_eq!(group.members, [user_id(1), user_id(3)]);
}
