use async_trait::async_trait;

use crate::id::{DeviceId, UserId};

/// Who is online, over all nodes (promise G6).
///
/// * A user is online exactly while a device of theirs is connected on some node.
/// * When a node dies, its devices are gone within 15 seconds, with no help from it.
/// * Both calls may be repeated without harm.
/// * While other nodes cannot be reached, their users count as online until those nodes would have been taken for dead; the
///   own ones are always right. Healed without help.
#[async_trait]
pub trait Presence: Send + Sync {
    async fn connect(&self, user: UserId, device: DeviceId) -> Result<(), PresenceError>;

    async fn disconnect(&self, user: UserId, device: DeviceId) -> Result<(), PresenceError>;

    /// Everybody online, each once, in order of their ids.
    async fn online(&self) -> Result<Vec<UserId>, PresenceError>;
}

#[derive(Debug, thiserror::Error)]
#[error("presence: {0}")]
pub struct PresenceError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
