use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::params;
use sockeye_core::{
    ports::{Sessions, StoreError},
    session::SessionId,
    time::Timestamp,
};

use super::{SqliteStore, rows::time_to, statements as sql};

/// Ended sessions forgotten at each log-out: more than one, so that they do not pile up.
const FORGET_LEN_MAX: i64 = 100;

#[async_trait]
impl Sessions for SqliteStore {
    async fn end_session(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError> {
        let now = time_to(self.clock.now());
        self.write(move |tx| {
            tx.prepare_cached(sql::FORGET_SESSIONS)?.execute(params![now, FORGET_LEN_MAX])?;
            tx.prepare_cached(sql::END_SESSION)?.execute(params![id.0, time_to(until)])?;
            Ok(())
        })
        .await
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, StoreError> {
        self.read(move |tx| tx.prepare_cached(sql::SESSION_ENDED)?.exists([id.0])).await
    }

    async fn ended_sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
        let ids: HashSet<SessionId> = ids.iter().copied().collect();
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(sql::SESSION_ENDED)?;
            let mut ended = vec![];
            for id in ids {
                if statement.exists([id.0])? {
                    ended.push(id);
                }
            }
            Ok(ended)
        })
        .await
    }
}
