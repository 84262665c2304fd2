use async_trait::async_trait;

use crate::{id::UserId, session::SessionId, time::Timestamp};

/// Carries events to every node, this one included. Messages do not travel here: every node reads them from the log.
///
/// * At most once: an event may be lost, and may come twice. Whoever may have lost some is told ([`Received::Lagged`]).
/// * Subscribers on this node get what is published on this node also while other nodes cannot be reached.
/// * Events published by one caller, one after another, arrive in that order or not at all; no order between callers.
/// * `publish` does not wait for receivers. A slow subscriber loses events rather than slowing the others down.
#[async_trait]
pub trait Bus: Send + Sync {
    async fn publish(&self, event: BusEvent) -> Result<(), BusError>;

    /// Events published after this call.
    async fn subscribe(&self) -> Result<Box<dyn BusSubscription>, BusError>;

    /// Whether other nodes can be reached now (when there can be any).
    async fn check(&self) -> Result<(), BusError>;
}

#[async_trait]
pub trait BusSubscription: Send {
    /// The next event. Safe to cancel. An error is final: subscribe again.
    async fn next(&mut self) -> Result<Received, BusError>;
}

/// What nodes tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// A device connected or disconnected somewhere: ask [`super::Presence`] who is online.
    PresenceChanged,
    /// A log-in ended: drop the devices that were proven with it.
    SessionEnded(SessionId),
    /// All log-ins of `user` issued up to and including `through` ended.
    SessionsEnded { user: UserId, through: Timestamp },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Event(BusEvent),
    /// Events may have been lost: take presence as changed, and look which log-ins ended.
    Lagged,
}

/// The bus failed. The event was not, or not surely, carried.
#[derive(Debug, thiserror::Error)]
#[error("message bus: {0}")]
pub struct BusError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
