//! The socket's vocabulary: `getOnlineUsers` and `newMessage` out, nothing in.

use std::collections::HashMap;

use serde_json::{Value, json};
use sockeye_core::{ChatError, id::UserId, message::Message};

use super::wire::MessageDocument;
use crate::gateway::contract::{Claim, ClientEvent, OutEvent};

/// The base frontend says `?userId=`, Chatify's nothing.
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
    OutEvent { name: "newMessage", args: vec![json!(MessageDocument::of(message, base_url))] }
}

/// This contract's clients send no events; whoever does and waits for an answer gets one.
pub fn unknown(event: &ClientEvent) -> Vec<Value> {
    tracing::debug!(args = event.args.len(), "event of no meaning");
    acknowledged("no_such_event", "There is no such event")
}

pub fn refused(error: &ChatError) -> Vec<Value> {
    acknowledged(error.code(), &error.to_string())
}

fn acknowledged(code: &str, message: &str) -> Vec<Value> {
    vec![json!({ "status": "error", "code": code, "message": message })]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_claims_nobody_somebody_or_nothing() {
        let claim = |id: &str| claimed_user(&HashMap::from([("userId".to_owned(), id.to_owned())]));
        let id = "0123456789abcdef01234567";
        assert_eq!(claim(id), Claim::User(id.parse().unwrap()));
        for junk in ["undefined", "null", "", "0123456789abcdef0123456", "' or 1"] {
            assert_eq!(claim(junk), Claim::Nobody, "{junk}");
        }
        assert_eq!(claimed_user(&HashMap::new()), Claim::None);
    }

    #[test]
    fn whoever_asks_for_an_acknowledgement_gets_one() {
        let event = ClientEvent { name: "typing".into(), args: vec![json!({})] };
        assert_eq!(unknown(&event)[0]["status"], "error");
        let limited = refused(&ChatError::TooMany { retry_after_ms: 1 });
        assert_eq!(
            limited,
            [json!({ "status": "error", "code": "too_many_requests", "message": "too many requests" })]
        );
    }

    #[test]
    fn who_is_online_is_one_list() {
        let id = "0123456789abcdef01234567";
        let event = online(&[id.parse().unwrap()]);
        assert_eq!((event.name, event.args), ("getOnlineUsers", vec![json!([id])]));
    }
}
