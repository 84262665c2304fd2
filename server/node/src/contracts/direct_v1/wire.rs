//! The JSON shapes. Every user also has `profilePic`, which the frontend's sidebar and bubbles read and the original
//! never sends.

use serde::Serialize;
use sockeye_core::{
    id::{MessageId, UserId},
    media::Picture,
    message::Message,
    time::Timestamp,
    user::{self, User},
};

use crate::gateway::http::date::Date;

/// Around a user: the frontend reads `body.user`. `token` is a secret: no `Debug`.
#[derive(Serialize)]
pub struct UserAnswer<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
    pub user: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<&'a str>,
}

/// Around messages and people: the frontend reads `body.data`.
#[derive(Debug, Serialize)]
pub struct DataAnswer<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
    pub data: T,
}

/// The user in the answer to sign-up and log-in.
#[derive(Debug, Serialize)]
pub struct Account<'a> {
    #[serde(rename = "_id")]
    id: UserId,
    email: &'a str,
    full_name: &'a str,
    profile_picture: String,
    bio: &'a str,
    #[serde(rename = "profilePic")]
    profile_pic: String,
}

/// One of the list of people, as others see them.
#[derive(Debug, Serialize)]
pub struct Person<'a> {
    #[serde(rename = "_id")]
    id: UserId,
    email: &'a str,
    full_name: &'a str,
    profile_picture: String,
    bio: &'a str,
    o_auth_provider: &'static str,
    o_auth_id: &'static str,
    #[serde(rename = "profilePic")]
    profile_pic: String,
}

/// A user as kept, without the password.
#[derive(Debug, Serialize)]
pub struct UserDocument<'a> {
    #[serde(rename = "_id")]
    id: UserId,
    email: &'a str,
    full_name: &'a str,
    profile_picture: String,
    bio: &'a str,
    o_auth_provider: &'static str,
    o_auth_id: &'static str,
    #[serde(rename = "createdAt")]
    created_at: Date,
    #[serde(rename = "updatedAt")]
    updated_at: Date,
    #[serde(rename = "__v")]
    version: u8,
    #[serde(rename = "profilePic")]
    profile_pic: String,
}

/// A message. `image` is an empty text when there is none, wherever the message is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageDocument<'a> {
    #[serde(rename = "_id")]
    id: MessageId,
    sender_id: UserId,
    receiver_id: UserId,
    text: &'a str,
    image: String,
    created_at: Date,
    updated_at: Date,
    #[serde(rename = "__v")]
    version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

/// A message as the socket brings it: milliseconds since 1970 in `timestamp` beside everything else.
#[derive(Debug, Serialize)]
pub struct SocketMessage<'a> {
    #[serde(flatten)]
    message: MessageDocument<'a>,
    timestamp: Timestamp,
}

/// Accounts are made here; nobody signs in through another site.
const PROVIDER: &str = "local";

impl<'a> Account<'a> {
    pub fn of(user: &'a User, base_url: &str) -> Self {
        let picture = picture(user.picture.as_ref(), base_url);
        Self {
            id: user.id,
            email: &user.email,
            full_name: &user.name,
            profile_picture: picture.clone(),
            bio: &user.bio,
            profile_pic: picture,
        }
    }
}

impl<'a> Person<'a> {
    pub fn of(person: &'a user::Person, base_url: &str) -> Self {
        let picture = picture(person.picture.as_ref(), base_url);
        Self {
            id: person.id,
            email: &person.email,
            full_name: &person.name,
            profile_picture: picture.clone(),
            bio: &person.bio,
            o_auth_provider: PROVIDER,
            o_auth_id: "",
            profile_pic: picture,
        }
    }
}

impl<'a> UserDocument<'a> {
    pub fn of(user: &'a User, base_url: &str) -> Self {
        let Account { id, email, full_name, profile_picture, bio, profile_pic } = Account::of(user, base_url);
        Self {
            id,
            email,
            full_name,
            profile_picture,
            bio,
            o_auth_provider: PROVIDER,
            o_auth_id: "",
            created_at: Date(user.created_at),
            updated_at: Date(user.updated_at),
            version: 0,
            profile_pic,
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
            image: message.picture.as_ref().map(|picture| picture.url(base_url)).unwrap_or_default(),
            created_at: Date(message.created_at),
            updated_at: Date(message.created_at),
            version: 0,
            client_id: message.client_id.as_deref(),
        }
    }
}

impl<'a> SocketMessage<'a> {
    pub fn of(message: &'a Message, base_url: &str) -> Self {
        Self { message: MessageDocument::of(message, base_url), timestamp: message.created_at }
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
    };

    use super::*;

    fn user() -> User {
        User {
            id: UserId(ObjectId([0xa1; 12])),
            email: "a@b.co".into(),
            name: "A".into(),
            password_hash: "$2b$secret".into(),
            picture: Some(Picture::External("https://pictures.test/a.png".into())),
            bio: "hi".into(),
            created_at: Timestamp::from_millis(1_700_000_000_000),
            updated_at: Timestamp::from_millis(1_700_000_000_001),
            sessions_ended_through: None,
        }
    }

    #[test]
    fn a_user_is_shown_in_the_originals_fields_and_order_without_the_password() {
        let head = r#""_id":"a1a1a1a1a1a1a1a1a1a1a1a1","email":"a@b.co","full_name":"A","profile_picture":"https://pictures.test/a.png","bio":"hi""#;
        let provider = r#""o_auth_provider":"local","o_auth_id":"""#;
        let dates =
            r#""createdAt":"2023-11-14T22:13:20.000Z","updatedAt":"2023-11-14T22:13:20.001Z","__v":0"#;
        let tail = r#""profilePic":"https://pictures.test/a.png""#;
        let user = user();
        assert_eq!(to_string(&Account::of(&user, "")).unwrap(), format!("{{{head},{tail}}}"));
        let person = user::Person {
            id: user.id,
            name: user.name.clone(),
            picture: user.picture.clone(),
            bio: user.bio.clone(),
            email: String::new(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        };
        let seen = head.replace("a@b.co", "");
        assert_eq!(to_string(&Person::of(&person, "")).unwrap(), format!("{{{seen},{provider},{tail}}}"));
        assert_eq!(
            to_string(&UserDocument::of(&user, "")).unwrap(),
            format!("{{{head},{provider},{dates},{tail}}}")
        );
    }

    #[test]
    fn no_picture_is_an_empty_text() {
        let shown = serde_json::to_value(Account::of(&User { picture: None, ..user() }, "")).unwrap();
        assert_eq!((&shown["profile_picture"], &shown["profilePic"]), (&"".into(), &"".into()));
    }

    #[test]
    fn a_message_on_the_socket_is_the_rest_one_and_its_timestamp() {
        let (one, other) = (UserId(ObjectId([0xa1; 12])), UserId(ObjectId([0xb2; 12])));
        let mut message = Message {
            id: MessageId(ObjectId([0xc3; 12])),
            conversation: ConversationId::direct(one, other),
            sender: other,
            text: "hello".into(),
            picture: None,
            created_at: Timestamp::from_millis(1_700_000_000_000),
            client_id: None,
        };
        let rest = to_string(&MessageDocument::of(&message, "http://h:1")).unwrap();
        assert_eq!(
            rest,
            r#"{"_id":"c3c3c3c3c3c3c3c3c3c3c3c3","senderId":"b2b2b2b2b2b2b2b2b2b2b2b2","receiverId":"a1a1a1a1a1a1a1a1a1a1a1a1","text":"hello","image":"","createdAt":"2023-11-14T22:13:20.000Z","updatedAt":"2023-11-14T22:13:20.000Z","__v":0}"#
        );
        let socket = to_string(&SocketMessage::of(&message, "http://h:1")).unwrap();
        assert_eq!(socket, rest.replace("\"__v\":0", "\"__v\":0,\"timestamp\":1700000000000"));
        let id = MediaId::new([0; 16], ImageKind::Png);
        message.picture = Some(Picture::Stored(id));
        message.client_id = Some("mine".into());
        let shown = serde_json::to_value(SocketMessage::of(&message, "http://h:1")).unwrap();
        assert_eq!(shown["image"], format!("http://h:1/media/{id}"));
        assert_eq!(shown["clientId"], "mine");
    }
}
