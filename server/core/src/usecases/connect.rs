use crate::{
    Chat, ChatError,
    id::{DeviceId, ObjectId, UserId},
    ports::BusEvent,
};

impl Chat {
    /// A new device's id. Random: whoever has not proven anything is given one too, and a minted id would tell how many others
    /// were made since the last.
    pub fn new_device(&self) -> DeviceId {
        let mut id = [0; 12];
        self.ports.entropy.fill(&mut id);
        DeviceId(ObjectId(id))
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
