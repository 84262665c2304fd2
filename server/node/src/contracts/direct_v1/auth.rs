//! `/api/v1/auth`: accounts and sessions.

use axum::{
    Json, Router,
    extract::{Extension, State},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderMap, StatusCode, header::SET_COOKIE};
use serde_json::json;
use sockeye_core::SignedIn;

use super::{
    errors::{Failure, Fault},
    validation,
    viewer::Viewer,
    wire::{Account, UserAnswer, UserDocument},
};
use crate::gateway::{BaseUrl, ClientAddress, Gateway, JsonBody};

pub fn routes(gateway: &Gateway) -> Router {
    let sign_in = Router::new().route("/signup", post(sign_up)).route("/login", post(log_in));
    let routes = Router::new()
        .route("/logout", post(log_out))
        .route("/logout-all", post(log_out_everywhere))
        .route("/check-auth", get(check_auth))
        .route("/get-user", get(get_user))
        .route("/update-profile", gateway.bodies.with_pictures(put(update_profile)));
    gateway.limit_sign_in(sign_in.with_state(gateway.clone())).merge(routes.with_state(gateway.clone()))
}

async fn sign_up(
    State(gateway): State<Gateway>,
    Extension(from): Extension<ClientAddress>,
    BaseUrl(base_url): BaseUrl,
    body: JsonBody,
) -> Result<Response, Failure> {
    let account = validation::new_account(&body.fields(validation::ACCOUNT)?).map_err(Failure::Validation)?;
    let signed_in = gateway.sign_up(account, from).await?;
    let message = "User account created successfully";
    Ok(welcome(&gateway, StatusCode::CREATED, message, &signed_in, &base_url))
}

async fn log_in(
    State(gateway): State<Gateway>,
    Extension(from): Extension<ClientAddress>,
    BaseUrl(base_url): BaseUrl,
    body: JsonBody,
) -> Result<Response, Failure> {
    let (email, password) =
        validation::credentials(&body.fields(validation::CREDENTIALS)?).map_err(Failure::Validation)?;
    let signed_in = gateway.log_in(&email, &password, from).await?;
    Ok(welcome(&gateway, StatusCode::OK, "User logged in successfully", &signed_in, &base_url))
}

/// Needs no log-in, and always takes the cookie away.
async fn log_out(
    State(gateway): State<Gateway>,
    Extension(from): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Response {
    let answer = match gateway.log_out(&headers, from).await {
        Ok(()) => Json(json!({ "message": "User logged out successfully" })).into_response(),
        Err(error) => Failure::from(error).into_response(),
    };
    ([(SET_COOKIE, gateway.cleared_cookie())], answer).into_response()
}

async fn check_auth(Viewer(viewer): Viewer, BaseUrl(base_url): BaseUrl) -> Response {
    let user = UserDocument::of(&viewer, &base_url);
    Json(UserAnswer { message: Some("User is authenticated"), user, token: None }).into_response()
}

async fn get_user(Viewer(viewer): Viewer, BaseUrl(base_url): BaseUrl) -> Response {
    let user = UserDocument::of(&viewer, &base_url);
    Json(UserAnswer { message: None, user, token: None }).into_response()
}

/// Ends every session of whoever asks, this one too.
async fn log_out_everywhere(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
) -> Result<Response, Failure> {
    gateway.log_out_everywhere(&viewer).await?;
    let answer = Json(json!({ "message": "Logged out everywhere" }));
    Ok(([(SET_COOKIE, gateway.cleared_cookie())], answer).into_response())
}

async fn update_profile(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
    BaseUrl(base_url): BaseUrl,
    body: JsonBody,
) -> Result<Response, Failure> {
    let missing = Failure::Said(StatusCode::BAD_REQUEST, "Profile picture is required");
    let body = body.fields(&["profile_picture"])?;
    let picture = body.text("profile_picture").filter(|picture| !picture.is_empty()).ok_or(missing)?;
    let updated = gateway.update_picture(viewer.id, picture).await;
    let user = updated.map_err(Fault::saying("Failed to upload profile picture"))?;
    let user = UserDocument::of(&user, &base_url);
    let message = Some("Profile picture updated successfully");
    Ok(Json(UserAnswer { message, user, token: None }).into_response())
}

/// The token is in the body too, for clients without a cookie jar; they send it back as a bearer token.
fn welcome(
    gateway: &Gateway,
    status: StatusCode,
    message: &'static str,
    signed_in: &SignedIn,
    base_url: &str,
) -> Response {
    let cookie = [(SET_COOKIE, gateway.session_cookie(signed_in))];
    let user = Account::of(&signed_in.user, base_url);
    let token = Some(signed_in.token.0.as_str());
    (status, cookie, Json(UserAnswer { message: Some(message), user, token })).into_response()
}
