use async_trait::async_trait;
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
        let sessions = self.ended_sessions();
        let end = sessions
            .update_one(doc! { "_id": key(id) }, doc! { "$max": { "until": date(until) } })
            .upsert(true);
        self.write(end).await?;
        Ok(())
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, StoreError> {
        let sessions = self.ended_sessions();
        let found =
            self.read(sessions.find_one(doc! { "_id": key(id) }).max_time(self.read_deadline)).await?;
        Ok(found.is_some())
    }
}

impl MongoStore {
    fn ended_sessions(&self) -> Collection<Document> {
        self.database.collection(names::SESSIONS)
    }
}

fn key(id: SessionId) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: id.0.to_vec() }
}
