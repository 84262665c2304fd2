//! The store in one file of this process, `<data dir>/store.db`: one thread that writes, a few that read.

mod conversations;
mod messages;
mod rows;
mod schema;
mod sessions;
mod statements;
mod users;

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use sockeye_core::{
    ports::{Clock, StoreError},
    position::Cursor,
};
use tokio::sync::watch;

use crate::{
    sqlite::{Db, OpenError, open_beside, open_file},
    workers::Workers,
};

#[derive(Debug, Clone)]
pub struct SqliteStoreOptions {
    pub reader_threads: usize,
    /// Calls waiting for a reading thread; one more is refused.
    pub read_queue_len_max: usize,
    /// Calls waiting for the writing thread; one more is refused.
    pub write_queue_len_max: usize,
}

impl Default for SqliteStoreOptions {
    fn default() -> Self {
        Self { reader_threads: 4, read_queue_len_max: 4_096, write_queue_len_max: 1_024 }
    }
}

/// A [`sockeye_core::ports::Store`] on SQLite. Dropping it finishes what waits and joins the threads, which blocks for a
/// moment.
pub struct SqliteStore {
    writer: Workers<Db>,
    readers: Workers<Db>,
    stored: Arc<watch::Sender<Cursor>>,
    clock: Arc<dyn Clock>,
    /// Absent beside another process.
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens or creates the store in `dir`. Blocks; meant for the start of the process.
    ///
    /// # Errors
    /// When the directory cannot be used, another process has it, or a newer version wrote it.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, options: SqliteStoreOptions) -> Result<Self, OpenError> {
        let file = open_file(dir, "store", &schema::MIGRATIONS)?;
        Self::over(file.path, file.db, Some(file.lock), clock, options)
    }

    /// Opens the store in `dir` while another process may have it, for a short look or a change to users and sessions. How far
    /// messages are stored is known as of now only, and no other process may store any through this.
    ///
    /// # Errors
    /// When there is none, or it is not in this version's format.
    pub fn open_beside(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (path, db) = open_beside(dir, "store", &schema::MIGRATIONS)?;
        let options = SqliteStoreOptions { reader_threads: 1, ..SqliteStoreOptions::default() };
        Self::over(path, db, None, clock, options)
    }

    fn over(
        path: PathBuf,
        mut db: Db,
        lock: Option<File>,
        clock: Arc<dyn Clock>,
        options: SqliteStoreOptions,
    ) -> Result<Self, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
        let io = |source: io::Error| OpenError::Io { path: path.clone(), source };
        let stored = db.read(messages::stored).map_err(sqlite)?;
        let connections = (0..options.reader_threads.max(1)).map(|_| Db::new(path.clone())).collect();
        let readers = Workers::start("store-read", connections, options.read_queue_len_max, |_| ());
        let writer =
            Workers::start("store-write", vec![db], options.write_queue_len_max, Db::checkpoint_when_due);
        Ok(Self {
            writer: writer.map_err(io)?,
            readers: readers.map_err(io)?,
            stored: Arc::new(watch::Sender::new(stored)),
            clock,
            _lock: lock,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        queries: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.readers.run(move |db| db.read(queries)).await;
        done.map_err(unavailable)?.map_err(unavailable)
    }

    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.writer.run(move |db| db.write(change)).await;
        done.map_err(unavailable)?.map_err(unavailable)
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("stored", &*self.stored.borrow()).finish_non_exhaustive()
    }
}
