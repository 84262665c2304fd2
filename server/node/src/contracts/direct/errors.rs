//! Failures in this contract's words: `{"message": ...}`, which its frontend shows as they are.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;
use sockeye_core::ChatError;

use crate::gateway::{Unidentified, Unreadable, contract::Refused, reply};

/// Why a request of this contract failed.
#[derive(Debug)]
pub enum Failure {
    /// By a rule of the contract.
    Said(StatusCode, &'static str),
    /// By its body.
    Body(Unreadable),
    /// By the chat; `unavailable` is the text when the fault is ours.
    Chat { error: ChatError, unavailable: &'static str },
}

impl Failure {
    pub const NO_TOKEN: Self = Self::Said(StatusCode::UNAUTHORIZED, "Unauthorized - No Token Provided");
    pub const BAD_ID: Self = Self::Said(StatusCode::BAD_REQUEST, "Invalid user id");

    pub const fn bad_request(text: &'static str) -> Self {
        Self::Said(StatusCode::BAD_REQUEST, text)
    }

    /// Signing up, in and out spell "Internal Server Error" their own way.
    pub fn of_account(error: ChatError) -> Self {
        Self::Chat { error, unavailable: "Internal Server Error" }
    }
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        Self::Chat { error, unavailable: "Internal server error" }
    }
}

impl From<Unreadable> for Failure {
    fn from(why: Unreadable) -> Self {
        Self::Body(why)
    }
}

impl From<Unidentified> for Failure {
    fn from(reason: Unidentified) -> Self {
        match reason {
            Unidentified::NoToken => Self::NO_TOKEN,
            Unidentified::Refused(error) => error.into(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (error, unavailable) = match self {
            Self::Said(status, text) => return said(status, text),
            Self::Body(why) => return why.into_response(),
            Self::Chat { error, unavailable } => (error, unavailable),
        };
        match error.code() {
            "email_taken" => said(StatusCode::BAD_REQUEST, "Email already exists"),
            // 400 and not 401: the frontend was written against it.
            "bad_credentials" => said(StatusCode::BAD_REQUEST, "Invalid credentials"),
            "token_invalid" | "token_without_user" | "token_expired" => {
                said(StatusCode::UNAUTHORIZED, refusal(Refused::BadProof))
            }
            "user_gone" => said(StatusCode::NOT_FOUND, refusal(Refused::UserGone)),
            "message_empty" => said(StatusCode::BAD_REQUEST, "Text or image is required."),
            "no_such_receiver" => said(StatusCode::NOT_FOUND, "Receiver not found."),
            "unavailable" => {
                reply::log_failure(&error);
                said(StatusCode::INTERNAL_SERVER_ERROR, unavailable)
            }
            _ => reply::error(&error),
        }
    }
}

/// The text for a refused socket (Chatify's words; the base has none).
pub fn refusal(reason: Refused) -> &'static str {
    match reason {
        Refused::NoProof => "Unauthorized - No Token Provided",
        Refused::BadProof => "Unauthorized - Invalid Token",
        Refused::UserGone => "User not found",
        Refused::OtherUser | Refused::Unavailable => "Unauthorized - Authentication failed",
    }
}

fn said(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "message": text }))).into_response()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::Value;

    use super::*;

    async fn answer(failure: Failure) -> (u16, Value) {
        let response = failure.into_response();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn unavailable() -> ChatError {
        ChatError::Unavailable { what: "the store", source: None }
    }

    #[tokio::test]
    async fn the_frontend_reads_the_originals_texts() {
        let unproven = |code| ChatError::Unauthenticated { code, message: "other words" };
        let not_found = |code| ChatError::NotFound { code, message: "other words" };
        let taken = ChatError::Conflict { code: "email_taken", message: "other words" };
        for (failure, status, text) in [
            (taken.into(), 400, "Email already exists"),
            (unproven("bad_credentials").into(), 400, "Invalid credentials"),
            (Unidentified::NoToken.into(), 401, "Unauthorized - No Token Provided"),
            (Unidentified::Refused(unproven("token_invalid")).into(), 401, "Unauthorized - Invalid Token"),
            (Unidentified::Refused(unproven("token_expired")).into(), 401, "Unauthorized - Invalid Token"),
            (Unidentified::Refused(not_found("user_gone")).into(), 404, "User not found"),
            (ChatError::invalid("message_empty", "").into(), 400, "Text or image is required."),
            (not_found("no_such_receiver").into(), 404, "Receiver not found."),
            (unavailable().into(), 500, "Internal server error"),
            (Failure::of_account(unavailable()), 500, "Internal Server Error"),
            (Failure::BAD_ID, 400, "Invalid user id"),
        ] {
            assert_eq!(answer(failure).await, (status, json!({ "message": text })));
        }
    }

    #[tokio::test]
    async fn what_the_original_has_no_words_for_says_what_is_wrong() {
        for (code, status) in [
            ("image_too_large", 413),
            ("image_type", 400),
            ("text_too_long", 400),
            ("password_too_long", 400),
        ] {
            let (answered, body) = answer(ChatError::invalid(code, "in words").into()).await;
            assert_eq!(
                (answered, &body["message"], &body["code"]),
                (status, &"in words".into(), &code.into())
            );
        }
    }
}
