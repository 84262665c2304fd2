use std::{path::PathBuf, time::Duration};

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Pages written to the write-ahead log (4 KiB each) after which they are copied into the database file.
const CHECKPOINT_AFTER_PAGES: i64 = 1_000;

/// Pages after which readers are waited for, so that the write-ahead log can start over: it would grow on under readers
/// that never pause.
const RESTART_AFTER_PAGES: i64 = 16_000;

/// How long one connection waits for another's lock.
const BUSY_MS: u64 = 5_000;

/// One connection, for one thread. After any failure it is closed and opened anew, so that no transaction and no doubtful
/// state outlives an error.
pub(crate) struct Db {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Db {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, connection: None }
    }

    pub(crate) fn connection(&mut self) -> rusqlite::Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// All of `change`, synced to the disk, or nothing of it.
    pub(crate) fn write<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.transact(TransactionBehavior::Immediate, change)
    }

    /// Several queries over one state of the database.
    pub(crate) fn read<T>(
        &mut self,
        queries: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.transact(TransactionBehavior::Deferred, queries)
    }

    fn transact<T>(
        &mut self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let attempt = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(behavior)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        let outcome = self.connection().and_then(attempt);
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    /// Keeps the write-ahead log short. For the thread that writes, after it has answered: a checkpoint syncs the database
    /// file, which nobody should wait for.
    pub(crate) fn checkpoint_when_due(&mut self) {
        if let Err(error) = self.try_checkpoint() {
            // Nothing is lost: what was committed stays in the write-ahead log, and the next time may succeed.
            tracing::warn!(%error, path = %self.path.display(), "checkpoint failed");
            self.connection = None;
        }
    }

    fn try_checkpoint(&mut self) -> rusqlite::Result<()> {
        let connection = self.connection()?;
        let (pages, copied) = wal_pages(connection, "NOOP")?;
        if pages >= RESTART_AFTER_PAGES {
            wal_pages(connection, "RESTART")?;
        } else if pages - copied >= CHECKPOINT_AFTER_PAGES {
            wal_pages(connection, "PASSIVE")?;
        }
        Ok(())
    }
}

/// Runs a checkpoint; gives the pages in the write-ahead log, and how many of them the database file has.
fn wal_pages(connection: &Connection, mode: &str) -> rusqlite::Result<(i64, i64)> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

fn connect(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let reason = format!("this file system does not allow write-ahead logging (got {mode})");
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        return Err(rusqlite::Error::SqliteFailure(code, Some(reason)));
    }
    // FULL syncs the write-ahead log at every commit; the default of many builds syncs at checkpoints only. Checkpoints
    // are ours, see `checkpoint_when_due`.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = 16777216;
         PRAGMA wal_autocheckpoint = 0;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
