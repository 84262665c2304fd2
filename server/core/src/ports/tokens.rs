use crate::{id::UserId, session::Session, time::Timestamp};

/// Makes and checks the tokens that prove a log-in (JWT, HS256; contracts, "Authentication").
///
/// * Two tokens are never the same text, not even for the same user in the same second.
pub trait Tokens: Send + Sync {
    /// The session's `issued_at` is `now`, to the millisecond, also when its token is verified.
    fn issue(&self, user: UserId, now: Timestamp) -> Result<(String, Session), TokenError>;

    /// Tokens issued by the backend that was here before, with the same secret, are as good as ours.
    fn verify(&self, token: &str, now: Timestamp) -> Result<Session, TokenError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token has expired")]
    Expired,
    /// Not signed by us, or damaged.
    #[error("the token is not valid")]
    Invalid,
    /// Signed by us, but about nobody.
    #[error("the token names no user")]
    NoUser,
}
