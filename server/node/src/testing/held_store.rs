//! A store whose answers can be held back, so that something else happens between a question and what is made of its answer.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use sockeye_core::{
    conversation::{Conversation, ConversationId},
    id::{GroupId, MessageId, UserId},
    media::Picture,
    message::{Entry, Message},
    portion::Portion,
    ports::{Conversations, Messages, Sessions, Store, StoreError, Users},
    position::Cursor,
    session::SessionId,
    time::Timestamp,
    user::{AccountState, User},
};
use tokio::sync::Notify;

pub struct HeldStore {
    store: Arc<dyn Store>,
    /// Holds back who a user is.
    pub user: Gate,
    /// Holds back which accounts there are.
    pub accounts: Gate,
    /// How often somebody's messages were asked for.
    pub inbox_count: AtomicUsize,
    gone: Mutex<HashSet<UserId>>,
}

/// Holds back one answer.
#[derive(Default)]
pub struct Gate {
    closed: AtomicBool,
    reached: Notify,
    opened: Notify,
}

impl Gate {
    /// The next answer waits.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Until an answer waits.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    pub fn open(&self) {
        self.opened.notify_one();
    }

    async fn pass(&self) {
        if self.closed.swap(false, Ordering::SeqCst) {
            self.reached.notify_one();
            self.opened.notified().await;
        }
    }
}

impl HeldStore {
    pub fn over(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            user: Gate::default(),
            accounts: Gate::default(),
            inbox_count: AtomicUsize::new(0),
            gone: Mutex::default(),
        }
    }

    /// Somebody deletes the account in the database.
    pub fn delete(&self, user: UserId) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
    }

    fn is_gone(&self, user: UserId) -> bool {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).contains(&user)
    }
}

#[async_trait]
impl Users for HeldStore {
    async fn insert_user(&self, user: &User) -> Result<(), StoreError> {
        self.store.insert_user(user).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let user = self.store.user(id).await;
        self.user.pass().await;
        user.map(|user| user.filter(|user| !self.is_gone(user.id)))
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        self.store.user_by_email(email).await
    }

    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<AccountState>, StoreError> {
        let mut accounts = self.store.accounts(ids).await?;
        self.accounts.pass().await;
        accounts.retain(|account| !self.is_gone(account.user));
        Ok(accounts)
    }

    async fn end_sessions(&self, id: UserId, through: Timestamp) -> Result<bool, StoreError> {
        self.store.end_sessions(id, through).await
    }

    async fn set_picture(
        &self,
        id: UserId,
        picture: &Picture,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        self.store.set_picture(id, picture, now).await
    }

    async fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        self.store.replace_password_hash(id, old, new).await
    }

    async fn some_password_hashes(&self, len_max: usize) -> Result<Vec<String>, StoreError> {
        self.store.some_password_hashes(len_max).await
    }

    async fn people_within(
        &self,
        except: UserId,
        after: Option<UserId>,
        portion: Portion,
    ) -> Result<Vec<User>, StoreError> {
        self.store.people_within(except, after, portion).await
    }

    async fn partners_within(&self, user: UserId, portion: Portion) -> Result<Vec<User>, StoreError> {
        self.store.partners_within(user, portion).await
    }
}

#[async_trait]
impl Messages for HeldStore {
    async fn store_batch(&self, entries: &[Entry], through: &Cursor) -> Result<(), StoreError> {
        self.store.store_batch(entries, through).await
    }

    async fn stored(&self) -> Result<Cursor, StoreError> {
        self.store.stored().await
    }

    async fn wait_stored(&self, position: &Cursor) -> Result<(), StoreError> {
        self.store.wait_stored(position).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.store.message(id).await
    }

    async fn history_within(
        &self,
        conversation: &ConversationId,
        before: Option<MessageId>,
        portion: Portion,
    ) -> Result<Vec<Message>, StoreError> {
        self.store.history_within(conversation, before, portion).await
    }

    async fn inbox(&self, user: UserId, after: &Cursor, len_max: usize) -> Result<Vec<Entry>, StoreError> {
        self.inbox_count.fetch_add(1, Ordering::SeqCst);
        self.store.inbox(user, after, len_max).await
    }
}

#[async_trait]
impl Conversations for HeldStore {
    async fn group(&self, id: GroupId) -> Result<Option<Conversation>, StoreError> {
        self.store.group(id).await
    }
}

#[async_trait]
impl Sessions for HeldStore {
    async fn end_session(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError> {
        self.store.end_session(id, until).await
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, StoreError> {
        self.store.session_ended(id).await
    }

    async fn ended_sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
        self.store.ended_sessions(ids).await
    }
}
