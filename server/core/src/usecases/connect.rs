use crate::{
    Chat, ChatError,
    id::{DeviceId, UserId},
    ports::BusEvent,
};

impl Chat {
    /// A new device's id.
    pub fn new_device(&self) -> DeviceId {
        DeviceId(self.ids.mint(self.now()))
    }

    /// A device of `user`, who was proven, is connected.
    pub async fn connect(&self, user: UserId, device: DeviceId) -> Result<(), ChatError> {
        self.ports.presence.connect(user, device).await?;
        self.ports.bus.publish(BusEvent::PresenceChanged).await?;
        Ok(())
    }

    /// Everybody online, each once.
    pub async fn online(&self) -> Result<Vec<UserId>, ChatError> {
        Ok(self.ports.presence.online().await?)
    }
}
