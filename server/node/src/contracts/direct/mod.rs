//! Contract `direct`: one-to-one chat, everything over REST, the socket for presence and incoming messages only
//! (docs/contracts/direct.md). Serves its successor "Chatify" too.

mod auth;
mod errors;
mod events;
mod messages;
#[cfg(test)]
mod tests;
mod viewer;
mod wire;

use std::collections::HashMap;

use async_trait::async_trait;
use axum::Router;
use serde_json::Value;
use sockeye_core::{ChatError, id::UserId, message::Message};

use crate::gateway::{
    Gateway,
    contract::{Caller, Claim, ClientEvent, Contract, Handled, OutEvent, Profile, Refused},
    http::api::under_api,
};

const ROUTES: &[(&str, &str)] = &[
    ("POST", "/api/auth/signup"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/logout-all"),
    ("PUT", "/api/auth/update-profile"),
    ("GET", "/api/auth/check"),
    ("GET", "/api/messages/users"),
    ("GET", "/api/messages/contacts"),
    ("GET", "/api/messages/chats"),
    ("GET", "/api/messages/{id}"),
    ("POST", "/api/messages/send/{id}"),
];

#[derive(Debug, Clone, Copy, Default)]
pub struct Direct;

impl Direct {
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Contract for Direct {
    fn profile(&self) -> Profile {
        Profile {
            name: "direct",
            cookie: "jwt",
            user_claim: "userId",
            allow_eio3: false,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            routes: ROUTES,
            client_events: &[],
            server_events: &["getOnlineUsers", "newMessage"],
        }
    }

    fn routes(&self, gateway: Gateway) -> Router {
        let routes =
            Router::new().nest("/auth", auth::routes(&gateway)).nest("/messages", messages::routes(&gateway));
        under_api(routes)
    }

    fn claimed_user(&self, query: &HashMap<String, String>) -> Claim {
        events::claimed_user(query)
    }

    fn refusal(&self, reason: &Refused) -> String {
        errors::refusal(*reason).to_owned()
    }

    fn online(&self, users: &[UserId]) -> OutEvent {
        events::online(users)
    }

    fn message(&self, message: &Message, _viewer: UserId, base_url: &str) -> OutEvent {
        events::message(message, base_url)
    }

    async fn handle(&self, _caller: &Caller<'_>, event: ClientEvent) -> Handled {
        Handled { answer: events::unknown(&event), unavailable: false }
    }

    fn event_refused(&self, error: &ChatError) -> Vec<Value> {
        events::refused(error)
    }
}
