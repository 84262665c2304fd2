use std::{
    fs::{DirBuilder, File, TryLockError},
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{Db, OpenError, from_sql, limit};

/// A database file, held by this process alone.
pub(crate) struct DataFile {
    pub(crate) path: PathBuf,
    /// Released by the operating system when the process ends, however it ends.
    pub(crate) lock: File,
    /// For writing.
    pub(crate) db: Db,
}

/// Opens or creates `<dir>/<name>.db` and brings it to the latest format. `migrations[n]` leads from format n to n + 1.
///
/// What the file holds when this returns is on the disk: an entry that the previous process wrote but had not yet synced
/// when it was killed is either synced now or gone.
pub(crate) fn open_file(dir: &Path, name: &str, migrations: &[&str]) -> Result<DataFile, OpenError> {
    let path = dir.join(format!("{name}.db"));
    let io = |source| OpenError::Io { path: path.clone(), source };
    create_private(dir).map_err(io)?;
    let lock = File::create(dir.join(format!("{name}.lock"))).map_err(io)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::InUse { path: path.clone() },
        TryLockError::Error(source) => io(source),
    })?;
    let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
    let mut db = Db::new(path.clone());
    let connection = db.connection().map_err(sqlite)?;
    migrate(connection, migrations).map_err(|error| match error {
        MigrateError::Sqlite(source) => sqlite(source),
        MigrateError::TooNew(found) => {
            OpenError::TooNew { path: path.clone(), found, known: migrations.len() }
        }
    })?;
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(sqlite)?;
    if busy != 0 {
        return Err(OpenError::InUse { path });
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)?;
    Ok(DataFile { path, lock, db })
}

/// Opens `<dir>/<name>.db` of a process that may be running: the file must be there, in the latest format, and is shared
/// transaction by transaction.
pub(crate) fn open_beside(dir: &Path, name: &str, migrations: &[&str]) -> Result<(PathBuf, Db), OpenError> {
    let path = dir.join(format!("{name}.db"));
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(OpenError::Absent { path }),
        Err(source) => return Err(OpenError::Io { path, source }),
    }
    let mut db = Db::new(path.clone());
    let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
    match format_of(db.connection().map_err(sqlite)?).map_err(sqlite)? {
        found if found > migrations.len() => Err(OpenError::TooNew { path, found, known: migrations.len() }),
        found if found < migrations.len() => Err(OpenError::TooOld { path }),
        _ => Ok((path, db)),
    }
}

/// Password hashes and messages are in there: only the process's own user may look.
fn create_private(dir: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

enum MigrateError {
    Sqlite(rusqlite::Error),
    TooNew(usize),
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), MigrateError> {
    let found = format_of(connection)?;
    if found > migrations.len() {
        return Err(MigrateError::TooNew(found));
    }
    for (from, migration) in migrations.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", limit(from + 1))?;
        transaction.commit()?;
    }
    Ok(())
}

fn format_of(connection: &Connection) -> rusqlite::Result<usize> {
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map(from_sql)?;
    Ok(usize::try_from(found).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_brought_forward_once_and_newer_ones_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = "CREATE TABLE one (x INTEGER) STRICT";
        let second = "ALTER TABLE one ADD COLUMN y INTEGER";
        drop(open_file(dir.path(), "test", &[first]).unwrap());
        drop(open_file(dir.path(), "test", &[first, second]).unwrap());
        drop(open_file(dir.path(), "test", &[first, second]).unwrap());
        let newer = open_file(dir.path(), "test", &[first]).err();
        assert!(matches!(newer, Some(OpenError::TooNew { found: 2, known: 1, .. })), "{newer:?}");
    }

    #[test]
    fn beside_a_process_a_file_is_opened_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let open = |migrations: &[&str]| open_beside(dir.path(), "test", migrations).err();
        let first = "CREATE TABLE one (x INTEGER) STRICT";
        assert!(matches!(open(&[first]), Some(OpenError::Absent { .. })));
        assert!(!dir.path().join("test.db").exists(), "none is made");
        let running = open_file(dir.path(), "test", &[first]).unwrap();
        assert!(open(&[first]).is_none());
        assert!(matches!(open(&[first, first]), Some(OpenError::TooOld { .. })));
        assert!(matches!(open(&[]), Some(OpenError::TooNew { .. })));
        drop(running);
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let first = open_file(dir.path(), "test", &[]).unwrap();
        assert!(matches!(open_file(dir.path(), "test", &[]), Err(OpenError::InUse { .. })));
        drop(first);
        assert!(open_file(dir.path(), "test", &[]).is_ok());
    }
}
