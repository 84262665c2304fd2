//! Headers that make browsers careful, as the helmet package sets them (contract direct-v1, "CORS and headers").

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue};

/// Pages of existing frontends load fonts and pictures from anywhere, so the policy does not restrict what they load.
const HEADERS: [(&str, &str); 9] = [
    ("content-security-policy", "base-uri 'self'; frame-ancestors 'self'; object-src 'none'"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
];

/// Adds what the route did not set itself; `Strict-Transport-Security` in production.
pub(super) async fn add(State(production): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let hsts = production.then_some(("strict-transport-security", "max-age=31536000; includeSubDomains"));
    for (name, value) in HEADERS.into_iter().chain(hsts) {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    response
}
