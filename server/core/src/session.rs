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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub expires_at: Timestamp,
}
