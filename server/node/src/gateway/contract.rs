//! The seam between the gateway and a contract: one existing frontend's REST and event vocabulary over the core.
//!
//! A contract says how things are named and shaped; the gateway owns connections, proof of identity, order, limits and
//! delivery. Deleting a contract is deleting its folder and its line in `app.rs`.

use std::collections::HashMap;

use async_trait::async_trait;
use axum::Router;
use serde_json::Value;
use sockeye_core::{
    Chat, ChatError,
    id::{DeviceId, UserId},
    message::Message,
};

use super::Gateway;

/// The constants of a contract.
#[derive(Debug, Clone)]
pub struct Profile {
    /// As in `SOCKEYE_CONTRACT`.
    pub name: &'static str,
    /// The cookie that carries the token.
    pub cookie: &'static str,
    /// The token's claim with the user's id.
    pub user_claim: &'static str,
    /// Whether Engine.IO 3 clients (socket.io-client 2) are served.
    pub allow_eio3: bool,
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    /// The REST routes, method and path, in the order in which they are tried: `{name}` stands for any part of a path.
    pub routes: &'static [(&'static str, &'static str)],
    /// The events that clients send, and that they are sent: what is counted by name.
    pub client_events: &'static [&'static str],
    pub server_events: &'static [&'static str],
}

#[async_trait]
pub trait Contract: Send + Sync + 'static {
    fn profile(&self) -> Profile;

    /// The REST routes: those of [`Profile::routes`]. State, CORS, limits per address and security headers are around them already.
    fn routes(&self, gateway: Gateway) -> Router;

    /// Who a connecting client says it is, before any proof.
    fn claimed_user(&self, query: &HashMap<String, String>) -> Claim;

    /// The text of the `CONNECT_ERROR` for a refused socket.
    fn refusal(&self, reason: &Refused) -> String;

    /// The event that tells who is online: `users`, each once, the receiver included.
    fn online(&self, users: &[UserId]) -> OutEvent;

    /// The event that brings a message to a device of `viewer`. `base_url` is how that device reaches us.
    fn message(&self, message: &Message, viewer: UserId, base_url: &str) -> OutEvent;

    /// Handles one event of a proven socket; events of one socket come one after another, in the order they were sent.
    async fn handle(&self, caller: &Caller<'_>, event: ClientEvent) -> Handled;

    /// The acknowledgement of an event that was not handled because of `error` (too many, not proven in time).
    fn event_refused(&self, error: &ChatError) -> Vec<Value>;
}

/// What a handshake says about who is connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: the proof alone says.
    None,
    /// This user; the proof must agree.
    User(UserId),
    /// Something that is no user (`undefined`): nobody can prove it.
    Nobody,
}

/// Why a socket was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No token where one was needed, or none in time.
    NoProof,
    /// A token that is damaged, expired, or of an ended session.
    BadProof,
    /// A valid token of an account that is gone.
    UserGone,
    /// A valid token of somebody else than claimed.
    OtherUser,
    /// The store does not answer.
    Unavailable,
}

impl Refused {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoProof => "no_proof",
            Self::BadProof => "bad_proof",
            Self::UserGone => "user_gone",
            Self::OtherUser => "other_user",
            Self::Unavailable => "unavailable",
        }
    }
}

/// An event to a client.
#[derive(Debug, Clone, PartialEq)]
pub struct OutEvent {
    pub name: &'static str,
    pub args: Vec<Value>,
}

/// An event from a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientEvent {
    pub name: String,
    pub args: Vec<Value>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Handled {
    /// The acknowledgement's arguments, sent if the client asked for one.
    pub answer: Vec<Value>,
    /// Whether it was not accepted because what it needs is away for now ([`ChatError::Unavailable`]).
    pub unavailable: bool,
}

/// The proven socket that an event came from.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub chat: &'a Chat,
    pub user: UserId,
    pub device: DeviceId,
    /// How the client reaches us: `http://host:port`.
    pub base_url: &'a str,
}
