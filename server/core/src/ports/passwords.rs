use async_trait::async_trait;

/// Hashes and checks passwords (bcrypt), which is slow on purpose.
///
/// * Does not hold up the caller's thread; the number of hashes at work and waiting is bounded.
#[async_trait]
pub trait Passwords: Send + Sync {
    async fn hash(&self, password: &str) -> Result<String, PasswordError>;

    /// Whether `password` made `hash`. With no hash, or one that is no bcrypt hash: `false`, after as long as a
    /// comparison takes, so that the time does not tell whether an account exists.
    async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, PasswordError>;
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many log-ins and sign-ups wait already. Try again later.
    #[error("too many passwords wait to be checked")]
    Busy,
    #[error("password hashing failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
