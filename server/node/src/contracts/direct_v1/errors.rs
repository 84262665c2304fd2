//! Failures in this contract's words. Its frontend shows `message` of any of them.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;
use sockeye_core::ChatError;

use super::validation::Complaints;
use crate::gateway::{Unidentified, Unreadable, contract::Refused, reply};

/// Why a request of this contract failed.
#[derive(Debug)]
pub enum Failure {
    /// By a rule of the contract.
    Said(StatusCode, &'static str),
    /// A sign-up's or log-in's fields.
    Validation(Complaints),
    /// By its body.
    Body(Unreadable),
    /// No token where one is needed.
    NoToken,
    Chat(Fault),
}

/// A failure of the chat; `unavailable` is what to say when it is ours.
#[derive(Debug)]
pub struct Fault {
    pub error: ChatError,
    pub unavailable: &'static str,
}

impl Failure {
    pub const BAD_REQUEST: Self = Self::Said(StatusCode::BAD_REQUEST, "Bad Request");
}

impl Fault {
    /// For `map_err`.
    pub fn saying(unavailable: &'static str) -> impl FnOnce(ChatError) -> Self {
        move |error| Self { error, unavailable }
    }
}

/// As sending fails.
impl From<ChatError> for Fault {
    fn from(error: ChatError) -> Self {
        Self { error, unavailable: "Failed to send message" }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Chat(fault)
    }
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        Self::Chat(Fault { error, unavailable: "Internal Server Error" })
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
            Unidentified::NoToken => Self::NoToken,
            Unidentified::Refused(error) => error.into(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (error, unavailable) = match self {
            Self::Said(status, text) => return said(status, text),
            Self::Body(why) => return why.into_response(),
            Self::Validation(complaints) => return validation(&complaints),
            Self::NoToken => return unproven(StatusCode::UNAUTHORIZED, Refused::NoProof),
            Self::Chat(Fault { error, unavailable }) => (error, unavailable),
        };
        match error.code() {
            "email_taken" => said(StatusCode::BAD_REQUEST, "User account already exists with this email"),
            // 400 and not 401: the frontend was written against it.
            "bad_credentials" => said(StatusCode::BAD_REQUEST, "Invalid Credentials"),
            "password_too_long" => validation(&Complaints::about("password", error.to_string())),
            "name_characters" => validation(&Complaints::about("full_name", error.to_string())),
            "email_characters" => validation(&Complaints::about("email", error.to_string())),
            "token_invalid" | "token_expired" => unproven(StatusCode::UNAUTHORIZED, Refused::BadProof),
            "token_without_user" => unproven(StatusCode::UNAUTHORIZED, Refused::NoProof),
            "user_gone" => unproven(StatusCode::NOT_FOUND, Refused::UserGone),
            "message_empty" | "field_no_text" => Self::BAD_REQUEST.into_response(),
            "unavailable" => {
                reply::log_failure(&error);
                said(StatusCode::INTERNAL_SERVER_ERROR, unavailable)
            }
            _ => reply::error(&error),
        }
    }
}

/// The text for a refused socket, the same as for a refused request.
pub fn refusal(reason: Refused) -> &'static str {
    match reason {
        Refused::NoProof | Refused::OtherUser => "Unauthorized",
        Refused::BadProof => "Invalid token",
        Refused::UserGone => "User not found",
        Refused::Unavailable => "Internal Server Error",
    }
}

fn said(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "message": text }))).into_response()
}

fn unproven(status: StatusCode, reason: Refused) -> Response {
    (status, Json(json!({ "success": false, "message": refusal(reason) }))).into_response()
}

fn validation(complaints: &Complaints) -> Response {
    let body = json!({ "message": "Validation error", "errors": complaints });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
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
        let taken = ChatError::Conflict { code: "email_taken", message: "other words" };
        let wrong = ChatError::Unauthenticated { code: "bad_credentials", message: "other words" };
        for (failure, status, text) in [
            (taken.into(), 400, "User account already exists with this email"),
            (wrong.into(), 400, "Invalid Credentials"),
            (ChatError::invalid("message_empty", "").into(), 400, "Bad Request"),
            (ChatError::invalid("field_no_text", "").into(), 400, "Bad Request"),
            (Failure::BAD_REQUEST, 400, "Bad Request"),
            (unavailable().into(), 500, "Internal Server Error"),
            (Fault::from(unavailable()).into(), 500, "Failed to send message"),
            (Fault::saying("Image upload failed")(unavailable()).into(), 500, "Image upload failed"),
        ] {
            assert_eq!(answer(failure).await, (status, json!({ "message": text })));
        }
    }

    #[tokio::test]
    async fn a_request_without_proof_is_told_so_with_success_false() {
        let unproven = |code| Unidentified::Refused(ChatError::Unauthenticated { code, message: "" });
        let gone = ChatError::NotFound { code: "user_gone", message: "" };
        for (reason, status, text) in [
            (Unidentified::NoToken, 401, "Unauthorized"),
            (unproven("token_invalid"), 401, "Invalid token"),
            (unproven("token_expired"), 401, "Invalid token"),
            (Unidentified::Refused(gone), 404, "User not found"),
        ] {
            let expected = json!({ "success": false, "message": text });
            assert_eq!(answer(reason.into()).await, (status, expected));
        }
    }

    #[tokio::test]
    async fn a_field_that_is_wrong_is_named() {
        let long = ChatError::invalid("password_too_long", "in words");
        let errors = json!({ "message": "Validation error", "errors": { "password": ["in words"] } });
        assert_eq!(answer(long.into()).await, (400, errors));
    }

    #[tokio::test]
    async fn what_the_original_has_no_words_for_says_what_is_wrong() {
        for (code, status) in [("image_too_large", 413), ("image_type", 400), ("text_too_long", 400)] {
            let (answered, body) = answer(ChatError::invalid(code, "in words").into()).await;
            assert_eq!(
                (answered, &body["message"], &body["code"]),
                (status, &"in words".into(), &code.into())
            );
        }
    }
}
