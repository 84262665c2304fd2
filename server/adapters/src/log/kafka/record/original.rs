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

/// Fields that are not known are ignored. The message's id follows from its place in the log, so that every reader gives it
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

fn user(fields: &Map<String, Value>, name: &str) -> Result<UserId, String> {
    let text = text(fields, name)?.ok_or_else(|| format!("there is no {name}"))?;
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
    match fields.get("timestamp") {
        None | Some(Value::Null) => {
            source.appended_at.ok_or_else(|| "there is no timestamp, and Kafka has none".into())
        }
        Some(value) => {
            let millis = value.as_u64().ok_or("timestamp is not a number of milliseconds")?;
            Ok(Timestamp::from_millis(millis))
        }
    }
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
