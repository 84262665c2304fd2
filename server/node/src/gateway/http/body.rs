//! Request bodies: JSON objects of unknown shape, because existing frontends send what they like.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    response::Response,
};
use http::StatusCode;
use serde_json::{Map, Value};
use sockeye_core::ChatError;

use super::reply::refusal;

/// A JSON object. An empty body is an empty object; anything else that is no object is refused with a JSON answer.
#[derive(Debug)]
pub struct JsonObject(pub Map<String, Value>);

impl JsonObject {
    /// The text under `key`; `None` when it is absent or no text (an object there would be an operator injection).
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }
}

/// The text under `key`, which may be absent or `null`.
///
/// # Errors
/// `Invalid` with code `field_no_text` when something else is there.
pub fn optional_text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, ChatError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ChatError::invalid("field_no_text", format!("`{key}` must be a text"))),
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.status();
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                refusal(status, "body_too_large", "The request is too large")
            } else {
                refusal(StatusCode::BAD_REQUEST, "body_unreadable", "The request could not be read")
            }
        })?;
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => {
                Err(refusal(StatusCode::BAD_REQUEST, "body_no_object", "The body must be a JSON object"))
            }
            Err(_) => Err(refusal(StatusCode::BAD_REQUEST, "body_malformed", "The body is not valid JSON")),
        }
    }
}
