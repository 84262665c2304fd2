//! What a record looks like in Kafka: JSON that consumers of the original backend can read, and more for ourselves.
//!
//! The first five fields are those of contract `direct-v1` (section 8): ids as hexadecimal digits, `image` null or an
//! address, `timestamp` in milliseconds. `_id` and `createdAt` are for consumers; `sockeye` holds, under its version `v`,
//! what else is needed to get exactly our record back. Readers of one version refuse later ones; fields may be added
//! within a version as long as old readers may ignore them.

mod iso;
mod original;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sockeye_core::{
    conversation::ConversationId,
    id::{MessageId, ObjectId, UserId},
    media::Picture,
    message::{Message, Origin, Record},
    position::Position,
    time::Timestamp,
};

/// The version that is written, and the last one that is read.
const VERSION: u64 = 1;

/// Where bytes were found: the original backend's records do not say all of it themselves.
pub(super) struct Source<'a> {
    pub topic: &'a str,
    pub position: Position,
    /// Kafka's own time of the record.
    pub appended_at: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    sender_id: UserId,
    receiver_id: ObjectId,
    text: &'a str,
    image: Option<Cow<'a, str>>,
    timestamp: Timestamp,
    #[serde(rename = "_id")]
    id: MessageId,
    created_at: String,
    sockeye: Ours<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ours<'a> {
    v: u64,
    conversation: ConversationId,
    members: Cow<'a, [UserId]>,
    origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<Cow<'a, str>>,
    /// When `image` does not say it: a picture that we keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture: Option<Picture>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    sender_id: UserId,
    text: String,
    image: Option<String>,
    timestamp: Timestamp,
    #[serde(rename = "_id")]
    id: MessageId,
    sockeye: Ours<'static>,
}

/// `public_url`: the address under which consumers reach pictures we keep (no slash at the end); without it they get the
/// picture's name only.
pub(super) fn write(record: &Record, public_url: Option<&str>) -> Result<Vec<u8>, serde_json::Error> {
    let message = &record.message;
    let (image, picture) = match &message.picture {
        None => (None, None),
        Some(Picture::External(url)) => (Some(Cow::Borrowed(url.as_str())), None),
        Some(stored) => {
            let address = public_url.map_or_else(|| stored.to_string(), |base| stored.url(base));
            (Some(Cow::Owned(address)), Some(stored.clone()))
        }
    };
    serde_json::to_vec(&Written {
        sender_id: message.sender,
        receiver_id: receiver(message),
        text: &message.text,
        image,
        timestamp: message.created_at,
        id: message.id,
        created_at: iso::format(message.created_at),
        sockeye: Ours {
            v: VERSION,
            conversation: message.conversation,
            members: Cow::Borrowed(&record.members),
            origin: record.origin,
            client_id: message.client_id.as_deref().map(Cow::Borrowed),
            picture,
        },
    })
}

/// The record, or why there is none, without quoting the content.
pub(super) fn read(bytes: Option<&[u8]>, source: &Source<'_>) -> Result<Record, String> {
    let bytes = bytes.ok_or("there is no value")?;
    // Some producers begin texts with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice::<Read>(bytes) {
        Ok(read) if read.sockeye.v == VERSION => Ok(read.into()),
        Ok(read) => Err(wrong_version(read.sockeye.v)),
        Err(error) => read_other(bytes, source, &error),
    }
}

impl From<Read> for Record {
    fn from(read: Read) -> Self {
        let ours = read.sockeye;
        Self {
            message: Message {
                id: read.id,
                conversation: ours.conversation,
                sender: read.sender_id,
                text: read.text,
                picture: ours.picture.or_else(|| Picture::parse(&read.image?)),
                created_at: read.timestamp,
                client_id: ours.client_id.map(Cow::into_owned),
            },
            members: ours.members.into_owned(),
            origin: ours.origin,
        }
    }
}

/// Whom the original backend would name: the other person, or the group.
fn receiver(message: &Message) -> ObjectId {
    match message.conversation {
        ConversationId::Group(group) => group.0,
        ConversationId::Direct(_, other) => {
            message.conversation.peer_of(message.sender).map_or(other.0, |peer| peer.0)
        }
    }
}

/// What is not ours as we write it: the original backend's, a later version's, or nothing we know.
fn read_other(bytes: &[u8], source: &Source<'_>, error: &serde_json::Error) -> Result<Record, String> {
    // The serializer's own words may quote the message.
    let unknown = || format!("not a record ({:?} error in {} bytes)", error.classify(), bytes.len());
    let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else { return Err(unknown()) };
    match fields.get("sockeye") {
        None => original::read(&fields, source),
        Some(ours) => match ours.get("v").and_then(Value::as_u64) {
            Some(VERSION) => Err(format!("not a whole record of version {VERSION}: {}", unknown())),
            Some(v) => Err(wrong_version(v)),
            None => Err("a record without a version".into()),
        },
    }
}

fn wrong_version(v: u64) -> String {
    if v > VERSION {
        format!("written by a newer Sockeye: record version {v}, this one reads up to {VERSION}")
    } else {
        format!("record version {v} was never written")
    }
}

#[cfg(test)]
mod tests;
