use async_trait::async_trait;
use sockeye_core::{
    conversation::{Conversation, ConversationId},
    id::{GroupId, ObjectId, UserId},
    ports::{Conversations, StoreError},
};

use super::{SqliteStore, statements as sql};

#[async_trait]
impl Conversations for SqliteStore {
    async fn group(&self, id: GroupId) -> Result<Option<Conversation>, StoreError> {
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(sql::GROUP_MEMBERS)?;
            let members = statement.query_map([id.0.0], |row| row.get(0).map(ObjectId).map(UserId))?;
            let members = members.collect::<rusqlite::Result<Vec<_>>>()?;
            let found = !members.is_empty();
            Ok(found.then_some(Conversation { id: ConversationId::Group(id), members }))
        })
        .await
    }
}
