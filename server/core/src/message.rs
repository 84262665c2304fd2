//! Messages, and the log's record of them.

use serde::{Deserialize, Serialize};

use crate::{
    conversation::ConversationId,
    id::{DeviceId, MessageId, UserId},
    media::Picture,
    position::Position,
    time::Timestamp,
};

/// One message, as accepted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub sender: UserId,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// When the gateway accepted it, not when it was stored.
    pub created_at: Timestamp,
    /// The sender's own name for it (bounded by the rules), when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

impl std::fmt::Debug for Message {
    /// Without the text: message bodies stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("conversation", &self.conversation)
            .finish_non_exhaustive()
    }
}

/// Where a message entered, which decides which of the sender's own devices are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A device's connection: its acknowledgement is its copy; the sender's other devices are told.
    Device(DeviceId),
    /// An HTTP request. Which device made it is unknown, so no device of the sender is told: the page that asked would
    /// show the message twice (contract direct-v1, `POST /api/messages/send/:id`).
    Request,
}

/// What the log holds for one message: all that dispatch and store need, with no look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub message: Message,
    /// The members of the conversation when the message was accepted, the sender included.
    pub members: Vec<UserId>,
    pub origin: Origin,
}

impl Record {
    /// Whether `device` of `user` is to be told: members other than the sender always, the sender's devices except the
    /// one it came from.
    pub fn concerns(&self, user: UserId, device: DeviceId) -> bool {
        if user != self.message.sender {
            return self.members.contains(&user);
        }
        match self.origin {
            Origin::Device(origin) => origin != device,
            Origin::Request => false,
        }
    }
}

/// A record at its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub position: Position,
    pub record: Record,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    fn record(origin: Origin) -> Record {
        let (a, b) = (UserId(ObjectId([1; 12])), UserId(ObjectId([2; 12])));
        Record {
            message: Message {
                id: MessageId(ObjectId([9; 12])),
                conversation: ConversationId::direct(a, b),
                sender: a,
                text: "hello".into(),
                picture: None,
                created_at: Timestamp::from_millis(1),
                client_id: None,
            },
            members: vec![a, b],
            origin,
        }
    }

    #[test]
    fn the_calling_device_is_not_told_but_the_senders_others_are() {
        let (here, there) = (DeviceId(ObjectId([7; 12])), DeviceId(ObjectId([8; 12])));
        let sent = record(Origin::Device(here));
        let [a, b] = sent.members[..] else { unreachable!("two members were given") };
        assert!(!sent.concerns(a, here));
        assert!(sent.concerns(a, there));
        assert!(sent.concerns(b, here));
        assert!(!sent.concerns(UserId(ObjectId([3; 12])), there));
    }

    #[test]
    fn a_message_by_request_is_not_echoed_to_its_sender() {
        let sent = record(Origin::Request);
        assert!(!sent.concerns(sent.members[0], DeviceId(ObjectId([7; 12]))));
        assert!(sent.concerns(sent.members[1], DeviceId(ObjectId([7; 12]))));
    }

    #[test]
    fn message_bodies_stay_out_of_debug_output() {
        assert!(!format!("{:?}", record(Origin::Request)).contains("hello"));
    }
}
