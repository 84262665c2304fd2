//! The gateway: connections, proof of identity, order, limits and delivery. The only place that knows the Socket.IO
//! server ([`wire`]); contracts and core do not.

pub mod announcement;
pub mod connection;
pub mod contract;
pub mod delivery;
pub mod http;
pub mod hub;
pub mod identity;
pub mod instruments;
pub mod outage;
pub mod recovery;
mod sign_in;
pub mod users;
pub mod wire;

use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue};
use sockeye_core::{Chat, ChatError, SignedIn, session::Session, user::User};

pub use self::http::{
    body::JsonObject,
    origin::{BaseUrl, ClientAddress},
    reply,
};
use self::{
    contract::Profile,
    http::{
        cookies::{self, CookieRules},
        limits::AddressLimits,
    },
};

/// What contracts' routes work with. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub chat: Arc<Chat>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) cookies: CookieRules,
    pub(crate) limits: AddressLimits,
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
    /// Whose request this is.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<(Session, User), Unidentified> {
        let token = self.token(headers).ok_or(Unidentified::NoToken)?;
        self.chat.authenticate(&token).await.map_err(Unidentified::Refused)
    }

    /// The token a request carries, proven or not.
    pub fn token(&self, headers: &HeaderMap) -> Option<String> {
        cookies::token_of(headers, self.profile.cookie)
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

    /// Counts a router's requests against the stricter limit for log-in and sign-up.
    pub fn limit_sign_in(&self, router: axum::Router) -> axum::Router {
        self.limits.around_sign_in(router)
    }
}
