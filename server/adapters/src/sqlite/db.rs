use std::{path::PathBuf, time::Duration};

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Pages written to the write-ahead log (4 KiB each) after which they are copied into the database file.
const CHECKPOINT_AFTER_PAGES: i64 = 1_000;

/// Pages after which readers are waited for, so that the write-ahead log can start over: it would grow on under readers
/// that never pause. Tried again after as many pages as [`CHECKPOINT_AFTER_PAGES`] when a reader holds out longer, which
/// only one from outside does (a backup, say).
const RESTART_AFTER_PAGES: i64 = 16_000;
const RESTART_WAIT_MS: u64 = 50;

/// How long one connection waits for another's lock.
const BUSY_MS: u64 = 5_000;

/// One connection, for one thread. After any failure it is closed and opened anew, so that no transaction and no doubtful
/// state outlives an error.
pub(crate) struct Db {
    path: PathBuf,
    connection: Option<Connection>,
    restart_at_pages: i64,
}

impl Db {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, connection: None, restart_at_pages: RESTART_AFTER_PAGES }
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
        let restart_at = self.restart_at_pages;
        let connection = self.connection()?;
        let (pages, copied) = wal_pages(connection, "NOOP")?;
        if pages >= restart_at {
            connection.busy_timeout(Duration::from_millis(RESTART_WAIT_MS))?;
            wal_pages(connection, "RESTART")?;
            connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
            self.restart_at_pages = pages + CHECKPOINT_AFTER_PAGES;
        } else if pages - copied >= CHECKPOINT_AFTER_PAGES {
            wal_pages(connection, "PASSIVE")?;
        }
        if pages < RESTART_AFTER_PAGES {
            self.restart_at_pages = RESTART_AFTER_PAGES;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(db: &mut Db, name: &str) -> i64 {
        db.connection().unwrap().query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
    }

    /// Also on the connection that follows a failure.
    #[test]
    fn every_commit_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let mut db = Db::new(dir.path().join("test.db"));
        for _ in 0..2 {
            assert_eq!(setting(&mut db, "synchronous"), 2);
            assert_eq!(setting(&mut db, "wal_autocheckpoint"), 0);
            db.write(|tx| tx.execute_batch("no such statement")).unwrap_err();
            assert!(db.connection.is_none());
        }
    }

    fn pages(db: &mut Db) -> i64 {
        wal_pages(db.connection().unwrap(), "NOOP").unwrap().0
    }

    fn write_200_pages(db: &mut Db) {
        let insert =
            "INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 200)
                      SELECT randomblob(4000) FROM n";
        db.write(|tx| tx.execute_batch(insert)).unwrap();
        db.checkpoint_when_due();
    }

    #[test]
    fn the_write_ahead_log_stays_short() {
        let dir = tempfile::tempdir().unwrap();
        let mut db = Db::new(dir.path().join("test.db"));
        db.write(|tx| tx.execute_batch("CREATE TABLE t (x BLOB)")).unwrap();
        let mut longest = 0;
        for _ in 0..30 {
            write_200_pages(&mut db);
            longest = longest.max(pages(&mut db));
        }
        assert!(longest < 2 * CHECKPOINT_AFTER_PAGES, "{longest} pages");
    }

    /// It cannot start over then; it does when the reader has gone.
    #[test]
    fn a_reader_that_holds_out_does_not_stop_the_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.db");
        let mut db = Db::new(path.clone());
        db.write(|tx| tx.execute_batch("CREATE TABLE t (x BLOB)")).unwrap();
        let outside = Connection::open(&path).unwrap();
        outside.execute_batch("BEGIN; SELECT * FROM t").unwrap();
        while pages(&mut db) < RESTART_AFTER_PAGES + 3 * CHECKPOINT_AFTER_PAGES {
            write_200_pages(&mut db);
        }
        outside.execute_batch("COMMIT").unwrap();
        while pages(&mut db) >= RESTART_AFTER_PAGES {
            write_200_pages(&mut db);
        }
        assert_eq!(setting(&mut db, "busy_timeout"), i64::try_from(BUSY_MS).unwrap());
    }
}
