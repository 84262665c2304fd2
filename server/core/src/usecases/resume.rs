use crate::{
    Chat, ChatError,
    id::{DeviceId, UserId},
    message::Entry,
    position::Cursor,
};

/// What a returning device did not get.
#[derive(Debug)]
pub enum Missed {
    /// All of it, in log order.
    Entries(Vec<Entry>),
    /// More than [`crate::Bounds::resume_len_max`]: it must read the history instead.
    TooMany,
}

impl Chat {
    /// What `device` of `user` missed since `after` (promise G4). Includes everything dispatched up to `until`, and
    /// possibly more: drop from live delivery what the entries cover.
    pub async fn resume(
        &self,
        user: UserId,
        device: DeviceId,
        after: &Cursor,
        until: &Cursor,
    ) -> Result<Missed, ChatError> {
        self.ports.store.wait_stored(until).await?;
        let len_max = self.bounds.resume_len_max;
        let mut entries = self.ports.store.inbox(user, after, len_max + 1).await?;
        if entries.len() > len_max {
            return Ok(Missed::TooMany);
        }
        entries.retain(|entry| entry.record.concerns(user, device));
        Ok(Missed::Entries(entries))
    }
}
