//! Contract `direct-v1`: one-to-one chat, text over the socket with an acknowledgement, images over REST
//! (docs/contracts/direct-v1.md).

mod auth;
mod errors;
mod events;
mod messages;
#[cfg(test)]
mod tests;
mod validation;
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
    ("POST", "/api/v1/auth/signup"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/logout"),
    ("POST", "/api/v1/auth/logout-all"),
    ("GET", "/api/v1/auth/check-auth"),
    ("GET", "/api/v1/auth/get-user"),
    ("PUT", "/api/v1/auth/update-profile"),
    ("GET", "/api/messages/users"),
    ("GET", "/api/messages/{id}"),
    ("POST", "/api/messages/send/{id}"),
];

#[derive(Debug, Clone, Copy, Default)]
pub struct DirectV1;

impl DirectV1 {
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Contract for DirectV1 {
    fn profile(&self) -> Profile {
        Profile {
            name: "direct-v1",
            cookie: "token",
            user_claim: "userId",
            allow_eio3: true,
            ping_interval_ms: 5_000,
            ping_timeout_ms: 20_000,
            routes: ROUTES,
            client_events: &["sendMessage"],
            server_events: &["getOnlineUsers", "newMessage"],
        }
    }

    fn routes(&self, gateway: Gateway) -> Router {
        let routes = Router::new()
            .nest("/v1/auth", auth::routes(&gateway))
            .nest("/messages", messages::routes(&gateway));
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

    async fn handle(&self, caller: &Caller<'_>, event: ClientEvent) -> Handled {
        events::handle(caller, &event).await
    }

    fn event_refused(&self, error: &ChatError) -> Vec<Value> {
        vec![events::refused(error)]
    }
}
