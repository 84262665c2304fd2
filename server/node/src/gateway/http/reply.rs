//! Answers that do not depend on a contract.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use serde_json::json;
use sockeye_core::ChatError;

/// A refusal with a code for programs and a text for people. Every error body of every contract has a string `message`
/// (contracts, "What the frontend reads").
pub fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "success": false, "code": code, "message": message }))).into_response()
}

/// Refused by a rate limit (contract direct-v1, "Rate limits").
pub fn too_many(retry_after_ms: u64) -> Response {
    let response = refusal(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests");
    retry_after(response, retry_after_ms)
}

fn retry_after(mut response: Response, retry_after_ms: u64) -> Response {
    let seconds = retry_after_ms.div_ceil(1000);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Refused because there is no room now.
pub fn busy(retry_after_s: u64) -> Response {
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much at once, try again");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
    response
}

/// The status that fits an error where a contract has no rule of its own.
pub fn status_of(error: &ChatError) -> StatusCode {
    match error {
        ChatError::Invalid { code: "image_too_large", .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ChatError::Invalid { .. } => StatusCode::BAD_REQUEST,
        ChatError::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
        ChatError::Forbidden { .. } => StatusCode::FORBIDDEN,
        ChatError::NotFound { .. } => StatusCode::NOT_FOUND,
        ChatError::Conflict { .. } => StatusCode::CONFLICT,
        ChatError::TooMany { .. } | ChatError::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
        ChatError::Busy { .. } | ChatError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The answer to an error where a contract has no rule of its own. Failures of ours are logged here, once.
pub fn error(error: &ChatError) -> Response {
    match error {
        ChatError::TooMany { retry_after_ms } => too_many(*retry_after_ms),
        ChatError::Quota { code, message, retry_after_ms } => {
            retry_after(refusal(status_of(error), code, message), *retry_after_ms)
        }
        ChatError::Busy { retry_after_ms } => {
            let response = refusal(status_of(error), error.code(), &error.to_string());
            retry_after(response, *retry_after_ms)
        }
        ChatError::Unavailable { .. } => {
            log_failure(error);
            refusal(StatusCode::SERVICE_UNAVAILABLE, error.code(), &error.to_string())
        }
        _ => refusal(status_of(error), error.code(), &error.to_string()),
    }
}

/// Logs an error that is ours and not the asker's, for whoever answers it in their own words.
pub fn log_failure(error: &ChatError) {
    if let ChatError::Unavailable { what, source } = error {
        tracing::error!(what, source = source.as_deref().map(tracing::field::display), "request failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_should_come_again_is_told_when() {
        for (asked, status) in [
            (ChatError::TooMany { retry_after_ms: 1_001 }, StatusCode::TOO_MANY_REQUESTS),
            (ChatError::Busy { retry_after_ms: 1_001 }, StatusCode::SERVICE_UNAVAILABLE),
        ] {
            let response = error(&asked);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[RETRY_AFTER], "2", "whole seconds, rounded up");
        }
    }
}
