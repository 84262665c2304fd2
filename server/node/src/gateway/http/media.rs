//! Pictures that were stored here, for pages of any origin.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{
    StreamExt,
    stream::{self, Stream},
};
use http::{HeaderValue, StatusCode, header};
use sockeye_core::{Chat, ChatError, media::MediaId, ports::Part};

use super::reply;
use crate::gateway::Gateway;

pub(super) fn routes(gateway: Gateway) -> Router {
    Router::new().route("/media/{name}", get(show)).with_state(gateway)
}

async fn show(State(gateway): State<Gateway>, Path(name): Path<String>) -> Response {
    let Ok(id) = name.parse::<MediaId>() else {
        return reply::refusal(StatusCode::NOT_FOUND, "no_such_picture", "There is no such picture");
    };
    match gateway.chat.picture_part(&id, 0).await {
        Err(error) => reply::error(&error),
        Ok(first) => {
            let headers = [
                (header::CONTENT_LENGTH, HeaderValue::from(first.whole_len)),
                (header::CONTENT_TYPE, HeaderValue::from_static(id.kind.content_type())),
                // Names are random and pictures never change.
                (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
                (header::CONTENT_DISPOSITION, HeaderValue::from_static("inline")),
                (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
            ];
            (headers, Body::from_stream(parts(gateway.chat, id, first))).into_response()
        }
    }
}

/// A part at a time, the next when the last one is on its way: a client that takes its time keeps one in memory.
fn parts(chat: Arc<Chat>, id: MediaId, first: Part) -> impl Stream<Item = Result<Bytes, ChatError>> {
    let whole_len = first.whole_len;
    let left = move |offset: u64| (offset < whole_len).then_some(offset);
    let then = left(first.bytes.len() as u64);
    let first = stream::once(async move { Ok(Bytes::from(first.bytes)) });
    first.chain(stream::unfold(then, move |offset| {
        let chat = chat.clone();
        async move {
            let offset = offset?;
            match chat.picture_part(&id, offset).await {
                // It cannot become shorter than it was; what it lacks would never come.
                Ok(part) if part.bytes.is_empty() => None,
                Ok(part) => {
                    let then = left(offset + part.bytes.len() as u64);
                    Some((Ok(Bytes::from(part.bytes)), then))
                }
                Err(error) => {
                    reply::log_failure(&error);
                    Some((Err(error), None))
                }
            }
        }
    }))
}
