//! Proof of who somebody is.

use sha2::{Digest, Sha256};

use crate::{id::UserId, time::Timestamp};

/// Names one log-in: a digest of its token, so that it can be kept and compared without keeping the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    pub fn of_token(token: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

/// A proven log-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    /// To the millisecond in our own tokens, to the second in those of the backends before us, and the beginning of time where
    /// a token does not say.
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Session {
    /// Whether it is among the sessions that ended all together, if they did. What was issued in that very millisecond did.
    pub fn ended_by(&self, sessions_ended_through: Option<Timestamp>) -> bool {
        sessions_ended_through.is_some_and(|through| self.issued_at <= through)
    }
}

/// Who somebody is, and by what that was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proven {
    pub user: UserId,
    /// Absent when the operator has claims believed.
    pub session: Option<Session>,
}
