use crate::{
    Chat, ChatError,
    id::{DeviceId, UserId},
    ports::BusEvent,
};

impl Chat {
    /// A device is gone.
    pub async fn disconnect(&self, user: UserId, device: DeviceId) -> Result<(), ChatError> {
        self.ports.presence.disconnect(user, device).await?;
        self.ports.bus.publish(BusEvent::PresenceChanged).await?;
        Ok(())
    }
}
