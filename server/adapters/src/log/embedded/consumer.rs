use std::sync::Arc;

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
}

impl EmbeddedConsumer {
    pub(super) async fn start(shared: Arc<Shared>, group: ConsumerGroup) -> Result<Self, LogError> {
        let next = shared.reader.committed(group).await?.map_or(0, |committed| committed + 1);
        let end = shared.end.clone();
        Ok(Self { shared, group, next, end })
    }
}

#[async_trait]
impl LogConsumer for EmbeddedConsumer {
    async fn next(&mut self, len_max: usize) -> Result<Vec<Entry>, LogError> {
        loop {
            let next = self.next;
            let end = self.end.wait_for(|&end| end > next).await;
            let end = *end.map_err(|_| unavailable("the writing thread has ended"))?;
            let entries = self.shared.reader.read(next, len_max.max(1)).await?;
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
