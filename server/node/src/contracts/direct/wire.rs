//! The JSON shapes.

use serde::Serialize;
use sockeye_core::{
    id::{MessageId, UserId},
    media::Picture,
    message::Message,
    user::User,
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

/// A user as kept, without the password.
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
