//! The JSON shapes.

use serde::Serialize;
use sockeye_core::{
    id::{MessageId, UserId},
    media::Picture,
    message::Message,
    user::{Person, User},
};

use crate::gateway::http::date::Date;

/// The answer to sign-up and log-in. `createdAt` is more than the original sends: the profile page shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account<'a> {
    #[serde(rename = "_id")]
    id: UserId,
    full_name: &'a str,
    email: &'a str,
    profile_pic: String,
    created_at: Date,
}

/// A user as kept, without the password: the viewer, or somebody else as others see them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserDocument<'a> {
    #[serde(rename = "_id")]
    id: UserId,
    email: &'a str,
    full_name: &'a str,
    profile_pic: String,
    created_at: Date,
    updated_at: Date,
    #[serde(rename = "__v")]
    version: u8,
}

/// A message, the same over REST and socket.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageDocument<'a> {
    #[serde(rename = "_id")]
    id: MessageId,
    sender_id: UserId,
    receiver_id: UserId,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    created_at: Date,
    updated_at: Date,
    #[serde(rename = "__v")]
    version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

impl<'a> Account<'a> {
    pub fn of(user: &'a User, base_url: &str) -> Self {
        Self {
            id: user.id,
            full_name: &user.name,
            email: &user.email,
            profile_pic: picture(user.picture.as_ref(), base_url),
            created_at: Date(user.created_at),
        }
    }
}

impl<'a> UserDocument<'a> {
    pub fn of(user: &'a User, base_url: &str) -> Self {
        Self {
            id: user.id,
            email: &user.email,
            full_name: &user.name,
            profile_pic: picture(user.picture.as_ref(), base_url),
            created_at: Date(user.created_at),
            updated_at: Date(user.updated_at),
            version: 0,
        }
    }

    pub fn of_another(person: &'a Person, base_url: &str) -> Self {
        Self {
            id: person.id,
            email: &person.email,
            full_name: &person.name,
            profile_pic: picture(person.picture.as_ref(), base_url),
            created_at: Date(person.created_at),
            updated_at: Date(person.updated_at),
            version: 0,
        }
    }
}

impl<'a> MessageDocument<'a> {
    pub fn of(message: &'a Message, base_url: &str) -> Self {
        // All conversations of this contract are direct, so there always is a peer.
        let receiver_id = message.conversation.peer_of(message.sender).unwrap_or(message.sender);
        Self {
            id: message.id,
            sender_id: message.sender,
            receiver_id,
            text: &message.text,
            image: message.picture.as_ref().map(|picture| picture.url(base_url)),
            created_at: Date(message.created_at),
            updated_at: Date(message.created_at),
            version: 0,
            client_id: message.client_id.as_deref(),
        }
    }
}

fn picture(picture: Option<&Picture>, base_url: &str) -> String {
    picture.map(|picture| picture.url(base_url)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::to_string;
    use sockeye_core::{
        conversation::ConversationId,
        id::ObjectId,
        media::{ImageKind, MediaId},
        time::Timestamp,
    };

    use super::*;

    fn user(picture: Option<Picture>) -> User {
        User {
            id: UserId(ObjectId([0xa1; 12])),
            email: "a@b.co".into(),
            name: "A".into(),
            password_hash: "$2b$secret".into(),
            picture,
            bio: "unseen".into(),
            created_at: Timestamp::from_millis(1_700_000_000_000),
            updated_at: Timestamp::from_millis(1_700_000_000_001),
            sessions_ended_through: None,
        }
    }

    #[test]
    fn a_user_is_shown_in_the_originals_fields_and_order_without_the_password() {
        assert_eq!(
            to_string(&Account::of(&user(None), "http://h:1")).unwrap(),
            r#"{"_id":"a1a1a1a1a1a1a1a1a1a1a1a1","fullName":"A","email":"a@b.co","profilePic":"","createdAt":"2023-11-14T22:13:20.000Z"}"#
        );
        let picture = Picture::External("https://pictures.test/a.png".into());
        assert_eq!(
            to_string(&UserDocument::of(&user(Some(picture)), "http://h:1")).unwrap(),
            r#"{"_id":"a1a1a1a1a1a1a1a1a1a1a1a1","email":"a@b.co","fullName":"A","profilePic":"https://pictures.test/a.png","createdAt":"2023-11-14T22:13:20.000Z","updatedAt":"2023-11-14T22:13:20.001Z","__v":0}"#
        );
    }

    #[test]
    fn a_message_has_an_absolute_image_or_none() {
        let (one, other) = (UserId(ObjectId([0xa1; 12])), UserId(ObjectId([0xb2; 12])));
        let mut message = Message {
            id: MessageId(ObjectId([0xc3; 12])),
            conversation: ConversationId::direct(one, other),
            sender: other,
            text: String::new(),
            picture: None,
            created_at: Timestamp::from_millis(1_700_000_000_000),
            client_id: None,
        };
        assert_eq!(
            to_string(&MessageDocument::of(&message, "http://h:1")).unwrap(),
            r#"{"_id":"c3c3c3c3c3c3c3c3c3c3c3c3","senderId":"b2b2b2b2b2b2b2b2b2b2b2b2","receiverId":"a1a1a1a1a1a1a1a1a1a1a1a1","text":"","createdAt":"2023-11-14T22:13:20.000Z","updatedAt":"2023-11-14T22:13:20.000Z","__v":0}"#
        );
        let id = MediaId::new([0; 16], ImageKind::Png);
        message.picture = Some(Picture::Stored(id));
        message.client_id = Some("mine".into());
        let shown = serde_json::to_value(MessageDocument::of(&message, "http://h:1")).unwrap();
        assert_eq!(shown["image"], format!("http://h:1/media/{id}"));
        assert_eq!(shown["clientId"], "mine");
    }

    #[test]
    fn a_message_to_oneself_is_received_by_oneself() {
        let me = UserId(ObjectId([0xa1; 12]));
        let message = Message {
            id: MessageId(ObjectId([0xc3; 12])),
            conversation: ConversationId::direct(me, me),
            sender: me,
            text: "note".into(),
            picture: None,
            created_at: Timestamp::default(),
            client_id: None,
        };
        let shown = serde_json::to_value(MessageDocument::of(&message, "")).unwrap();
        assert_eq!(shown["senderId"], shown["receiverId"]);
    }
}
