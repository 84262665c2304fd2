//! Stores every entry of the log, in batches. A position is committed only after the store has confirmed it (promise G1).

use std::{sync::Arc, time::Duration};

use sockeye_core::{
    message::Entry,
    ports::{ConsumerGroup, LogError, MessageLog, Store},
    position::{Cursor, Position},
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{pause::Pause, skip::skip};

/// Entries stored at a time.
const BATCH_LEN_MAX: usize = 1024;
/// The shortest time between two batches: under load one transaction stores what came meanwhile, and a message after a
/// quiet time is stored at once.
const FLUSH_EVERY: Duration = Duration::from_millis(20);
/// The store itself remembers how far it is; this only lets the log forget.
const COMMIT_AFTER: Duration = Duration::from_secs(1);

pub struct Storer {
    pub log: Arc<dyn MessageLog>,
    pub store: Arc<dyn Store>,
}

impl Storer {
    /// Runs until `stop`. A log or store that does not answer is waited for.
    ///
    /// # Errors
    /// When an entry that cannot be read cannot be skipped either.
    pub async fn run(self, stop: CancellationToken) -> Result<(), LogError> {
        let mut consumer = self.log.consumer(ConsumerGroup::Store).await?;
        let mut stored = Cursor::default();
        let mut commit_at: Option<Instant> = None;
        let mut pause = Pause::new();
        loop {
            let entries = tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(commit_at.unwrap_or_else(Instant::now)), if commit_at.is_some() => {
                    commit_at = None;
                    if let Err(error) = consumer.commit(&stored).await {
                        tracing::warn!(%error, "how far was stored is not noted in the log");
                    }
                    continue;
                }
                entries = consumer.next(BATCH_LEN_MAX) => entries,
            };
            match entries {
                Ok(entries) => {
                    pause.reset();
                    let next_flush = Instant::now() + FLUSH_EVERY;
                    if !self.store_batch(&entries, &stop).await {
                        return Ok(());
                    }
                    entries.iter().for_each(|entry| stored.advance(entry.position));
                    commit_at.get_or_insert_with(|| Instant::now() + COMMIT_AFTER);
                    if entries.len() < BATCH_LEN_MAX {
                        sleep_until(next_flush).await;
                    }
                }
                Err(LogError::Unreadable { partition, offset, reason }) => {
                    tracing::error!(
                        partition,
                        offset,
                        reason,
                        "an entry of the log is skipped: it cannot be read"
                    );
                    let unreadable = Position { partition, offset };
                    consumer = skip(self.log.as_ref(), ConsumerGroup::Store, consumer, unreadable).await?;
                }
                Err(error) => {
                    tracing::warn!(%error, "the log does not answer");
                    pause.wait().await;
                }
            }
        }
        consumer.commit(&stored).await
    }

    /// Tries until it is stored; `false` when stopped before.
    async fn store_batch(&self, entries: &[Entry], stop: &CancellationToken) -> bool {
        let mut pause = Pause::new();
        loop {
            match self.store.store_batch(entries).await {
                Ok(()) => return true,
                Err(error) => tracing::error!(%error, count = entries.len(), "not stored, trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = pause.wait() => {}
            }
        }
    }
}
