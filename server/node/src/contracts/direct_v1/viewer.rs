//! What the routes take from a request's head.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use sockeye_core::{id::UserId, user::User};

use super::errors::Failure;
use crate::gateway::Gateway;

/// Who asks, proven.
pub struct Viewer(pub User);

/// The `:id` of the path: the user on the other side.
pub struct Peer(pub UserId);

impl FromRequestParts<Gateway> for Viewer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let (_, user) = gateway.identify(&parts.headers).await?;
        Ok(Self(user))
    }
}

impl FromRequestParts<Gateway> for Peer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, gateway).await;
        path.ok().and_then(|Path(id)| id.parse().ok()).map(Self).ok_or(Failure::BAD_REQUEST)
    }
}
