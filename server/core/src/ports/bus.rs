use std::sync::Arc;

use async_trait::async_trait;

use crate::{message::Entry, session::SessionId};

/// Carries events to every node, this one included.
///
/// * At most once: an event may be lost (never silently on this node: see [`Received::Lagged`]), and may come twice.
/// * Events published by one caller, one after another, arrive in that order or not at all; no order between callers.
/// * `publish` does not wait for receivers. A slow subscriber loses events rather than slowing the others down.
#[async_trait]
pub trait Bus: Send + Sync {
    async fn publish(&self, event: BusEvent) -> Result<(), BusError>;

    /// Events published after this call.
    async fn subscribe(&self) -> Result<Box<dyn BusSubscription>, BusError>;
}

#[async_trait]
pub trait BusSubscription: Send {
    /// The next event. Safe to cancel. An error is final: subscribe again.
    async fn next(&mut self) -> Result<Received, BusError>;
}

/// What nodes tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// An entry of the log, for delivery to devices. Its position lets receivers mend losses and repeats.
    Dispatch(Arc<Entry>),
    /// A device connected or disconnected somewhere: ask [`super::Presence`] who is online.
    PresenceChanged,
    /// A log-in ended: drop the devices that were proven with it.
    SessionEnded(SessionId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Event(BusEvent),
    /// Events were lost here: compare positions with the log, and take presence as changed.
    Lagged,
}

/// The bus failed. The event was not, or not surely, carried.
#[derive(Debug, thiserror::Error)]
#[error("message bus: {0}")]
pub struct BusError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
