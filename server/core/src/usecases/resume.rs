use crate::{
    Chat, ChatError,
    id::{DeviceId, UserId},
    message::Entry,
    position::Cursor,
};

/// What a returning device did not get, or a part of it.
#[derive(Debug, Clone, Default)]
pub struct Missed {
    /// In log order within each partition; nothing else of what lies before `read` concerns the device.
    pub entries: Vec<Entry>,
    /// Up to where was read: the next part begins there.
    pub read: Cursor,
}

/// Entries looked at for each that may be replayed: a device that writes much finds its own among those it missed.
const SCAN_FACTOR: usize = 10;

impl Chat {
    /// What `device` of `user` missed since `after`, if that is known and little enough to be replayed; else the device must
    /// read the history. What it sent itself is not replayed and does not count. A place beyond the log's end is one of
    /// another log (a restored or new data directory): from there on it would miss what comes next.
    pub async fn missed(
        &self,
        user: UserId,
        device: DeviceId,
        after: &Cursor,
    ) -> Result<Option<Missed>, ChatError> {
        let end = self.ports.log.end().await?;
        if !end.covers_all(after) {
            return Ok(None);
        }
        // Else what is acknowledged but not stored yet would not be counted.
        self.ports.store.wait_stored(&end).await?;
        let len_max = self.bounds.resume_len_max;
        let mut missed = Missed { entries: vec![], read: after.clone() };
        let mut looked_at = 0;
        loop {
            let page = self.page(user, device, &missed.read).await?;
            looked_at += page.looked_at;
            missed.read = page.read;
            missed.entries.extend(page.entries);
            if missed.entries.len() > len_max || (!page.last && looked_at > len_max * SCAN_FACTOR) {
                return Ok(None);
            }
            if page.last {
                missed.read.merge(&end);
                return Ok(Some(missed));
            }
        }
    }

    /// What `device` of `user` missed since `after` (promise G4), a part at a time: it is the last one when its `read` covers
    /// `until`. What comes after `until` is live delivery's.
    pub async fn resume(
        &self,
        user: UserId,
        device: DeviceId,
        after: &Cursor,
        until: &Cursor,
    ) -> Result<Missed, ChatError> {
        self.ports.store.wait_stored(until).await?;
        let Page { mut entries, mut read, last, .. } = self.page(user, device, after).await?;
        entries.retain(|entry| until.covers(entry.position));
        if last {
            read.merge(until);
        }
        Ok(Missed { entries, read })
    }

    async fn page(&self, user: UserId, device: DeviceId, after: &Cursor) -> Result<Page, ChatError> {
        // One more than may be replayed: else a page of exactly so many would need another look.
        let len_max = self.bounds.resume_len_max.saturating_add(1);
        let mut entries = self.ports.store.inbox(user, after, len_max).await?;
        let (looked_at, last) = (entries.len(), entries.len() < len_max);
        let mut read = after.clone();
        entries.iter().for_each(|entry| read.advance(entry.position));
        entries.retain(|entry| entry.record.concerns(user, device));
        Ok(Page { entries, read, looked_at, last })
    }
}

struct Page {
    entries: Vec<Entry>,
    read: Cursor,
    looked_at: usize,
    last: bool,
}
