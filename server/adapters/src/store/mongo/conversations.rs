use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};
use sockeye_core::{
    conversation::{Conversation, ConversationId},
    id::{GroupId, ObjectId, UserId},
    ports::{Conversations, StoreError},
};

use super::{MongoStore, documents::oid, names};

/// `{_id, members: [ObjectId]}`
#[async_trait]
impl Conversations for MongoStore {
    async fn group(&self, id: GroupId) -> Result<Option<Conversation>, StoreError> {
        let groups = self.database.collection::<Document>(names::GROUPS);
        let found =
            self.read(groups.find_one(doc! { "_id": oid(id.0) }).max_time(self.read_deadline)).await?;
        let members = found.as_ref().and_then(|group| group.get_array("members").ok()).into_iter().flatten();
        let members = members.filter_map(Bson::as_object_id).map(|id| UserId(ObjectId(id.bytes())));
        let mut members: Vec<_> = members.collect();
        members.sort_unstable();
        members.dedup();
        let found = !members.is_empty();
        Ok(found.then_some(Conversation { id: ConversationId::Group(id), members }))
    }
}
