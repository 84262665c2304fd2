// `core::net` has addresses and no sockets.
use core::net::IpAddr;

use crate::{
    Chat, ChatError, SignedIn,
    id::UserId,
    limits::{AccountKey, client_of},
    media::Picture,
    ports::{Asker, StoreError},
    user::{User, is_plain_line},
};

/// What somebody gives to get an account. Contracts have already checked it by their own rules.
pub struct NewAccount {
    pub email: String,
    pub name: String,
    pub password: String,
    /// Left out when it is kept elsewhere and [`crate::Bounds::external_pictures`] is off.
    pub picture: Option<Picture>,
    pub bio: String,
}

/// bcrypt reads no more than this of a password; longer ones would be equal when their beginnings are.
const PASSWORD_BYTES_MAX: usize = 72;

impl Chat {
    /// Makes an account and a session for it. `from`: the client's address.
    ///
    /// # Errors
    /// `Conflict` with code `email_taken`; `Invalid` with code `password_too_long`, `name_characters` or
    /// `email_characters`; `Forbidden` with code `sign_up_off`; `Busy` when too many passwords wait to be hashed.
    pub async fn sign_up(&self, account: NewAccount, from: IpAddr) -> Result<SignedIn, ChatError> {
        if !self.bounds.sign_up_is_open {
            let message = "New accounts are not made here";
            return Err(ChatError::Forbidden { code: "sign_up_off", message });
        }
        let NewAccount { email, name, password, picture, bio } = account;
        if password.len() > PASSWORD_BYTES_MAX {
            let message = format!("Password must be at most {PASSWORD_BYTES_MAX} bytes");
            return Err(ChatError::invalid("password_too_long", message));
        }
        for (what, text, code) in
            [("A name", &name, "name_characters"), ("An address", &email, "email_characters")]
        {
            if !is_plain_line(text) {
                let message = format!(
                    "{what} must not contain line breaks, other control characters, or characters that turn the \
                     direction of text"
                );
                return Err(ChatError::invalid(code, message));
            }
        }
        let taken =
            || ChatError::Conflict { code: "email_taken", message: "The address has an account already" };
        if self.ports.store.user_by_email(&email).await?.is_some() {
            return Err(taken());
        }
        let allowed =
            |picture: &Picture| self.bounds.external_pictures || !matches!(picture, Picture::External(_));
        let picture = picture.filter(allowed);
        let asker = Asker { client: client_of(from), account: Some(AccountKey::of_email(&email)) };
        let password_hash = self.ports.passwords.hash(&password, asker).await?;
        let now = self.now();
        let id = UserId(self.ids.mint(now));
        let user = User {
            id,
            email,
            name,
            password_hash,
            picture,
            bio,
            created_at: now,
            updated_at: now,
            sessions_ended_through: None,
        };
        match self.ports.store.insert_user(&user).await {
            Err(StoreError::Conflict(_)) => Err(taken()),
            Err(error) => Err(error.into()),
            Ok(()) => self.new_session(user),
        }
    }
}
