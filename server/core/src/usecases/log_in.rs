use super::log_out::session_begins_at;
use crate::{
    Chat, ChatError,
    ports::{PasswordError, TokenError},
    session::Session,
    user::User,
};

/// A user with a fresh session.
#[derive(Debug)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    /// Proves the session. A secret.
    pub token: Token,
}

/// A session's token; kept out of debug output.
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Chat {
    /// # Errors
    /// `Unauthenticated` with code `bad_credentials`: the same, after the same time, for an unknown address and a wrong
    /// password.
    pub async fn log_in(&self, email: &str, password: &str) -> Result<SignedIn, ChatError> {
        let user = self.ports.store.user_by_email(email).await?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let matches = self.ports.passwords.verify(password, hash).await?;
        match user {
            Some(user) if matches => self.new_session(user),
            _ => Err(ChatError::Unauthenticated { code: "bad_credentials", message: "Invalid credentials" }),
        }
    }

    pub(crate) fn new_session(&self, user: User) -> Result<SignedIn, ChatError> {
        let begins_at = session_begins_at(&user, self.now());
        let (token, session) = self.ports.tokens.issue(user.id, begins_at)?;
        Ok(SignedIn { user, session, token: Token(token) })
    }
}

impl From<PasswordError> for ChatError {
    fn from(error: PasswordError) -> Self {
        Self::Unavailable { what: "password checking", source: Some(Box::new(error)) }
    }
}

impl From<TokenError> for ChatError {
    fn from(error: TokenError) -> Self {
        Self::Unavailable { what: "token signing", source: Some(Box::new(error)) }
    }
}
