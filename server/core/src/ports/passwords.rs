// `core::net` has addresses and no sockets.
use core::net::IpAddr;

use async_trait::async_trait;

use crate::limits::AccountKey;

/// Hashes and checks passwords (bcrypt), which is slow on purpose.
///
/// * Does not hold up the caller's thread; the number of hashes at work and waiting is bounded.
/// * Turns are fair by client and by account: whoever had a turn longest ago is next, and when too many wait it is one of
///   those who had a turn last, or have most waiting, who is refused. So nobody waits for the many of another.
#[async_trait]
pub trait Passwords: Send + Sync {
    async fn hash(&self, password: &str, asker: Asker) -> Result<String, PasswordError>;

    /// Whether `password` made `hash`. With no hash, or one that is no bcrypt hash: `false`, after as long as a
    /// comparison takes, so that the time does not tell whether an account exists. Hashes that cost less than most take as
    /// long as most.
    async fn verify(&self, password: &str, hash: Option<&str>, asker: Asker) -> Result<bool, PasswordError>;

    /// Whether [`Passwords::hash`] would make a hash of the same password that is costlier to guess from.
    fn is_outdated(&self, hash: &str) -> bool;
}

/// On whose behalf a password is hashed or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// As [`crate::limits::client_of`] gives it.
    pub client: IpAddr,
    /// `None`: the client alone counts, because it has proven before that the account is its own.
    pub account: Option<AccountKey>,
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many log-ins and sign-ups wait already. Try again later.
    #[error("too many passwords wait to be checked")]
    Busy { retry_after_ms: u64 },
    #[error("password hashing failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
