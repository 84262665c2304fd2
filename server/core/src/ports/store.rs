use async_trait::async_trait;

use crate::{
    conversation::{Conversation, ConversationId},
    id::{GroupId, MessageId, UserId},
    media::Picture,
    message::{Entry, Message},
    portion::Portion,
    position::Cursor,
    session::SessionId,
    time::Timestamp,
    user::{AccountState, User},
};

/// Everything that is kept. What a call wrote survives a crash once it has returned; a call is done as a whole or not at all.
pub trait Store: Users + Messages + Conversations + Sessions {}
impl<T: Users + Messages + Conversations + Sessions> Store for T {}

#[async_trait]
pub trait Users: Send + Sync {
    /// # Errors
    /// [`StoreError::Conflict`] when the address is taken (compared byte for byte), however many ask at once.
    async fn insert_user(&self, user: &User) -> Result<(), StoreError>;

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError>;

    /// Those of `ids` who have an account, each once, in no particular order: one question, however many they are. What was
    /// written before the call, on whichever node, is seen. The caller bounds the number.
    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<AccountState>, StoreError>;

    /// The user's sessions issued up to and including `through` are over; never goes back to an earlier time. Whether there is
    /// such a user. Nothing else of the account changes.
    async fn end_sessions(&self, id: UserId, through: Timestamp) -> Result<bool, StoreError>;

    /// The user with the new picture, or `None` when there is no such user.
    async fn set_picture(
        &self,
        id: UserId,
        picture: &Picture,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError>;

    /// Puts `new` in place of the user's password hash if that is still `old`, and changes nothing else. Whether it did.
    async fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError>;

    /// Password hashes of some accounts, at most `len_max`: half of them the oldest accounts', half the newest's (all, when
    /// there are no more). In no order; one may be there twice.
    async fn some_password_hashes(&self, len_max: usize) -> Result<Vec<String>, StoreError>;

    /// Everybody but `except`, in order of their ids (which rise with time: the order in which they signed up), from after `after` on.
    async fn people_within(
        &self,
        except: UserId,
        after: Option<UserId>,
        portion: Portion,
    ) -> Result<Vec<User>, StoreError>;

    /// The others with whom `user` has exchanged messages directly, latest exchange first.
    async fn partners_within(&self, user: UserId, portion: Portion) -> Result<Vec<User>, StoreError>;

    /// [`Users::people_within`], however large they are.
    async fn people(
        &self,
        except: UserId,
        after: Option<UserId>,
        len_max: usize,
    ) -> Result<Vec<User>, StoreError> {
        self.people_within(except, after, Portion::of_len(len_max)).await
    }

    /// [`Users::partners_within`], however large they are.
    async fn partners(&self, user: UserId, len_max: usize) -> Result<Vec<User>, StoreError> {
        self.partners_within(user, Portion::of_len(len_max)).await
    }
}

#[async_trait]
pub trait Messages: Send + Sync {
    /// Stores entries, each message once by its id: one that is there already stays as it is. Then remembers that the log
    /// is stored through `through` (never going back).
    async fn store_batch(&self, entries: &[Entry], through: &Cursor) -> Result<(), StoreError>;

    /// How far the log has been stored, by whichever node.
    async fn stored(&self) -> Result<Cursor, StoreError>;

    /// Returns when everything up to `position` was stored by [`Messages::store_batch`] (on whichever node). Safe to
    /// cancel; the caller sets the deadline.
    async fn wait_stored(&self, position: &Cursor) -> Result<(), StoreError>;

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError>;

    /// The latest messages of a conversation, or the latest before message `before`; oldest first, in log order. Where the
    /// portion ends, the oldest are missing. Nothing is before a message that is not in the conversation.
    async fn history_within(
        &self,
        conversation: &ConversationId,
        before: Option<MessageId>,
        portion: Portion,
    ) -> Result<Vec<Message>, StoreError>;

    /// [`Messages::history_within`], however large they are.
    async fn history(
        &self,
        conversation: &ConversationId,
        before: Option<MessageId>,
        len_max: usize,
    ) -> Result<Vec<Message>, StoreError> {
        self.history_within(conversation, before, Portion::of_len(len_max)).await
    }

    /// Stored entries of conversations with `user` as a member (own messages too), after `after`, in log order, at most
    /// `len_max`. A partition that `after` does not name counts from its beginning.
    async fn inbox(&self, user: UserId, after: &Cursor, len_max: usize) -> Result<Vec<Entry>, StoreError>;
}

#[async_trait]
pub trait Conversations: Send + Sync {
    /// A group with its members; direct conversations are not kept.
    async fn group(&self, id: GroupId) -> Result<Option<Conversation>, StoreError>;
}

#[async_trait]
pub trait Sessions: Send + Sync {
    /// The session is over; remembered until `until`, when its token would have expired anyway.
    async fn end_session(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError>;

    async fn session_ended(&self, id: SessionId) -> Result<bool, StoreError>;

    /// Those of `ids` that are over by [`Sessions::end_session`], each once, in no particular order: one question, however many
    /// they are. What was written before the call, on whichever node, is seen. The caller bounds the number.
    async fn ended_sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError>;
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something with this key is there already. Trying again will not help.
    #[error("{0} is taken")]
    Conflict(&'static str),
    /// The store does not answer, or failed. Trying again may help.
    #[error("store unavailable: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
