use std::{pin::Pin, sync::Arc};

use async_trait::async_trait;
use sockeye_core::{
    message::Entry,
    ports::{ConsumerGroup, LogConsumer, LogError},
    position::Cursor,
};
use tokio::sync::watch;

use super::{Job, PARTITION, Shared, unavailable};

/// Follows the log on behalf of a group.
pub(super) struct EmbeddedConsumer {
    shared: Arc<Shared>,
    group: ConsumerGroup,
    /// The offset to read next.
    next: u64,
    end: watch::Receiver<u64>,
    /// The read under way, and where the log ended when it began. Kept when `next` is cancelled: callers that give up again and again do not fill the queue.
    reading: Option<(u64, Reading)>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Entry>, LogError>> + Send>>;

impl EmbeddedConsumer {
    pub(super) async fn start(shared: Arc<Shared>, group: ConsumerGroup) -> Result<Self, LogError> {
        let next = shared.reader.committed(group).await?.map_or(0, |committed| committed + 1);
        let end = shared.end.clone();
        Ok(Self { shared, group, next, end, reading: None })
    }
}

#[async_trait]
impl LogConsumer for EmbeddedConsumer {
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
            // All that was left had been committed by an earlier consumer of the group, and dropped.
            self.next = end;
        }
    }

    async fn commit(&mut self, done: &Cursor) -> Result<(), LogError> {
        let Some(offset) = done.offset(PARTITION) else { return Ok(()) };
        let group = self.group;
        self.shared.ask(|answer| Job::Commit { group, offset, answer }).await
    }
}
