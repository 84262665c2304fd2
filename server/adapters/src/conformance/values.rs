//! Values for checks, named by small numbers.

use sockeye_core::{
    conversation::{Conversation, ConversationId},
    id::{DeviceId, GroupId, MessageId, ObjectId, UserId},
    message::{Entry, Message, Origin, Record},
    position::Position,
    time::Timestamp,
    user::User,
};

/// An id whose order is that of its number.
pub fn object_id(kind: u8, number: u64) -> ObjectId {
    let mut bytes = [kind; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    ObjectId(bytes)
}

pub fn user_id(number: u64) -> UserId {
    UserId(object_id(1, number))
}

pub fn device_id(number: u64) -> DeviceId {
    DeviceId(object_id(2, number))
}

pub fn message_id(number: u64) -> MessageId {
    MessageId(object_id(3, number))
}

pub fn group_id(number: u64) -> GroupId {
    GroupId(object_id(4, number))
}

pub fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000).plus_millis(millis)
}

pub fn user(number: u64) -> User {
    User {
        id: user_id(number),
        email: format!("user{number}@example.org"),
        name: format!("User {number}"),
        password_hash: format!("hash of {number}"),
        picture: None,
        bio: String::new(),
        created_at: time(number),
        updated_at: time(number),
        sessions_ended_through: None,
    }
}

/// Message `number`, from user `from` to user `to`.
pub fn record(number: u64, from: u64, to: u64) -> Record {
    let conversation = Conversation::direct(user_id(from), user_id(to));
    record_in(number, from, conversation)
}

/// Message `number`, from user `from` to group `group` with these members.
pub fn group_record(number: u64, from: u64, group: u64, members: &[u64]) -> Record {
    let members = members.iter().map(|&member| user_id(member)).collect();
    record_in(number, from, Conversation { id: ConversationId::Group(group_id(group)), members })
}

fn record_in(number: u64, from: u64, conversation: Conversation) -> Record {
    Record {
        message: Message {
            id: message_id(number),
            conversation: conversation.id,
            sender: user_id(from),
            text: format!("message {number}"),
            picture: None,
            created_at: time(number),
            client_id: None,
        },
        members: conversation.members,
        origin: Origin::Device(device_id(from)),
    }
}

pub fn at(partition: u32, offset: u64, record: Record) -> Entry {
    Entry { position: Position { partition, offset }, record }
}
