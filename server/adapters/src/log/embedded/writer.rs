//! The thread that writes: takes all that waits, writes it in one transaction, answers when it is synced.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use rusqlite::{OptionalExtension, Transaction};
use sockeye_core::{
    message::{Entry, Record},
    ports::Clock,
    position::Position,
};
use tokio::sync::watch;

use super::{EmbeddedLogOptions, Job, PARTITION, retention, tail::Tail, unavailable};
use crate::sqlite::{Db, from_sql, to_sql};

pub(super) struct Writer {
    db: Db,
    jobs: Receiver<Job>,
    end: watch::Sender<u64>,
    tail: Arc<Tail>,
    clock: Arc<dyn Clock>,
    options: EmbeddedLogOptions,
}

impl Writer {
    pub(super) fn new(
        db: Db,
        jobs: Receiver<Job>,
        end: watch::Sender<u64>,
        tail: Arc<Tail>,
        clock: Arc<dyn Clock>,
        options: EmbeddedLogOptions,
    ) -> Self {
        Self { db, jobs, end, tail, clock, options }
    }

    /// Until nobody can ask any more; what waits then is still written.
    pub(super) fn run(mut self) {
        let check_every = Duration::from_millis(self.options.retention_check_ms);
        let mut check_at = Instant::now() + check_every;
        loop {
            match self.jobs.recv_timeout(check_at.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    let batch = self.all_that_wait(first);
                    self.commit(batch);
                    self.db.checkpoint_when_due();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= check_at {
                let more = self.drop_expired();
                check_at = if more { Instant::now() } else { Instant::now() + check_every };
            }
        }
    }

    fn all_that_wait(&self, first: Job) -> Vec<Job> {
        let mut batch = vec![first];
        while batch.len() < self.options.batch_len_max
            && let Ok(job) = self.jobs.try_recv()
        {
            batch.push(job);
        }
        batch
    }

    fn commit(&mut self, batch: Vec<Job>) {
        let now = to_sql(self.clock.now().as_millis());
        let written = self.db.write(|tx| {
            let mut next = next_offset(tx)?;
            let mut offsets = Vec::with_capacity(batch.len());
            for job in &batch {
                offsets.push(write(tx, job, &mut next, now)?);
            }
            Ok((offsets, next))
        });
        match written {
            Ok((offsets, next)) => {
                self.keep(&batch, &offsets);
                // Readers first: whoever has an acknowledgement finds the entry.
                self.end.send_if_modified(|end| std::mem::replace(end, next) != next);
                for (job, written) in batch.into_iter().zip(offsets) {
                    answer(job, Ok(written));
                }
            }
            Err(error) => {
                tracing::error!(%error, jobs = batch.len(), "the message log could not be written");
                let reason = error.to_string();
                batch.into_iter().for_each(|job| answer(job, Err(reason.clone())));
            }
        }
    }

    /// Puts the new entries of a batch into the tail. Repeats answer with an offset from before.
    fn keep(&self, batch: &[Job], written: &[Written]) {
        for (job, &Written { offset, repeat }) in batch.iter().zip(written) {
            if let Job::Append { record, bytes, .. } = job
                && !repeat
            {
                let position = Position { partition: PARTITION, offset };
                self.tail.push(Entry { position, record: Record::clone(record) }, bytes.len());
            }
        }
    }

    /// Whether there is more to drop.
    fn drop_expired(&mut self) -> bool {
        let now = self.clock.now().as_millis();
        let Some(before) = now.checked_sub(self.options.retention_ms) else { return false };
        let len_max = self.options.retention_batch_len_max.max(1);
        let dropped = self.db.write(|tx| {
            let dropped = retention::drop_older(tx, before, len_max)?;
            let first =
                tx.query_row("SELECT first_offset FROM bounds", [], |row| row.get(0)).map(from_sql)?;
            Ok((dropped, first))
        });
        match dropped {
            Ok((dropped, first)) => {
                self.tail.forget_before(first);
                dropped == len_max
            }
            Err(error) => {
                tracing::warn!(%error, "old entries of the message log could not be dropped");
                false
            }
        }
    }
}

/// What became of a job.
#[derive(Debug, Clone, Copy)]
struct Written {
    /// Of the entry, or committed now.
    offset: u64,
    /// The log had the message already.
    repeat: bool,
}

fn write(tx: &Transaction<'_>, job: &Job, next: &mut u64, now: i64) -> rusqlite::Result<Written> {
    let written = |offset| Written { offset, repeat: false };
    match job {
        Job::Append { id, bytes, .. } => {
            let sql = "SELECT log_offset FROM entries WHERE message_id = ?1";
            let first = tx.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
            if let Some(first) = first {
                return Ok(Written { offset: from_sql(first), repeat: true });
            }
            let offset = *next;
            let sql =
                "INSERT INTO entries (log_offset, message_id, appended_at, record) VALUES (?1, ?2, ?3, ?4)";
            tx.prepare_cached(sql)?.execute((to_sql(offset), id, now, bytes))?;
            *next += 1;
            Ok(written(offset))
        }
        Job::Commit { offset, .. } => {
            // Never past the end: entries still to come were not seen by anybody.
            let Some(last) = next.checked_sub(1) else { return Ok(written(0)) };
            let done = (*offset).min(last);
            let sql = "INSERT INTO groups (name, committed) VALUES ('store', ?1)
                       ON CONFLICT (name) DO UPDATE SET committed = max(committed, excluded.committed)";
            tx.prepare_cached(sql)?.execute([to_sql(done)])?;
            Ok(written(done))
        }
        Job::SetAside { offset, reason, .. } => {
            let sql = "INSERT OR IGNORE INTO set_aside (log_offset, reason, at, record)
                       SELECT log_offset, ?2, ?3, record FROM entries WHERE log_offset = ?1";
            tx.prepare_cached(sql)?.execute((to_sql(*offset), reason, now))?;
            Ok(written(*offset))
        }
    }
}

fn answer(job: Job, outcome: Result<Written, String>) {
    let outcome = outcome.map_err(unavailable);
    // Nobody to answer: the caller went away or gave up at the deadline.
    match job {
        Job::Append { answer, .. } => {
            drop(answer.send(outcome.map(|Written { offset, repeat }| (offset, repeat))));
        }
        Job::Commit { answer, .. } | Job::SetAside { answer, .. } => drop(answer.send(outcome.map(drop))),
    }
}

/// The offset of the next entry: after the last one, or where the log was cut when there is none.
pub(super) fn next_offset(tx: &Transaction<'_>) -> rusqlite::Result<u64> {
    let sql = "SELECT max(first_offset, coalesce((SELECT max(log_offset) + 1 FROM entries), 0)) FROM bounds";
    tx.prepare_cached(sql)?.query_row([], |row| row.get(0)).map(from_sql)
}
