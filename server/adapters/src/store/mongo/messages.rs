use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Document, RawDocumentBuf, doc},
    error::{Error, ErrorKind},
};
use sockeye_core::{
    conversation::ConversationId,
    id::{MessageId, UserId},
    message::{Entry, Message},
    portion::Portion,
    ports::{Messages, StoreError},
    position::Cursor,
};

use super::{
    MongoStore,
    documents::{document_from, entry_from, long, message_from, message_to, oid, user_oid},
    error::{DUPLICATE_KEY, MongoError, index_of},
    majority,
};

#[async_trait]
impl Messages for MongoStore {
    /// Three steps, each confirmed by most members: where the clocks are (known, when this process stored what comes
    /// before), the messages, how far. After a crash between them the same is done again, with the same result.
    async fn store_batch(&self, entries: &[Entry], through: &Cursor) -> Result<(), StoreError> {
        let mut clocks = self.progress.known().clocks.clone();
        if !clocks.lead_to(entries) {
            clocks = self.progress.read().await?.clocks;
        }
        let (orders, clocks) = clocks.follow(entries);
        let documents: Vec<_> = entries
            .iter()
            .zip(orders)
            .map(|(entry, order)| message_to(entry, order, &self.log_name, self.schema, &self.pictures))
            .collect();
        self.insert_missing(&documents).await?;
        Ok(self.progress.advance(through, &clocks, self.write_deadline).await?)
    }

    async fn stored(&self) -> Result<Cursor, StoreError> {
        Ok(self.progress.read().await?.stored)
    }

    async fn wait_stored(&self, position: &Cursor) -> Result<(), StoreError> {
        Ok(self.progress.wait(position).await?)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let messages = self.messages().clone_with_type::<RawDocumentBuf>();
        let found = messages.find_one(doc! { "_id": oid(id.0) }).max_time(self.read_deadline);
        let found = self.read(found).await?;
        let found = found.as_deref().and_then(document_from);
        Ok(found.and_then(|document| message_from(&document, &self.pictures)))
    }

    async fn history_within(
        &self,
        conversation: &ConversationId,
        before: Option<MessageId>,
        portion: Portion,
    ) -> Result<Vec<Message>, StoreError> {
        // Four queries at a time are a large future.
        Box::pin(self.history_of(conversation, before, portion)).await
    }

    /// Only through where each partition is stored: beyond, a batch may be half there.
    async fn inbox(&self, user: UserId, after: &Cursor, len_max: usize) -> Result<Vec<Entry>, StoreError> {
        let known = self.progress.read().await?;
        let ranges: Vec<_> = known
            .stored
            .iter()
            .filter(|stored| !after.covers(*stored))
            .map(|stored| {
                let after = after.offset(stored.partition).map_or(-1, long);
                doc! {
                    "sockeye.members": user_oid(user),
                    "sockeye.log": &self.log_name,
                    "sockeye.partition": i64::from(stored.partition),
                    "sockeye.offset": { "$gt": after, "$lte": long(stored.offset) },
                }
            })
            .collect();
        if ranges.is_empty() || len_max == 0 {
            return Ok(vec![]);
        }
        let messages = self.messages().clone_with_type::<RawDocumentBuf>();
        let query = async {
            let mut session = self.session_from(known.moment.as_ref()).await?;
            let mut found = messages
                .find(doc! { "$or": ranges })
                .sort(doc! { "sockeye.partition": 1, "sockeye.offset": 1 })
                .limit(limit(len_max))
                .max_time(self.read_deadline)
                .read_concern(majority())
                .selection_criteria(self.history_read.clone())
                .session(&mut session)
                .await?;
            let documents: Vec<RawDocumentBuf> = found.stream(&mut session).try_collect().await?;
            Ok(documents)
        };
        let documents = self.read(query).await?;
        let documents = documents.iter().filter_map(|raw| document_from(raw));
        Ok(documents.filter_map(|document| entry_from(&document, &self.pictures)).collect())
    }
}

impl MongoStore {
    /// Inserts messages that are not there; those that are stay as they are.
    async fn insert_missing(&self, documents: &[Document]) -> Result<(), MongoError> {
        if documents.is_empty() {
            return Ok(());
        }
        let messages = self.messages();
        let insert = async {
            match messages.insert_many(documents).ordered(false).await {
                Err(error) if only_repeats(&error) => Ok(()),
                done => done.map(drop),
            }
        };
        self.write(insert).await
    }
}

/// Whether nothing failed but inserts of messages that are there. The server confirms those as it does new ones: a write
/// that changes nothing waits until all that was there before is confirmed.
fn only_repeats(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::InsertMany(failures) => {
            failures.write_concern_error.is_none()
                && failures
                    .write_errors
                    .iter()
                    .flatten()
                    .all(|error| error.code == DUPLICATE_KEY && index_of(&error.message) == "_id_")
        }
        _ => false,
    }
}

/// A bound of documents as MongoDB takes it; 0 would be none.
pub(super) fn limit(len_max: usize) -> i64 {
    i64::try_from(len_max).unwrap_or(i64::MAX)
}
