//! `/api/auth`: accounts and sessions.

use axum::{
    Json, Router,
    extract::{Extension, State},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderMap, StatusCode, header::SET_COOKIE};
use serde_json::json;
use sockeye_core::{NewAccount, SignedIn};

use super::{
    errors::Failure,
    viewer::Viewer,
    wire::{Account, UserDocument},
};
use crate::gateway::{BaseUrl, ClientAddress, Fields, Gateway, JsonBody};

/// As browsers count a text's length, because the frontend checks it too.
const PASSWORD_UTF16_MIN: usize = 6;
/// An address on the wire is no longer (RFC 5321, 4.5.3.1: 64 for the name, 255 for the domain).
const EMAIL_BYTES_MAX: usize = 320;
const NAME_CHARS_MAX: usize = 200;
/// What a sign-up is read for.
const ACCOUNT: &[&str] = &["fullName", "email", "password"];

pub fn routes(gateway: &Gateway) -> Router {
    let sign_in = Router::new().route("/signup", post(sign_up)).route("/login", post(log_in));
    let routes = Router::new()
        .route("/logout", post(log_out))
        .route("/logout-all", post(log_out_everywhere))
        .route("/update-profile", gateway.bodies.with_pictures(put(update_profile)))
        .route("/check", get(check));
    gateway.limit_sign_in(sign_in.with_state(gateway.clone())).merge(routes.with_state(gateway.clone()))
}

async fn sign_up(
    State(gateway): State<Gateway>,
    Extension(from): Extension<ClientAddress>,
    BaseUrl(base_url): BaseUrl,
    body: JsonBody,
) -> Result<Response, Failure> {
    let account = new_account(&body.fields(ACCOUNT)?)?;
    let signed_in = gateway.sign_up(account, from).await.map_err(Failure::of_account)?;
    Ok(welcome(&gateway, StatusCode::CREATED, &signed_in, &base_url))
}

async fn log_in(
    State(gateway): State<Gateway>,
    Extension(from): Extension<ClientAddress>,
    BaseUrl(base_url): BaseUrl,
    body: JsonBody,
) -> Result<Response, Failure> {
    let body = body.fields(&["email", "password"])?;
    let (Some(email), Some(password)) = (body.text("email"), body.text("password")) else {
        return Err(Failure::bad_request("Invalid credentials"));
    };
    let signed_in = gateway.log_in(email, password, from).await.map_err(Failure::of_account)?;
    Ok(welcome(&gateway, StatusCode::OK, &signed_in, &base_url))
}

/// Needs no log-in, and always takes the cookie away.
async fn log_out(
    State(gateway): State<Gateway>,
    Extension(from): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Response {
    let answer = match gateway.log_out(&headers, from).await {
        Ok(()) => Json(json!({ "message": "Logged out successfully" })).into_response(),
        Err(error) => Failure::of_account(error).into_response(),
    };
    ([(SET_COOKIE, gateway.cleared_cookie())], answer).into_response()
}

/// Ends every session of whoever asks, this one too.
async fn log_out_everywhere(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
) -> Result<Response, Failure> {
    gateway.log_out_everywhere(&viewer).await.map_err(Failure::of_account)?;
    let answer = Json(json!({ "message": "Logged out everywhere" }));
    Ok(([(SET_COOKIE, gateway.cleared_cookie())], answer).into_response())
}

async fn update_profile(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
    BaseUrl(base_url): BaseUrl,
    body: JsonBody,
) -> Result<Response, Failure> {
    let body = body.fields(&["profilePic"])?;
    let picture = filled(&body, "profilePic").ok_or(Failure::bad_request("Profile pic is required"))?;
    let user = gateway.update_picture(viewer.id, picture).await?;
    Ok(Json(UserDocument::of(&user, &base_url)).into_response())
}

async fn check(Viewer(viewer): Viewer, BaseUrl(base_url): BaseUrl) -> Response {
    Json(UserDocument::of(&viewer, &base_url)).into_response()
}

fn new_account(body: &Fields<'_>) -> Result<NewAccount, Failure> {
    let fields = (filled(body, "fullName"), filled(body, "email"), filled(body, "password"));
    let (Some(name), Some(email), Some(password)) = fields else {
        return Err(Failure::bad_request("All fields are required"));
    };
    if password.encode_utf16().count() < PASSWORD_UTF16_MIN {
        return Err(Failure::bad_request("Password must be at least 6 characters"));
    }
    if email.len() > EMAIL_BYTES_MAX || name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::bad_request("Invalid user data"));
    }
    Ok(NewAccount {
        email: email.to_owned(),
        name: name.to_owned(),
        password: password.to_owned(),
        picture: None,
        bio: String::new(),
    })
}

fn welcome(gateway: &Gateway, status: StatusCode, signed_in: &SignedIn, base_url: &str) -> Response {
    let cookie = [(SET_COOKIE, gateway.session_cookie(signed_in))];
    (status, cookie, Json(Account::of(&signed_in.user, base_url))).into_response()
}

fn filled<'a>(body: &'a Fields<'_>, key: &str) -> Option<&'a str> {
    body.text(key).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn refusal(body: Value) -> Option<&'static str> {
        let Value::Object(object) = body else { unreachable!("tests give objects") };
        match new_account(&Fields::of(&object, ACCOUNT)) {
            Ok(_) => None,
            Err(Failure::Said(StatusCode::BAD_REQUEST, text)) => Some(text),
            Err(other) => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_sign_up_is_checked_in_the_originals_order_and_words() {
        let missing = Some("All fields are required");
        let full = json!({ "fullName": "A", "email": " as typed ", "password": "123456" });
        assert_eq!(refusal(full.clone()), None);
        for key in ["fullName", "email", "password"] {
            for junk in [json!(null), json!(""), json!(7), json!([]), json!({ "$gt": "" })] {
                let mut body = full.clone();
                body[key] = junk;
                assert_eq!(refusal(body), missing, "{key}");
            }
        }
        let with = |key: &str, value: String| {
            let mut body = full.clone();
            body[key] = value.into();
            refusal(body)
        };
        assert_eq!(with("password", "12345".into()), Some("Password must be at least 6 characters"));
        assert_eq!(with("password", "😀😀😀".into()), None);
        assert_eq!(with("fullName", "x".repeat(201)), Some("Invalid user data"));
        assert_eq!(with("email", "x".repeat(321)), Some("Invalid user data"));
    }
}
