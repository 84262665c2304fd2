//! Records that the original backend wrote (contract `direct-v1`, section 8): five fields, no key, no id.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sockeye_core::{
    conversation::Conversation,
    id::{MessageId, ObjectId, UserId},
    media::Picture,
    message::{Message, Origin, Record},
    time::Timestamp,
};

use super::Source;

/// Fields that are not known are ignored, and a time that cannot be read counts as none: the original drops it. The message's id follows from its place in the log, so that every reader gives it
/// the same one.
pub(super) fn read(fields: &Map<String, Value>, source: &Source<'_>) -> Result<Record, String> {
    let (sender, receiver) = (user(fields, "senderId")?, user(fields, "receiverId")?);
    let conversation = Conversation::direct(sender, receiver);
    let created_at = time(fields, source)?;
    Ok(Record {
        message: Message {
            id: id(source, created_at),
            conversation: conversation.id,
            sender,
            text: text(fields, "text")?.unwrap_or_default().to_owned(),
            picture: text(fields, "image")?.and_then(Picture::parse),
            created_at,
            client_id: None,
        },
        members: conversation.members,
        origin: Origin::Request,
    })
}

/// Hexadecimal digits, or those in MongoDB's extended JSON.
fn user(fields: &Map<String, Value>, name: &str) -> Result<UserId, String> {
    let text = match fields.get(name).and_then(|value| value.get("$oid")) {
        Some(Value::String(digits)) => digits,
        _ => text(fields, name)?.ok_or_else(|| format!("there is no {name}"))?,
    };
    text.parse().map_err(|_| format!("{name} is not an id"))
}

/// Absent and null are the same: JavaScript leaves out what is undefined.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a text")),
    }
}

fn time(fields: &Map<String, Value>, source: &Source<'_>) -> Result<Timestamp, String> {
    let said = fields.get("timestamp").and_then(time_in);
    said.or(source.appended_at)
        .ok_or_else(|| "there is no timestamp that can be read, and Kafka has none".into())
}

/// Milliseconds since 1970 as a number or a text, an RFC 3339 text, or one of these as extended JSON has it. What is
/// before 1970 is its beginning.
fn time_in(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => number.as_f64().and_then(millis),
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => millis(number),
            Err(_) => {
                let at = mongodb::bson::DateTime::parse_rfc3339_str(text.trim()).ok()?;
                Some(Timestamp::from_millis(u64::try_from(at.timestamp_millis()).unwrap_or(0)))
            }
        },
        // One within the other: `{"$date": {"$numberLong": "1700000000007"}}`. No deeper than JSON is read.
        Value::Object(fields) => ["$date", "$numberLong", "$numberDouble"]
            .into_iter()
            .find_map(|name| fields.get(name))
            .and_then(time_in),
        _ => None,
    }
}

/// `None` for what is no time of this world: infinite, or beyond the year 9999.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and a bound that both types have room for"
)]
fn millis(number: f64) -> Option<Timestamp> {
    const MILLIS_MAX: f64 = 253_402_300_799_999.0;
    (number <= MILLIS_MAX).then(|| Timestamp::from_millis(number.max(0.0) as u64))
}

/// An ObjectId like others: four bytes of the time in seconds, then eight of a hash of the place.
fn id(source: &Source<'_>, created_at: Timestamp) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(source.topic);
    hash.update([0]);
    hash.update(source.position.partition.to_be_bytes());
    hash.update(source.position.offset.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0u8; 12];
    bytes[..4].copy_from_slice(&(created_at.as_millis() / 1000).to_be_bytes()[4..]);
    bytes[4..].copy_from_slice(&digest[..8]);
    MessageId(ObjectId(bytes))
}
