//! Stores every entry of the log, in batches. A position is committed only after the store has confirmed it (promise G1).

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Histogram, counter, histogram};
use sockeye_core::{
    ports::{Batch, LogConsumer, LogError, MessageLog, Store},
    position::Cursor,
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::pause::Pause;

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
    /// When the log takes no consumer at the start, or the last commit fails.
    pub async fn run(self, stop: CancellationToken) -> Result<(), LogError> {
        let meters = Meters::new();
        let mut consumer = self.log.consumer().await?;
        let mut stored = Cursor::default();
        let mut commit_at: Option<Instant> = None;
        let mut pause = Pause::new();
        loop {
            let read = tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(commit_at.unwrap_or_else(Instant::now)), if commit_at.is_some() => {
                    commit_at = None;
                    commit(consumer.as_mut(), &mut stored).await;
                    continue;
                }
                read = consumer.next(BATCH_LEN_MAX) => read,
            };
            match read {
                Ok(batch) => {
                    pause.reset();
                    #[cfg(feature = "planted-bugs")]
                    if crate::planted::commit_before_store() {
                        commit(consumer.as_mut(), &mut batch.through.clone()).await;
                    }
                    let next_flush = Instant::now() + FLUSH_EVERY;
                    if !self.store_batch(&batch, &meters, &stop).await {
                        return Ok(());
                    }
                    batch.through.iter().for_each(|position| stored.advance(position));
                    commit_at.get_or_insert_with(|| Instant::now() + COMMIT_AFTER);
                    if batch.entries.len() < BATCH_LEN_MAX {
                        sleep_until(next_flush).await;
                    }
                }
                Err(LogError::Unreadable(unreadable)) => {
                    let (position, reason) = (unreadable.position, &unreadable.reason);
                    tracing::error!(?position, reason, "an entry of the log cannot be read and is set aside");
                    match consumer.set_aside(&unreadable).await {
                        Ok(()) => {
                            meters.dead_letters.increment(1);
                            let through = Cursor::from_iter([position]);
                            let nothing = Batch { entries: vec![], through };
                            if !self.store_batch(&nothing, &meters, &stop).await {
                                return Ok(());
                            }
                            stored.advance(position);
                            commit_at.get_or_insert_with(|| Instant::now() + COMMIT_AFTER);
                        }
                        Err(error) => {
                            tracing::warn!(%error, "it could not be set aside yet");
                            pause.wait().await;
                        }
                    }
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
    async fn store_batch(&self, batch: &Batch, meters: &Meters, stop: &CancellationToken) -> bool {
        let mut pause = Pause::new();
        let began = Instant::now();
        loop {
            match self.store.store_batch(&batch.entries, &batch.through).await {
                Ok(()) => {
                    if !batch.entries.is_empty() {
                        meters.batch_size.record(batch.entries.len() as f64);
                        meters.batch_duration.record(began.elapsed());
                        meters.stored.increment(batch.entries.len() as u64);
                    }
                    return true;
                }
                Err(error) => {
                    meters.failures.increment(1);
                    tracing::error!(%error, count = batch.entries.len(), "not stored, trying again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = pause.wait() => {}
            }
        }
    }
}

struct Meters {
    batch_size: Histogram,
    batch_duration: Histogram,
    stored: Counter,
    failures: Counter,
    dead_letters: Counter,
}

impl Meters {
    fn new() -> Self {
        Self {
            batch_size: histogram!("sockeye_store_batch_size"),
            batch_duration: histogram!("sockeye_store_batch_duration_seconds"),
            stored: counter!("sockeye_messages_stored_total"),
            failures: counter!("sockeye_store_failures_total"),
            dead_letters: counter!("sockeye_dead_letters_total"),
        }
    }
}

/// What cannot be committed now is committed with what follows.
async fn commit(consumer: &mut dyn LogConsumer, stored: &mut Cursor) {
    match consumer.commit(stored).await {
        // Partitions may be taken from us: what is committed is not said again.
        Ok(()) => *stored = Cursor::default(),
        Err(error) => tracing::warn!(%error, "how far was stored is not noted in the log yet"),
    }
}
