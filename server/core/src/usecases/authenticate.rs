use crate::{Chat, ChatError, id::UserId, ports::TokenError, session::Session, user::User};

impl Chat {
    /// Who holds this token.
    ///
    /// # Errors
    /// `Unauthenticated` with code `token_invalid`, `token_without_user` or `token_expired` (also after a log-out); `NotFound` with code
    /// `user_gone` when the account no longer exists.
    pub async fn authenticate(&self, token: &str) -> Result<(Session, User), ChatError> {
        let session = self.ports.tokens.verify(token, self.now()).map_err(|error| {
            let (code, message) = match error {
                TokenError::Expired => ("token_expired", "The session has expired"),
                TokenError::Invalid => ("token_invalid", "The token is not valid"),
                TokenError::NoUser => ("token_without_user", "The token names no user"),
            };
            ChatError::Unauthenticated { code, message }
        })?;
        let ended = || ChatError::Unauthenticated { code: "token_expired", message: "The session has ended" };
        if self.ports.store.session_ended(session.id).await? {
            return Err(ended());
        }
        let gone = ChatError::NotFound { code: "user_gone", message: "User not found" };
        let user = self.ports.store.user(session.user).await?.ok_or(gone)?;
        if session.ended_by(user.sessions_ended_through) {
            return Err(ended());
        }
        self.acquaintance.meet(user.id, self.now());
        Ok((session, user))
    }

    /// Whether there is such an account.
    pub async fn user_exists(&self, user: UserId) -> Result<bool, ChatError> {
        Ok(self.ports.store.user(user).await?.is_some())
    }
}
