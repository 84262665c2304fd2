//! People with accounts.

use serde::{Deserialize, Serialize};

use crate::{id::UserId, media::Picture, time::Timestamp};

/// An account. The union of what the contracts keep; a contract shows the fields it knows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// Exactly as typed: existing data is neither trimmed nor lower-cased (contracts, "MongoDB").
    pub email: String,
    pub name: String,
    /// bcrypt (`$2a$`, `$2b$`, `$2y$`); anything else is a wrong password, never an error.
    pub password_hash: String,
    pub picture: Option<Picture>,
    pub bio: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Sessions issued up to and including then are over, whenever their tokens expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_ended_through: Option<Timestamp>,
}

/// As much of an account as decides who may stay connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    pub user: UserId,
    /// As [`User::sessions_ended_through`].
    pub sessions_ended_through: Option<Timestamp>,
}

impl std::fmt::Debug for User {
    /// Without the address and the hash: users end up in logs through their neighbours.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}
