//! The message log in one file of this process, `<data dir>/log.db`: one partition, one thread that writes, group commit.
//!
//! Appends wait in a bounded queue. The thread takes all that wait, writes them in one transaction, syncs once, and then
//! answers all of them: the more callers, the fewer syncs each pays for (docs/decisions/0020-embedded-log.md).

mod follow;
mod reader;
mod retention;
mod tail;
mod writer;

use std::{
    fmt,
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use sockeye_core::{
    message::Record,
    ports::{Appended, Clock, LogConsumer, LogError, LogTail, MessageLog},
    position::{Cursor, Position},
};
use tokio::sync::{oneshot, watch};

use self::{
    follow::{EmbeddedConsumer, EmbeddedTail},
    reader::Reader,
    tail::Tail,
    writer::Writer,
};
use crate::{
    sqlite::{Db, OpenError, open_file},
    workers::Workers,
};

/// The only partition.
const PARTITION: u32 = 0;

const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE entries (
        log_offset  INTEGER PRIMARY KEY,
        message_id  BLOB    NOT NULL UNIQUE,
        appended_at INTEGER NOT NULL, -- milliseconds since 1970
        record      BLOB    NOT NULL  -- JSON of sockeye_core::message::Record
    ) STRICT;
    CREATE TABLE groups (
        name      TEXT    PRIMARY KEY,
        committed INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- One row: what lies before first_offset was dropped.
    CREATE TABLE bounds (
        id           INTEGER PRIMARY KEY CHECK (id = 0),
        first_offset INTEGER NOT NULL
    ) STRICT;
    INSERT INTO bounds (id, first_offset) VALUES (0, 0);
",
    "
    -- Entries that could not be read, for an operator to look at.
    CREATE TABLE set_aside (
        log_offset INTEGER PRIMARY KEY,
        reason     TEXT    NOT NULL,
        at         INTEGER NOT NULL, -- milliseconds since 1970
        record     BLOB    NOT NULL
    ) STRICT;
    DELETE FROM groups WHERE name <> 'store';
",
];

#[derive(Debug, Clone)]
pub struct EmbeddedLogOptions {
    /// Appends and commits waiting for the writing thread; one more is refused.
    pub queue_len_max: usize,
    /// Appends that share one sync.
    pub batch_len_max: usize,
    /// After this an append or read is given up by its caller (it may still happen).
    pub deadline_ms: u64,
    pub reader_threads: usize,
    /// Reads waiting for a thread; one more is refused.
    pub read_queue_len_max: usize,
    /// Entries that are stored (committed) are dropped when they are older than this.
    pub retention_ms: u64,
    /// How often to look for such entries.
    pub retention_check_ms: u64,
    /// Entries dropped at once; appends get their turn between.
    pub retention_batch_len_max: usize,
}

impl Default for EmbeddedLogOptions {
    fn default() -> Self {
        Self {
            queue_len_max: 4_096,
            batch_len_max: 1_024,
            deadline_ms: 10_000,
            reader_threads: 2,
            read_queue_len_max: 1_024,
            retention_ms: 24 * 60 * 60 * 1_000,
            retention_check_ms: 60_000,
            retention_batch_len_max: 1_000,
        }
    }
}

/// A [`MessageLog`] on SQLite.
///
/// Appending a message id again answers the first entry's position, as long as the log has that entry. Dropping the last
/// handle (consumers included) writes what waits and joins the threads, which blocks for a moment.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

impl EmbeddedLog {
    /// Opens or creates the log in `dir`. Blocks; meant for the start of the process.
    ///
    /// # Errors
    /// When the directory cannot be used, another process has it, or a newer version wrote it.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, options: EmbeddedLogOptions) -> Result<Self, OpenError> {
        let mut file = open_file(dir, "log", &MIGRATIONS)?;
        let path = file.path.clone();
        let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
        let io = |source: io::Error| OpenError::Io { path: path.clone(), source };
        let next = file.db.read(writer::next_offset).map_err(sqlite)?;
        let connections = (0..options.reader_threads.max(1)).map(|_| Db::new(path.clone())).collect();
        let readers = Workers::start("log-read", connections, options.read_queue_len_max, |_| ());
        let deadline = Duration::from_millis(options.deadline_ms);
        let tail = Arc::new(Tail::default());
        let reader = Reader { workers: readers.map_err(io)?, tail: tail.clone(), deadline };
        let (queue, jobs) = sync_channel(options.queue_len_max.max(1));
        let (end_changed, end) = watch::channel(next);
        let writer = Writer::new(file.db, jobs, end_changed, tail, clock, options);
        let thread =
            std::thread::Builder::new().name("log-write".into()).spawn(move || writer.run()).map_err(io)?;
        let shared =
            Shared { queue: Some(queue), thread: Some(thread), reader, end, deadline, _lock: file.lock };
        Ok(Self { shared: Arc::new(shared) })
    }
}

#[async_trait]
impl MessageLog for EmbeddedLog {
    async fn append(&self, record: &Record) -> Result<Appended, LogError> {
        let id = record.message.id.0.0;
        let bytes = serde_json::to_vec(record).map_err(unavailable)?;
        let record = Box::new(record.clone());
        let (offset, repeat) = self.shared.ask(|answer| Job::Append { id, record, bytes, answer }).await?;
        let first = match repeat {
            false => None,
            true => self.shared.reader.read(offset, 1).await?.pop().map(|entry| entry.record),
        };
        Ok(Appended { position: Position { partition: PARTITION, offset }, first })
    }

    async fn end(&self) -> Result<Cursor, LogError> {
        let next = *self.shared.end.borrow();
        Ok(next.checked_sub(1).map(|offset| Position { partition: PARTITION, offset }).into_iter().collect())
    }

    async fn tail(&self, after: &Cursor) -> Result<Box<dyn LogTail>, LogError> {
        Ok(Box::new(EmbeddedTail::start(Arc::clone(&self.shared), after)))
    }

    async fn consumer(&self) -> Result<Box<dyn LogConsumer>, LogError> {
        Ok(Box::new(EmbeddedConsumer::start(Arc::clone(&self.shared)).await?))
    }
}

/// What the handle and its consumers hold together.
struct Shared {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    reader: Reader,
    /// The offset that the next entry will have.
    end: watch::Receiver<u64>,
    deadline: Duration,
    _lock: File,
}

/// Work for the writing thread. Each is answered when it is synced.
enum Job {
    /// Answers the offset, and whether the log had the message already.
    Append {
        id: [u8; 12],
        record: Box<Record>,
        bytes: Vec<u8>,
        answer: Answer<(u64, bool)>,
    },
    Commit {
        offset: u64,
        answer: Answer<()>,
    },
    SetAside {
        offset: u64,
        reason: String,
        answer: Answer<()>,
    },
}

type Answer<T> = oneshot::Sender<Result<T, LogError>>;

impl Shared {
    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, LogError> {
        let (answer, answered) = oneshot::channel();
        let ended = || unavailable("the writing thread has ended");
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.try_send(job(answer)).map_err(|error| match error {
            TrySendError::Full(_) => unavailable("too many appends wait already"),
            TrySendError::Disconnected(_) => ended(),
        })?;
        match tokio::time::timeout(self.deadline, answered).await {
            Ok(answer) => answer.map_err(|_| ended())?,
            Err(_) => Err(unavailable("the disk did not answer in time")),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the log's writing thread had panicked");
        }
    }
}

fn unavailable(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
    LogError::Unavailable(reason.into())
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLog").field("next_offset", &*self.shared.end.borrow()).finish_non_exhaustive()
    }
}
