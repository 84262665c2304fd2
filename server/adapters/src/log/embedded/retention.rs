use rusqlite::Transaction;

use crate::sqlite::{from_sql, limit, to_sql};

/// Drops the oldest entries, at most `len_max`, that are committed and that were appended before `before`
/// (milliseconds since 1970): always a piece from the beginning, so that what remains is dense. How many went.
pub(super) fn drop_older(tx: &Transaction<'_>, before: u64, len_max: usize) -> rusqlite::Result<usize> {
    let Some(committed) = super::reader::committed(tx)? else { return Ok(0) };
    let mut oldest = tx.prepare_cached(
        "SELECT log_offset, appended_at FROM entries WHERE log_offset <= ?1 ORDER BY log_offset LIMIT ?2",
    )?;
    let mut rows = oldest.query((to_sql(committed), limit(len_max)))?;
    let mut dropped = 0;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if from_sql(row.get(1)?) >= before {
            break;
        }
        last = Some(row.get::<_, i64>(0)?);
        dropped += 1;
    }
    drop(rows);
    if let Some(last) = last {
        tx.prepare_cached("UPDATE bounds SET first_offset = ?1 + 1")?.execute([last])?;
        tx.prepare_cached("DELETE FROM entries WHERE log_offset <= ?1")?.execute([last])?;
    }
    Ok(dropped)
}
