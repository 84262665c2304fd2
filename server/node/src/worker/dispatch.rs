//! Puts every entry of the log on the bus, in log order.

use std::{sync::Arc, time::Duration};

use sockeye_core::{
    ports::{Bus, BusEvent, ConsumerGroup, LogConsumer, LogError, MessageLog},
    position::{Cursor, Position},
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{pause::Pause, skip::skip};

/// Entries taken from the log at a time.
const BATCH_LEN_MAX: usize = 256;
/// Entries dispatched since the last commit are dispatched again after a crash, and dropped there as repeats.
const COMMIT_AFTER: Duration = Duration::from_secs(1);

pub struct Dispatcher {
    pub log: Arc<dyn MessageLog>,
    pub bus: Arc<dyn Bus>,
}

impl Dispatcher {
    /// Runs until `stop`. A log that does not answer is waited for.
    ///
    /// # Errors
    /// When an entry that cannot be read cannot be skipped either.
    pub async fn run(self, stop: CancellationToken) -> Result<(), LogError> {
        let mut consumer = self.log.consumer(ConsumerGroup::Dispatch).await?;
        let mut done = Cursor::default();
        let mut commit_at: Option<Instant> = None;
        let mut pause = Pause::new();
        loop {
            let entries = tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(commit_at.unwrap_or_else(Instant::now)), if commit_at.is_some() => {
                    commit_at = None;
                    commit(consumer.as_mut(), &done).await;
                    continue;
                }
                entries = consumer.next(BATCH_LEN_MAX) => entries,
            };
            match entries {
                Ok(entries) => {
                    pause.reset();
                    for entry in entries {
                        done.advance(entry.position);
                        if let Err(error) = self.bus.publish(BusEvent::Dispatch(Arc::new(entry))).await {
                            // Receivers notice the hole and fill it from the log.
                            tracing::warn!(%error, "not dispatched");
                        }
                    }
                    commit_at.get_or_insert_with(|| Instant::now() + COMMIT_AFTER);
                }
                Err(LogError::Unreadable { partition, offset, reason }) => {
                    tracing::error!(
                        partition,
                        offset,
                        reason,
                        "an entry of the log is skipped: it cannot be read"
                    );
                    let unreadable = Position { partition, offset };
                    consumer = skip(self.log.as_ref(), ConsumerGroup::Dispatch, consumer, unreadable).await?;
                }
                Err(error) => {
                    tracing::warn!(%error, "the log does not answer");
                    pause.wait().await;
                }
            }
        }
        commit(consumer.as_mut(), &done).await;
        Ok(())
    }
}

async fn commit(consumer: &mut dyn LogConsumer, done: &Cursor) {
    if let Err(error) = consumer.commit(done).await {
        tracing::warn!(%error, "how far was dispatched is not noted; it will be repeated");
    }
}
