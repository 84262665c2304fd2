//! Failures in this contract's words. Its frontend shows `message` of any of them.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;
use sockeye_core::ChatError;

use super::validation::Complaints;
use crate::gateway::{Unidentified, contract::Refused, reply};

/// Why a request of this contract failed.
#[derive(Debug)]
pub enum Failure {
    /// By a rule of the contract.
    Said(StatusCode, &'static str),
    /// A sign-up's or log-in's fields.
    Validation(Complaints),
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
            Self::Validation(complaints) => return validation(&complaints),
            Self::NoToken => return unproven(StatusCode::UNAUTHORIZED, Refused::NoProof),
            Self::Chat(Fault { error, unavailable }) => (error, unavailable),
        };
        match error.code() {
            "email_taken" => said(StatusCode::BAD_REQUEST, "User account already exists with this email"),
            // 400 and not 401: the frontend was written against it.
            "bad_credentials" => said(StatusCode::BAD_REQUEST, "Invalid Credentials"),
            "password_too_long" => validation(&Complaints::about("password", error.to_string())),
            "token_invalid" | "token_expired" => unproven(StatusCode::UNAUTHORIZED, Refused::BadProof),
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
