use std::{pin::Pin, sync::Arc};

use async_trait::async_trait;
use sockeye_core::{
    message::Entry,
    ports::{Batch, LogConsumer, LogError, LogTail, Unreadable},
    position::{Cursor, Position},
};
use tokio::sync::watch;

use super::{Job, PARTITION, Shared, unavailable};

/// Follows the log for live delivery.
pub(super) struct EmbeddedTail(Follower);

impl EmbeddedTail {
    pub(super) fn start(shared: Arc<Shared>, after: &Cursor) -> Self {
        Self(Follower::start(shared, after.offset(PARTITION).map_or(0, |seen| seen + 1)))
    }
}

#[async_trait]
impl LogTail for EmbeddedTail {
    async fn next(&mut self, len_max: usize) -> Result<Vec<Entry>, LogError> {
        let read = self.0.next(len_max).await;
        if let Err(LogError::Unreadable(unreadable)) = &read {
            self.0.skip(unreadable.position);
        }
        read
    }
}

/// Follows the log in order to store it.
pub(super) struct EmbeddedConsumer {
    follower: Follower,
    /// What was stored before, until it is told.
    stored: Option<Cursor>,
}

impl EmbeddedConsumer {
    pub(super) async fn start(shared: Arc<Shared>) -> Result<Self, LogError> {
        let committed = shared.reader.committed().await?;
        let position = |offset| Position { partition: PARTITION, offset };
        Ok(Self {
            follower: Follower::start(shared, committed.map_or(0, |offset| offset + 1)),
            stored: committed.map(|offset| Cursor::from_iter([position(offset)])),
        })
    }
}

#[async_trait]
impl LogConsumer for EmbeddedConsumer {
    async fn next(&mut self, len_max: usize) -> Result<Batch, LogError> {
        if let Some(through) = self.stored.take() {
            return Ok(Batch { entries: vec![], through });
        }
        let entries = self.follower.next(len_max).await?;
        let through = entries.iter().map(|entry| entry.position).collect();
        Ok(Batch { entries, through })
    }

    async fn commit(&mut self, done: &Cursor) -> Result<(), LogError> {
        let Some(offset) = done.offset(PARTITION) else { return Ok(()) };
        self.follower.shared.ask(|answer| Job::Commit { offset, answer }).await
    }

    async fn set_aside(&mut self, unreadable: &Unreadable) -> Result<(), LogError> {
        let offset = unreadable.position.offset;
        let reason = unreadable.reason.clone();
        self.follower.shared.ask(|answer| Job::SetAside { offset, reason, answer }).await?;
        self.follower.skip(unreadable.position);
        Ok(())
    }
}

struct Follower {
    shared: Arc<Shared>,
    /// The offset to read next.
    next: u64,
    end: watch::Receiver<u64>,
    /// The read under way, and where the log ended when it began. Kept when `next` is cancelled: callers that give up again
    /// and again do not fill the queue.
    reading: Option<(u64, Reading)>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Entry>, LogError>> + Send>>;

impl Follower {
    fn start(shared: Arc<Shared>, next: u64) -> Self {
        let end = shared.end.clone();
        Self { shared, next, end, reading: None }
    }

    async fn next(&mut self, len_max: usize) -> Result<Vec<Entry>, LogError> {
        let len_max = len_max.max(1);
        loop {
            let next = self.next;
            let end = self.end.wait_for(|&end| end > next).await;
            let end = *end.map_err(|_| unavailable("the writing thread has ended"))?;
            let (end, reading) = self.reading.get_or_insert_with(|| {
                let shared = Arc::clone(&self.shared);
                (end, Box::pin(async move { shared.reader.read(next, len_max).await }))
            });
            let (end, read) = (*end, reading.as_mut().await);
            self.reading = None;
            let mut entries = read?;
            // It may have been begun by a call that asked for more.
            entries.truncate(len_max);
            if let Some(last) = entries.last() {
                self.next = last.position.offset + 1;
                return Ok(entries);
            }
            // All that was left had been stored, and dropped.
            self.next = end;
        }
    }

    fn skip(&mut self, position: Position) {
        self.next = self.next.max(position.offset + 1);
    }
}
