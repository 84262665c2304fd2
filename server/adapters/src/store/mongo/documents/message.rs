use mongodb::bson::{Bson, Document, doc};
use sockeye_core::{
    conversation::ConversationId,
    id::{DeviceId, GroupId, MessageId, ObjectId, UserId},
    message::{Entry, Message, Origin, Record},
    position::Position,
};

use super::{
    Pictures, date, id_from, long, number_from, oid, text_from, time_from, time_of_id, unsigned, user_oid,
};
use crate::store::mongo::{MongoSchema, order::Order};

/// As the original backend would have written it, and our sub-document. A group's message has neither `senderId` nor
/// `receiverId`, so that no query of an original backend finds it.
pub(in super::super) fn message_to(
    entry: &Entry,
    order: Order,
    log_name: &str,
    schema: MongoSchema,
    pictures: &Pictures,
) -> Document {
    let Entry { position, record: Record { message, members, origin } } = entry;
    let mut ours = doc! {
        "order": order.0,
        "log": log_name,
        "partition": i64::from(position.partition),
        "offset": long(position.offset),
        "members": members.iter().map(|&member| user_oid(member)).collect::<Vec<_>>(),
    };
    if let Origin::Device(device) = origin {
        ours.insert("device", oid(device.0));
    }
    if let Some(client_id) = &message.client_id {
        ours.insert("clientId", client_id);
    }
    let mut document = doc! { "_id": oid(message.id.0) };
    match message.conversation {
        ConversationId::Direct(one, other) => {
            let receiver = if message.sender == one { other } else { one };
            document.insert("senderId", user_oid(message.sender));
            document.insert("receiverId", user_oid(receiver));
        }
        ConversationId::Group(group) => {
            ours.insert("group", oid(group.0));
            ours.insert("sender", user_oid(message.sender));
        }
    }
    document.insert("text", &message.text);
    match (&message.picture, schema) {
        (Some(picture), _) => drop(document.insert("image", pictures.text(picture))),
        (None, MongoSchema::DirectV1) => drop(document.insert("image", "")),
        (None, MongoSchema::Direct) => {}
    }
    document.insert("createdAt", date(message.created_at));
    document.insert("updatedAt", date(message.created_at));
    document.insert("__v", 0);
    document.insert("sockeye", ours);
    document
}

/// A message with its place in the order of all messages.
#[derive(Debug)]
pub(in super::super) struct Placed {
    pub(in super::super) place: Place,
    pub(in super::super) message: Message,
}

/// Ours are in the order of the log; old ones in that of their times, then ids. Between both, times decide; at the same
/// millisecond the old one is first, and of old ones the undated.
///
/// The time of an undated one is the second in its id. It is not read from a text or number in `createdAt`, which no index
/// has in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Place {
    pub(in super::super) millis: i64,
    pub(in super::super) of: PlaceOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum PlaceOf {
    /// `createdAt` is no date, or missing. Imports and forks write such.
    Undated(ObjectId),
    Dated(ObjectId),
    Ours(Order),
}

pub(in super::super) fn place_of(document: &Document) -> Option<Place> {
    let id = id_from(document, "_id")?;
    if let Some(order) = ours(document).and_then(|ours| number_from(ours.get("order"))) {
        let order = Order(order);
        return Some(Place { millis: order.millis(), of: PlaceOf::Ours(order) });
    }
    Some(match document.get_datetime("createdAt") {
        Ok(at) => Place { millis: at.timestamp_millis(), of: PlaceOf::Dated(id) },
        Err(_) => Place { millis: long(time_of_id(id).as_millis()), of: PlaceOf::Undated(id) },
    })
}

pub(in super::super) fn placed_from(document: &Document, pictures: &Pictures) -> Option<Placed> {
    Some(Placed { place: place_of(document)?, message: message_from(document, pictures)? })
}

/// `None` when it is not known who wrote it to whom.
pub(in super::super) fn message_from(document: &Document, pictures: &Pictures) -> Option<Message> {
    let id = id_from(document, "_id")?;
    let Some((sender, conversation)) = conversation_of(document) else {
        tracing::debug!(%id, "skipped a message document without usable members");
        return None;
    };
    Some(Message {
        id: MessageId(id),
        conversation,
        sender,
        text: text_from(document, "text"),
        picture: pictures.read(document.get("image")),
        created_at: time_from(document, "createdAt").unwrap_or(time_of_id(id)),
        client_id: ours(document).and_then(|ours| ours.get_str("clientId").ok()).map(str::to_owned),
    })
}

/// `None` when it is not one of ours.
pub(in super::super) fn entry_from(document: &Document, pictures: &Pictures) -> Option<Entry> {
    let message = message_from(document, pictures)?;
    let ours = ours(document)?;
    let position = Position {
        partition: u32::try_from(number_from(ours.get("partition"))?).ok()?,
        offset: unsigned(number_from(ours.get("offset"))?),
    };
    let members = ours.get_array("members").ok()?.iter();
    let members = members.filter_map(Bson::as_object_id).map(|id| UserId(ObjectId(id.bytes()))).collect();
    let origin = id_from(ours, "device").map_or(Origin::Request, |device| Origin::Device(DeviceId(device)));
    Some(Entry { position, record: Record { message, members, origin } })
}

fn ours(document: &Document) -> Option<&Document> {
    document.get_document("sockeye").ok()
}

fn conversation_of(document: &Document) -> Option<(UserId, ConversationId)> {
    if let Some(group) = ours(document).and_then(|ours| id_from(ours, "group")) {
        let sender = ours(document).and_then(|ours| id_from(ours, "sender")).map(UserId)?;
        return Some((sender, ConversationId::Group(GroupId(group))));
    }
    let sender = id_from(document, "senderId").map(UserId)?;
    let receiver = id_from(document, "receiverId").map(UserId)?;
    Some((sender, ConversationId::direct(sender, receiver)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_core::time::Timestamp;

    #[test]
    fn times_decide_between_old_and_ours() {
        let old = |millis: i64, id: u8| {
            let id = mongodb::bson::oid::ObjectId::from_bytes([id; 12]);
            place_of(&doc! { "_id": id, "createdAt": mongodb::bson::DateTime::from_millis(millis) })
        };
        let ours = |millis: u64, nth: i64| {
            let order = Order::of_time(Timestamp::from_millis(millis)).0 + nth;
            place_of(&doc! { "_id": oid(ObjectId([1; 12])), "sockeye": { "order": order } })
        };
        let undated = |seconds: u8, created_at: Bson| {
            let id = mongodb::bson::oid::ObjectId::from_bytes([0, 0, 0, seconds, 0, 0, 0, 0, 0, 0, 0, 9]);
            place_of(&doc! { "_id": id, "createdAt": created_at })
        };
        let rising = [
            old(-5, 1),
            old(10, 1),
            old(10, 2),
            ours(10, 0),
            ours(10, 1),
            old(11, 1),
            ours(11, 0),
            undated(1, Bson::Null),
            old(1_000, 1),
            ours(1_000, 0),
            undated(2, "1970-01-01T00:00:00Z".into()),
            undated(3, 5.into()),
        ];
        assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
    }
}
