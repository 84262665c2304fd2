use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Document, RawDocumentBuf, doc, oid::ObjectId as Oid},
    options::ReturnDocument,
};
use sockeye_core::{
    id::UserId,
    media::Picture,
    portion::Portion,
    ports::{StoreError, Users},
    time::Timestamp,
    user::{AccountState, User},
};

use super::{
    MongoStore,
    documents::{SESSIONS_ENDED_THROUGH, account_from, date, document_from, user_from, user_oid, user_to},
    error::MongoError,
};

#[async_trait]
impl Users for MongoStore {
    async fn insert_user(&self, user: &User) -> Result<(), StoreError> {
        let document = user_to(user, self.schema, &self.pictures);
        match self.write(self.users().insert_one(document)).await {
            Err(MongoError::Duplicate(index)) if index == "_id_" => Err(StoreError::Conflict("the user id")),
            Err(MongoError::Duplicate(_)) => Err(StoreError::Conflict("the address")),
            done => Ok(done.map(drop)?),
        }
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.find_user(doc! { "_id": user_oid(id) }).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        self.find_user(doc! { "email": { "$eq": email } }).await
    }

    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<AccountState>, StoreError> {
        let ids: Vec<Oid> = ids.iter().map(|&id| user_oid(id)).collect();
        let users = self.users();
        let query = async {
            let found = users
                .find(doc! { "_id": { "$in": ids } })
                .projection(doc! { "email": 1, SESSIONS_ENDED_THROUGH: 1 })
                .max_time(self.read_deadline)
                .await?;
            found.try_collect::<Vec<Document>>().await
        };
        let found = self.read(query).await?;
        Ok(found.iter().filter_map(account_from).collect())
    }

    /// The time is in a sub-document of ours, which the original backends overlook and keep.
    async fn end_sessions(&self, id: UserId, through: Timestamp) -> Result<bool, StoreError> {
        let change = doc! { "$max": { SESSIONS_ENDED_THROUGH: date(through) } };
        let users = self.users();
        let changed = self.write(users.update_one(doc! { "_id": user_oid(id) }, change)).await?;
        Ok(changed.matched_count > 0)
    }

    async fn set_picture(
        &self,
        id: UserId,
        picture: &Picture,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let set = doc! { self.schema.picture_field(): self.pictures.text(picture), "updatedAt": date(now) };
        let users = self.users().clone_with_type::<RawDocumentBuf>();
        let change = users
            .find_one_and_update(doc! { "_id": user_oid(id) }, doc! { "$set": set })
            .return_document(ReturnDocument::After);
        let changed = self.write(change).await?;
        Ok(changed
            .as_deref()
            .and_then(document_from)
            .and_then(|document| user_from(&document, self.schema, &self.pictures)))
    }

    async fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        let users = self.users();
        let which = doc! { "_id": user_oid(id), "password": { "$eq": old } };
        let change = users.update_one(which, doc! { "$set": { "password": new } });
        Ok(self.write(change).await?.matched_count > 0)
    }

    async fn some_password_hashes(&self, len_max: usize) -> Result<Vec<String>, StoreError> {
        let newest_len = len_max / 2;
        let mut hashes = self.password_hashes(1, len_max - newest_len).await?;
        hashes.extend(self.password_hashes(-1, newest_len).await?);
        Ok(hashes)
    }

    /// In the order of their ids, which begin with the second of signing up.
    async fn people_within(
        &self,
        except: UserId,
        after: Option<UserId>,
        portion: Portion,
    ) -> Result<Vec<User>, StoreError> {
        let len_max = portion.len_max;
        if len_max == 0 {
            return Ok(vec![]);
        }
        let after =
            after.map_or(doc! { "$gte": Oid::from_bytes([0; 12]) }, |after| doc! { "$gt": user_oid(after) });
        let mut range = after;
        range.insert("$ne", user_oid(except));
        let users = self.users();
        let query = async {
            // No limit: documents that are no users are skipped without making the answer shorter.
            let mut found = users
                .find(doc! { "_id": range })
                .sort(doc! { "_id": 1 })
                .batch_size(u32::try_from(len_max).unwrap_or(u32::MAX).clamp(2, PEOPLE_BATCH_LEN_MAX))
                .max_time(self.read_deadline)
                .await?;
            let (mut people, mut filling) = (vec![], portion.filling());
            while !filling.is_full() && found.advance().await? {
                let document = Document::try_from(found.current())?;
                if let Some(user) = user_from(&document, self.schema, &self.pictures) {
                    filling.add(user.answer_bytes());
                    people.push(user);
                }
            }
            Ok(people)
        };
        self.read(query).await
    }

    async fn partners_within(&self, user: UserId, portion: Portion) -> Result<Vec<User>, StoreError> {
        self.partners_of(user, portion).await
    }
}

/// Documents fetched at a time.
const PEOPLE_BATCH_LEN_MAX: u32 = 1_000;

impl MongoStore {
    /// `order`: 1 for the oldest first, -1 for the newest.
    async fn password_hashes(&self, order: i32, len_max: usize) -> Result<Vec<String>, StoreError> {
        if len_max == 0 {
            return Ok(vec![]);
        }
        let users = self.users();
        let query = async {
            let mut found = users
                .find(doc! { "_id": { "$gte": Oid::from_bytes([0; 12]) } })
                .projection(doc! { "password": 1 })
                .sort(doc! { "_id": order })
                .limit(i64::try_from(len_max).unwrap_or(i64::MAX))
                .max_time(self.read_deadline)
                .await?;
            let mut hashes = vec![];
            while found.advance().await? {
                // An account without a password has none to compare with.
                hashes.extend(found.current().get_str("password").ok().map(str::to_owned));
            }
            Ok(hashes)
        };
        self.read(query).await
    }

    async fn find_user(&self, filter: Document) -> Result<Option<User>, StoreError> {
        let users = self.users().clone_with_type::<RawDocumentBuf>();
        let found = self.read(users.find_one(filter).max_time(self.read_deadline)).await?;
        Ok(found
            .as_deref()
            .and_then(document_from)
            .and_then(|document| user_from(&document, self.schema, &self.pictures)))
    }
}
