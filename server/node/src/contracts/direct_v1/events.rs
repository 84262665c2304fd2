//! The socket's vocabulary: `sendMessage` in, `getOnlineUsers` and `newMessage` out.

use std::collections::HashMap;

use serde_json::{Value, json};
use sockeye_core::{
    ChatError,
    id::UserId,
    message::{Message, Origin},
};

use super::{
    errors::Fault,
    messages::{MESSAGE, deliver},
    wire::SocketMessage,
};
use crate::gateway::{
    Fields,
    contract::{Caller, Claim, ClientEvent, Handled, OutEvent},
    reply,
};

pub fn claimed_user(query: &HashMap<String, String>) -> Claim {
    match query.get("userId").map(|id| id.parse()) {
        None => Claim::None,
        Some(Ok(user)) => Claim::User(user),
        // `undefined`, from a page that connects before it knows who it is.
        Some(Err(_)) => Claim::Nobody,
    }
}

pub fn online(users: &[UserId]) -> OutEvent {
    OutEvent { name: "getOnlineUsers", args: vec![json!(users)] }
}

pub fn message(message: &Message, base_url: &str) -> OutEvent {
    OutEvent { name: "newMessage", args: vec![json!(SocketMessage::of(message, base_url))] }
}

/// The acknowledgement of an event. There always is one: without it the frontend forgets the text and says nothing.
pub async fn handle(caller: &Caller<'_>, event: &ClientEvent) -> Handled {
    let mut unavailable = false;
    let answer = match event.name.as_str() {
        "sendMessage" => match send_message(caller, event).await {
            Ok(message) => {
                json!({ "status": "ok", "message": SocketMessage::of(&message, caller.base_url) })
            }
            Err(fault) => {
                unavailable = matches!(fault.error, ChatError::Unavailable { .. });
                failed(&fault)
            }
        },
        _ => acknowledged("no_such_event", "There is no such event"),
    };
    Handled { answer: vec![answer], unavailable }
}

pub fn refused(error: &ChatError) -> Value {
    acknowledged(error.code(), &error.to_string())
}

/// `{to, text, image: null, clientId?}`.
async fn send_message(caller: &Caller<'_>, event: &ClientEvent) -> Result<Message, Fault> {
    let payload = event.args.first().and_then(Value::as_object).ok_or_else(malformed)?;
    let to = payload.get("to").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let to = to.ok_or_else(malformed)?;
    deliver(caller.chat, caller.user, to, &Fields::of(payload, MESSAGE), Origin::Device(caller.device)).await
}

fn malformed() -> Fault {
    ChatError::invalid("bad_request", "Bad Request").into()
}

fn failed(fault: &Fault) -> Value {
    reply::log_failure(&fault.error);
    match &fault.error {
        ChatError::Unavailable { .. } => acknowledged(fault.error.code(), fault.unavailable),
        error => refused(error),
    }
}

fn acknowledged(code: &str, message: &str) -> Value {
    json!({ "status": "error", "code": code, "message": message })
}
