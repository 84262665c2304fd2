use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::{
    Collection,
    bson::{Binary, Document, doc, spec::BinarySubtype},
};
use sockeye_core::{
    ports::{Sessions, StoreError},
    session::SessionId,
    time::Timestamp,
};

use super::{MongoStore, documents::date, names};

/// `{_id: <16 bytes>, until: Date}`; MongoDB removes them after `until` (a TTL index).
#[async_trait]
impl Sessions for MongoStore {
    async fn end_session(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError> {
        let sessions = self.ended_sessions_collection();
        let end = sessions
            .update_one(doc! { "_id": key(id) }, doc! { "$max": { "until": date(until) } })
            .upsert(true);
        self.write(end).await?;
        Ok(())
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, StoreError> {
        let sessions = self.ended_sessions_collection();
        let found =
            self.read(sessions.find_one(doc! { "_id": key(id) }).max_time(self.read_deadline)).await?;
        Ok(found.is_some())
    }

    async fn ended_sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
        let keys: Vec<Binary> = ids.iter().map(|&id| key(id)).collect();
        let sessions = self.ended_sessions_collection();
        let query = async {
            let found = sessions
                .find(doc! { "_id": { "$in": keys } })
                .projection(doc! { "_id": 1 })
                .max_time(self.read_deadline)
                .await?;
            found.try_collect::<Vec<Document>>().await
        };
        let found = self.read(query).await?;
        Ok(found.iter().filter_map(id_of).collect())
    }
}

impl MongoStore {
    fn ended_sessions_collection(&self) -> Collection<Document> {
        self.database.collection(names::SESSIONS)
    }
}

fn id_of(document: &Document) -> Option<SessionId> {
    let bytes = document.get_binary_generic("_id").ok()?;
    bytes.as_slice().try_into().ok().map(SessionId)
}

fn key(id: SessionId) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: id.0.to_vec() }
}
