//! The gateway: connections, proof of identity, order, limits and delivery. The only place that knows the Socket.IO
//! server ([`wire`]); contracts and core do not.

pub mod announcement;
pub mod connection;
pub mod contract;
pub mod delivery;
pub mod fields;
pub mod http;
pub mod hub;
pub mod identity;
pub mod instruments;
pub mod outage;
pub mod recovery;
pub mod session_check;
mod sign_in;
pub mod users;
pub mod wire;

use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue};
use sockeye_core::{Chat, ChatError, PictureChange, SignedIn, id::UserId, session::Session, user::User};

use crate::audit::{self, Act, Outcome, Subject};

use self::{
    contract::Profile,
    http::{
        cookies::{self, CookieRules},
        limits::AddressLimits,
    },
};
pub use self::{
    fields::Fields,
    http::{
        body::{Bodies, JsonBody, Unreadable},
        origin::{BaseUrl, ClientAddress},
        reply,
    },
};

/// What contracts' routes work with. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub chat: Arc<Chat>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) cookies: CookieRules,
    pub(crate) limits: AddressLimits,
    pub(crate) bodies: Bodies,
    pub(crate) public_url: Option<String>,
}

/// Why a request is not somebody's.
#[derive(Debug)]
pub enum Unidentified {
    NoToken,
    /// As [`Chat::authenticate`] fails.
    Refused(ChatError),
}

impl Gateway {
    /// Whose request this is: the first token that proves somebody counts.
    ///
    /// # Errors
    /// When none does: as the first one failed.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<(Session, User), Unidentified> {
        let mut reason = Unidentified::NoToken;
        for token in self.tokens(headers) {
            match self.chat.authenticate(&token).await {
                Ok(identified) => return Ok(identified),
                // The next token would be asked about in vain, and this one may well be good.
                Err(error @ ChatError::Unavailable { .. }) => return Err(Unidentified::Refused(error)),
                Err(error) if matches!(reason, Unidentified::NoToken) => {
                    reason = Unidentified::Refused(error)
                }
                Err(_) => {}
            }
        }
        Err(reason)
    }

    /// The tokens a request carries, proven or not.
    pub fn tokens(&self, headers: &HeaderMap) -> Vec<String> {
        cookies::tokens_of(headers, self.profile.cookie)
    }

    /// Ends every session of `user`, on every node.
    ///
    /// # Errors
    /// As [`Chat::log_out_everywhere`] fails: some may have ended.
    pub async fn log_out_everywhere(&self, user: &User) -> Result<(), ChatError> {
        self.chat.log_out_everywhere(user).await?;
        let subject = Subject { user: Some(user.id), ..Subject::default() };
        audit::record(Act::LogOut, Outcome::Allowed, "everywhere", subject);
        Ok(())
    }

    /// The `Set-Cookie` value for a fresh session.
    pub fn session_cookie(&self, signed_in: &SignedIn) -> HeaderValue {
        let (now, expires_at) = (self.chat.now(), signed_in.session.expires_at);
        cookies::session_cookie(self.profile.cookie, &signed_in.token.0, now, expires_at, self.cookies)
    }

    /// The `Set-Cookie` value that ends one.
    pub fn cleared_cookie(&self) -> HeaderValue {
        cookies::cleared_cookie(self.profile.cookie, self.cookies)
    }

    /// How a client reaches us, given what it used.
    pub fn base_url(&self, used: &str) -> String {
        self.public_url.as_deref().unwrap_or(used).to_owned()
    }

    /// Gives a user a new profile picture; the one before goes. That it cannot go is no failure of the request.
    ///
    /// # Errors
    /// As [`Chat::update_picture`].
    pub async fn update_picture(&self, user: UserId, data_url: &str) -> Result<User, ChatError> {
        let PictureChange { user, replaced } = self.chat.update_picture(user, data_url).await?;
        if let Some(replaced) = replaced
            && let Err(error) = self.chat.delete_picture(&replaced).await
        {
            // Not its name: who knows that may see it.
            tracing::warn!(%error, source = ?std::error::Error::source(&error), "a replaced picture is left behind");
            instruments::pictures_left_behind().increment(1);
        }
        Ok(user)
    }

    /// Counts a router's requests against the stricter limit for log-in and sign-up.
    pub fn limit_sign_in(&self, router: axum::Router) -> axum::Router {
        self.limits.around_sign_in(router)
    }
}
