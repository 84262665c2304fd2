use proptest::prelude::*;
use sockeye_core::{
    conversation::Conversation,
    id::{DeviceId, GroupId},
    media::{ImageKind, MediaId},
};

use super::*;

const PLACE: Source<'static> = Source {
    topic: "chat-messages",
    position: Position { partition: 3, offset: 41 },
    appended_at: Some(Timestamp::from_millis(1_700_000_099_000)),
};

fn id(byte: u8) -> ObjectId {
    ObjectId([byte; 12])
}

fn direct() -> Record {
    let conversation = Conversation::direct(UserId(id(0xb0)), UserId(id(0xa0)));
    Record {
        message: Message {
            id: MessageId(id(0x65)),
            conversation: conversation.id,
            sender: UserId(id(0xb0)),
            text: "Grüße \u{1f44b} \"quoted\"\n\0".into(),
            picture: None,
            created_at: Timestamp::from_millis(1_700_000_000_007),
            client_id: None,
        },
        members: conversation.members,
        origin: Origin::Device(DeviceId(id(0xd0))),
    }
}

fn by_request() -> Record {
    let mut record = direct();
    record.message.text = String::new();
    record.message.picture = Some(Picture::External("https://example.org/a?b=c".into()));
    record.origin = Origin::Request;
    record
}

fn group() -> Record {
    let mut record = direct();
    record.message.conversation = ConversationId::Group(GroupId(id(0x90)));
    record.message.client_id = Some("client's own".into());
    record.message.picture = Some(Picture::Stored(MediaId::new([7; 16], ImageKind::Webp)));
    record.members = vec![UserId(id(0xa0)), UserId(id(0xb0)), UserId(id(0xc0))];
    record
}

fn text(record: &Record, public_url: Option<&str>) -> String {
    String::from_utf8(write(record, public_url).unwrap()).unwrap()
}

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/golden/kafka/", $name, ".json")).trim_end()
    };
}

#[test]
fn the_written_form_stays_as_it_was() {
    assert_eq!(text(&direct(), None), golden!("direct"));
    assert_eq!(text(&by_request(), None), golden!("external_picture"));
    assert_eq!(text(&group(), None), golden!("group"));
    assert_eq!(text(&group(), Some("https://chat.example.org")), golden!("group_public_url"));
}

#[test]
fn the_golden_records_are_read() {
    let golden = [
        (golden!("direct"), direct()),
        (golden!("external_picture"), by_request()),
        (golden!("group"), group()),
        (golden!("group_public_url"), group()),
    ];
    for (text, record) in golden {
        assert!(read(Some(text.as_bytes()), &PLACE) == Ok(record), "{text}");
    }
}

#[test]
fn an_original_record_is_read() {
    let record = read(Some(golden!("original").as_bytes()), &PLACE).unwrap();
    let (sender, receiver) = (UserId(id(0xb0)), UserId(id(0xa0)));
    assert_eq!(record.message.conversation, ConversationId::direct(sender, receiver));
    assert_eq!((record.message.sender, record.origin), (sender, Origin::Request));
    assert_eq!(record.members, [receiver, sender]);
    assert_eq!((record.message.text.as_str(), record.message.picture), ("hello", None));
    assert_eq!(record.message.created_at, Timestamp::from_millis(1_700_000_000_007));
    assert_eq!(record.message.id.to_string(), "6553f1003540bdf4a32c1bb5");
}

#[test]
fn an_original_record_has_one_id_per_place() {
    let original = Some(golden!("original").as_bytes());
    let id_at = |partition, offset| {
        let source = Source { position: Position { partition, offset }, ..PLACE };
        read(original, &source).unwrap().message.id
    };
    assert_eq!(id_at(3, 41), id_at(3, 41));
    assert_ne!(id_at(3, 41), id_at(3, 42));
    assert_ne!(id_at(3, 41), id_at(4, 41));
}

#[test]
fn an_original_record_without_a_time_has_kafkas() {
    let record = read(Some(golden!("original_sparse").as_bytes()), &PLACE).unwrap();
    assert_eq!(Some(record.message.created_at), PLACE.appended_at);
    assert_eq!(record.message.text, "");
    assert_eq!(record.message.picture, Some(Picture::External("https://example.org/p.png".into())));
}

#[test]
fn records_of_other_producers_are_read_as_the_original_would() {
    let (sender, receiver) = (UserId(id(0xb0)), UserId(id(0xa0)));
    let at = |timestamp: &str| {
        let text = format!(
            r#"{{"senderId":"{sender}","receiverId":"{receiver}","text":"hello","timestamp":{timestamp}}}"#
        );
        read(Some(text.as_bytes()), &PLACE).map(|record| record.message.created_at.as_millis())
    };
    for same in [
        "1700000000007",
        "1700000000007.25",
        "1.700000000007e12",
        "\"1700000000007\"",
        "\" 1700000000007 \"",
        "\"2023-11-14T22:13:20.007Z\"",
        "\"2023-11-14T23:13:20.007+01:00\"",
        r#"{"$date":"2023-11-14T22:13:20.007Z"}"#,
        r#"{"$date":{"$numberLong":"1700000000007"}}"#,
        r#"{"$numberLong":"1700000000007"}"#,
    ] {
        assert_eq!(at(same), Ok(1_700_000_000_007), "{same}");
    }
    assert_eq!(at("-5"), Ok(0));
    let kafkas = PLACE.appended_at.unwrap().as_millis();
    for unread in
        ["true", "\"yesterday\"", "\"\"", "[]", "{}", "\"NaN\"", "\"inf\"", "1e300", r#"{"$date":[5]}"#]
    {
        assert_eq!(at(unread), Ok(kafkas), "{unread}");
    }
    let extended = format!(
        r#"{{"senderId":{{"$oid":"{sender}"}},"receiverId":{{"$oid":"{receiver}"}},"text":"hello"}}"#
    );
    let marked = ["\u{feff}".as_bytes(), extended.as_bytes()].concat();
    let record = read(Some(&marked), &PLACE).unwrap();
    assert_eq!((record.message.sender, record.members), (sender, vec![receiver, sender]));
}

#[test]
fn what_cannot_be_read_says_why_without_its_content() {
    let reason = |text: &str| read(Some(text.as_bytes()), &PLACE).unwrap_err();
    assert_eq!(read(None, &PLACE).unwrap_err(), "there is no value");
    assert_eq!(
        reason(golden!("newer")),
        "written by a newer Sockeye: record version 2, this one reads up to 1"
    );
    assert_eq!(
        reason(&text(&direct(), None).replace("\"v\":1", "\"v\":0")),
        "record version 0 was never written"
    );
    assert_eq!(
        reason(r#"{"senderId":"b0b0b0b0b0b0b0b0b0b0b0b0","text":"secret"}"#),
        "there is no receiverId"
    );
    assert_eq!(reason(r#"{"senderId":"secret"}"#), "senderId is not an id");
    for hopeless in
        ["", "secret", "[\"secret\"]", "{\"text\": secret", r#"{"sockeye":{"v":1},"text":"secret"}"#]
    {
        let reason = reason(hopeless);
        assert!(!reason.contains("secret"), "{reason}");
    }
}

fn ids() -> impl Strategy<Value = ObjectId> {
    any::<[u8; 12]>().prop_map(ObjectId)
}

prop_compose! {
    fn records()(
        (message, sender, peer, group) in (ids(), ids(), ids(), proptest::option::of(ids())),
        text in ".*",
        picture in proptest::option::of("[a-z:/.]{1,30}".prop_map(Picture::External)),
        stored in proptest::option::of(any::<[u8; 16]>()),
        (millis, client_id) in (any::<u64>(), proptest::option::of(".{0,40}")),
        members in proptest::collection::vec(ids().prop_map(UserId), 0..5),
        device in proptest::option::of(ids()),
    ) -> Record {
        let sender = UserId(sender);
        Record {
            message: Message {
                id: MessageId(message),
                conversation: group.map_or_else(
                    || ConversationId::direct(sender, UserId(peer)),
                    |group| ConversationId::Group(GroupId(group)),
                ),
                sender,
                text,
                picture: stored.map(|name| Picture::Stored(MediaId::new(name, ImageKind::Png))).or(picture),
                created_at: Timestamp::from_millis(millis),
                client_id,
            },
            members,
            origin: device.map_or(Origin::Request, |device| Origin::Device(DeviceId(device))),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in records(), public in any::<bool>()) {
        let bytes = write(&record, public.then_some("https://chat.example.org")).unwrap();
        prop_assert!(read(Some(&bytes), &PLACE) == Ok(record));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        let _ = read(Some(&bytes), &PLACE);
    }
}
