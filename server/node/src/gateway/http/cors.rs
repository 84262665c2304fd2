//! Who may call us from another origin. Every answer carries the headers, errors too: without them a page sees no answer
//! at all (contracts, "CORS").

use std::{sync::Arc, time::Duration};

use axum::{extract::Request, middleware::Next, response::Response};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::origin::Trust;

/// How long browsers may remember a preflight's answer.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// Exactly the origins of our pages, with credentials; any requested header.
pub(super) fn layer(trust: Arc<Trust>) -> CorsLayer {
    let allowed = move |origin: &HeaderValue, _: &Parts| trust.is_listed(origin.as_bytes());
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        // Where the next page is.
        .expose_headers([header::LINK])
        .max_age(PREFLIGHT_MAX_AGE)
}

/// Preflights are answered 204, as the Node backends did.
pub(super) async fn preflight_without_content(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.run(request).await;
    if preflight && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}
