// `core::net` has addresses and no sockets.
use core::net::IpAddr;

use super::log_out::session_begins_at;
use crate::{
    Chat, ChatError,
    limits::{AccountKey, client_of},
    ports::{Asker, PasswordError, TokenError},
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
    /// Why the hash of the password, which should have been renewed, was not: the next log-in tries again.
    pub not_renewed: Option<ChatError>,
}

/// A session's token; kept out of debug output.
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Chat {
    /// `from`: the client's address.
    ///
    /// # Errors
    /// `Unauthenticated` with code `bad_credentials`: the same, after the same time, for an unknown address and a wrong
    /// password. `TooMany` when there were too many wrong passwords for this account; `Busy` when too many passwords wait
    /// to be checked.
    pub async fn log_in(&self, email: &str, password: &str, from: IpAddr) -> Result<SignedIn, ChatError> {
        let account = AccountKey::of_email(email);
        let guess = self.guess(account, from).await?;
        // Others who guess at this account cannot keep its owner waiting where the owner has been before.
        let account = Some(account).filter(|_| !guess.known);
        let asker = Asker { client: client_of(from), account };
        let checked = self.check_password(email, password, asker).await;
        self.settle(&guess, &checked).await;
        let user = checked?
            .ok_or(ChatError::Unauthenticated { code: "bad_credentials", message: "Invalid credentials" })?;
        let renewed = self.renew_hash(&user, password, asker).await;
        Ok(SignedIn { not_renewed: renewed.err(), ..self.new_session(user)? })
    }

    /// Whose address and password these are.
    async fn check_password(
        &self,
        email: &str,
        password: &str,
        asker: Asker,
    ) -> Result<Option<User>, ChatError> {
        let user = self.ports.store.user_by_email(email).await?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let matches = self.ports.passwords.verify(password, hash, asker).await?;
        Ok(user.filter(|_| matches))
    }

    async fn renew_hash(&self, user: &User, password: &str, asker: Asker) -> Result<(), ChatError> {
        let old = &user.password_hash;
        if self.bounds.renew_hashes && self.ports.passwords.is_outdated(old) {
            let new = self.ports.passwords.hash(password, asker).await?;
            // Where it is no longer the old one, somebody else has renewed it.
            self.ports.store.replace_password_hash(user.id, old, &new).await?;
        }
        Ok(())
    }

    pub(crate) fn new_session(&self, user: User) -> Result<SignedIn, ChatError> {
        let begins_at = session_begins_at(&user, self.now());
        let (token, session) = self.ports.tokens.issue(user.id, begins_at)?;
        Ok(SignedIn { user, session, token: Token(token), not_renewed: None })
    }
}

impl From<PasswordError> for ChatError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy { retry_after_ms } => Self::Busy { retry_after_ms },
            PasswordError::Failed(_) => {
                Self::Unavailable { what: "password checking", source: Some(Box::new(error)) }
            }
        }
    }
}

impl From<TokenError> for ChatError {
    fn from(error: TokenError) -> Self {
        Self::Unavailable { what: "token signing", source: Some(Box::new(error)) }
    }
}
