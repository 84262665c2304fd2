use std::{sync::Arc, time::Duration};

use rusqlite::{OptionalExtension, Transaction};
use sockeye_core::{
    message::Entry,
    ports::{LogError, Unreadable},
    position::Position,
};

use super::{PARTITION, tail::Tail, unavailable};
use crate::{
    sqlite::{Db, from_sql, limit, to_sql},
    workers::Workers,
};

/// Reads on threads of its own, each with its own connection.
pub(super) struct Reader {
    pub(super) workers: Workers<Db>,
    pub(super) tail: Arc<Tail>,
    pub(super) deadline: Duration,
}

impl Reader {
    pub(super) async fn read(&self, from: u64, len_max: usize) -> Result<Vec<Entry>, LogError> {
        if let Some(entries) = self.tail.read(from, len_max) {
            return Ok(entries);
        }
        self.run(move |db| db.read(|tx| rows(tx, from, len_max)).map_err(unavailable).and_then(decode)).await
    }

    /// The last offset that is stored.
    pub(super) async fn committed(&self) -> Result<Option<u64>, LogError> {
        self.run(move |db| db.read(committed).map_err(unavailable)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Db) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        match tokio::time::timeout(self.deadline, self.workers.run(read)).await {
            Ok(outcome) => outcome.map_err(unavailable)?,
            Err(_) => Err(unavailable("the disk did not answer in time")),
        }
    }
}

pub(super) fn committed(tx: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
    let mut statement = tx.prepare_cached("SELECT committed FROM groups WHERE name = 'store'")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?.map(from_sql))
}

type Row = (u64, Vec<u8>);

fn rows(tx: &Transaction<'_>, from: u64, len_max: usize) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT log_offset, record FROM entries WHERE log_offset >= ?1 ORDER BY log_offset LIMIT ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement
        .query_map((to_sql(from), limit(len_max)), |row| Ok((from_sql(row.get(0)?), row.get(1)?)))?;
    rows.collect()
}

/// Stops before an entry that cannot be read, unless it is the first: the good ones before it are not held up.
fn decode(rows: Vec<Row>) -> Result<Vec<Entry>, LogError> {
    let mut entries = Vec::with_capacity(rows.len());
    for (offset, bytes) in rows {
        match serde_json::from_slice(&bytes) {
            Ok(record) => entries.push(Entry { position: Position { partition: PARTITION, offset }, record }),
            Err(_) if !entries.is_empty() => break,
            Err(error) => {
                // Without the serializer's own words: they may quote the message.
                let reason = format!("not a record ({:?} error in {} bytes)", error.classify(), bytes.len());
                let position = Position { partition: PARTITION, offset };
                return Err(LogError::Unreadable(Unreadable { position, reason }));
            }
        }
    }
    Ok(entries)
}
