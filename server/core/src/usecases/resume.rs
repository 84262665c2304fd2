use crate::{
    Chat, ChatError,
    id::{DeviceId, UserId},
    message::Entry,
    position::Cursor,
};

/// A part of what a returning device did not get.
#[derive(Debug)]
pub struct Missed {
    /// In log order.
    pub entries: Vec<Entry>,
    /// Up to where this goes: ask again from here.
    pub seen: Cursor,
    /// Whether this was the last part.
    pub complete: bool,
}

impl Chat {
    /// Whether what `user` missed since `after` is known and little enough to be replayed; else the device must read the
    /// history. A place beyond the log's end is one of another log (a restored or new data directory): from there on it
    /// would miss what comes next.
    pub async fn can_resume(&self, user: UserId, after: &Cursor) -> Result<bool, ChatError> {
        let end = self.ports.log.end().await?;
        if !after.iter().all(|seen| end.covers(seen)) {
            return Ok(false);
        }
        // Else what is acknowledged but not stored yet would not be counted.
        self.ports.store.wait_stored(&end).await?;
        let len_max = self.bounds.resume_len_max;
        let missed = self.ports.store.inbox(user, after, len_max + 1).await?;
        Ok(missed.len() <= len_max)
    }

    /// What `device` of `user` missed since `after` (promise G4), a part at a time: exactly what lies between `after` and
    /// `until`. What comes after `until` is live delivery's.
    pub async fn resume(
        &self,
        user: UserId,
        device: DeviceId,
        after: &Cursor,
        until: &Cursor,
    ) -> Result<Missed, ChatError> {
        self.ports.store.wait_stored(until).await?;
        let len_max = self.bounds.resume_len_max;
        let mut entries = self.ports.store.inbox(user, after, len_max).await?;
        let complete = entries.len() < len_max;
        let mut seen = after.clone();
        entries.iter().for_each(|entry| seen.advance(entry.position));
        entries.retain(|entry| until.covers(entry.position) && entry.record.concerns(user, device));
        Ok(Missed { entries, seen, complete })
    }
}
