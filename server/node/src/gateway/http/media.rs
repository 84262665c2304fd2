//! Pictures that were stored here, for pages of any origin.

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use sockeye_core::media::MediaId;

use super::reply;
use crate::gateway::Gateway;

pub(super) fn routes(gateway: Gateway) -> Router {
    Router::new().route("/media/{name}", get(show)).with_state(gateway)
}

async fn show(State(gateway): State<Gateway>, Path(name): Path<String>) -> Response {
    let Ok(id) = name.parse::<MediaId>() else {
        return reply::refusal(StatusCode::NOT_FOUND, "no_such_picture", "There is no such picture");
    };
    match gateway.chat.picture(&id).await {
        Err(error) => reply::error(&error),
        Ok(bytes) => {
            let headers = [
                (header::CONTENT_TYPE, id.kind.content_type()),
                // Names are random and pictures never change.
                (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
                (header::CONTENT_DISPOSITION, "inline"),
                (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
            ];
            (headers, bytes).into_response()
        }
    }
}
