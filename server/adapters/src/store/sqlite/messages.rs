use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction, params};
use sockeye_core::{
    conversation::ConversationId,
    id::{MessageId, UserId},
    message::{Entry, Message, Origin},
    portion::Portion,
    ports::{Messages, StoreError},
    position::{Cursor, Position},
};

use super::{
    SqliteStore, rows,
    rows::{members_to, picture_to, time_to},
    statements as sql, unavailable,
};
use crate::sqlite::{Db, from_sql, limit, to_sql};

#[async_trait]
impl Messages for SqliteStore {
    async fn store_batch(&self, entries: &[Entry], through: &Cursor) -> Result<(), StoreError> {
        if entries.is_empty() && self.stored.borrow().covers_all(through) {
            return Ok(());
        }
        let (entries, done) = (entries.to_vec(), through.clone());
        let stored = Arc::clone(&self.stored);
        // The thread itself tells those who wait: the caller may be gone by the time it is done.
        let batch = move |db: &mut Db| {
            db.write(|tx| {
                entries.iter().try_for_each(|entry| store(tx, entry))?;
                done.iter().try_for_each(|position| advance(tx, position))
            })?;
            stored.send_modify(|stored| done.iter().for_each(|position| stored.advance(position)));
            Ok::<_, rusqlite::Error>(())
        };
        self.writer.run(batch).await.map_err(unavailable)?.map_err(unavailable)
    }

    async fn stored(&self) -> Result<Cursor, StoreError> {
        Ok(self.stored.borrow().clone())
    }

    async fn wait_stored(&self, position: &Cursor) -> Result<(), StoreError> {
        let mut stored = self.stored.subscribe();
        let all = stored.wait_for(|stored| stored.covers_all(position)).await;
        all.map(drop).map_err(unavailable)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.read(move |tx| tx.prepare_cached(sql::MESSAGE)?.query_row([id.0.0], rows::message).optional())
            .await
    }

    async fn history_within(
        &self,
        conversation: &ConversationId,
        before: Option<MessageId>,
        portion: Portion,
    ) -> Result<Vec<Message>, StoreError> {
        let key = conversation.key();
        self.read(move |tx| {
            let sql = if before.is_some() { sql::HISTORY_BEFORE } else { sql::HISTORY };
            let mut statement = tx.prepare_cached(sql)?;
            let latest = match before {
                None => statement.query(params![key, limit(portion.len_max)])?,
                Some(before) => statement.query(params![key, limit(portion.len_max), before.0.0])?,
            };
            let mut messages = rows::portion(latest, portion, rows::message, Message::answer_bytes)?;
            messages.reverse();
            Ok(messages)
        })
        .await
    }

    async fn inbox(&self, user: UserId, after: &Cursor, len_max: usize) -> Result<Vec<Entry>, StoreError> {
        let after = after.clone();
        self.read(move |tx| {
            let mut entries = vec![];
            for partition in stored(tx)?.iter().map(|position| position.partition) {
                let after = after.offset(partition).map_or(-1, to_sql);
                let left = limit(len_max - entries.len());
                let mut statement = tx.prepare_cached(sql::INBOX)?;
                for entry in statement.query_map(params![user.0.0, partition, after, left], rows::entry)? {
                    entries.push(entry?);
                }
            }
            Ok(entries)
        })
        .await
    }
}

/// How far the log has been stored.
pub(super) fn stored(tx: &Transaction<'_>) -> rusqlite::Result<Cursor> {
    let mut statement = tx.prepare_cached(sql::STORED)?;
    let positions = statement
        .query_map([], |row| Ok(Position { partition: row.get(0)?, offset: from_sql(row.get(1)?) }))?;
    positions.collect()
}

fn advance(tx: &Transaction<'_>, position: Position) -> rusqlite::Result<()> {
    tx.prepare_cached(sql::ADVANCE)?.execute((position.partition, to_sql(position.offset))).map(drop)
}

fn store(tx: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    let Entry { position, record } = entry;
    let (partition, offset) = (position.partition, to_sql(position.offset));
    let message = &record.message;
    let device = match record.origin {
        Origin::Device(device) => Some(device.0.0),
        Origin::Request => None,
    };
    let new = tx.prepare_cached(sql::INSERT_MESSAGE)?.execute(params![
        message.id.0.0,
        message.conversation.key(),
        partition,
        offset,
        message.sender.0.0,
        message.text,
        picture_to(message.picture.as_ref()),
        time_to(message.created_at),
        message.client_id,
        members_to(&record.members),
        device,
    ])? > 0;
    if !new {
        return Ok(());
    }
    let seq = tx.last_insert_rowid();
    let mut inbox = tx.prepare_cached(sql::INSERT_INBOX)?;
    for member in &record.members {
        inbox.execute(params![member.0.0, partition, offset, seq])?;
    }
    if let ConversationId::Direct(one, other) = message.conversation
        && one != other
    {
        let mut meet = tx.prepare_cached(sql::MEET)?;
        let at = time_to(message.created_at);
        meet.execute(params![one.0.0, other.0.0, at, partition, offset])?;
        meet.execute(params![other.0.0, one.0.0, at, partition, offset])?;
    }
    Ok(())
}
