//! What the adapters on SQLite share: opening a file for durable use, and transactions that leave nothing half done.

mod db;
mod open;

pub(crate) use db::Db;
pub(crate) use open::{open_beside, open_file};

use std::path::PathBuf;

/// A data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// Two processes must not share a data directory: each would hand out the same places in the log.
    #[error("{} is in use by another process", path.display())]
    InUse { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
    #[error("{} was written by a newer version (format {found}; this one knows {known})", path.display())]
    TooNew { path: PathBuf, found: usize, known: usize },
    #[error("{} has not been brought to this version's format yet: start sockeye once", path.display())]
    TooOld { path: PathBuf },
    #[error("{} does not exist", path.display())]
    Absent { path: PathBuf },
}

/// Whole numbers in SQLite are signed: what is beyond (no offset or time gets there) stays at the end.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The inverse of [`to_sql`]; what was never written counts as 0.
pub(crate) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A bound of rows as SQLite takes it.
pub(crate) fn limit(len_max: usize) -> i64 {
    i64::try_from(len_max).unwrap_or(i64::MAX)
}
