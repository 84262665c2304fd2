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

/// Other hosts below ours may be somebody else's, so this says nothing about them.
const HSTS: (&str, &str) = ("strict-transport-security", "max-age=31536000");

/// What `/api` says is for whoever asked. Neither a cache on the way nor the browser's own keeps it.
const NOT_KEPT: (&str, &str) = ("cache-control", "no-store");

/// Adds what the route did not set itself; `Strict-Transport-Security` in production.
pub(super) async fn add(State(production): State<bool>, request: Request, next: Next) -> Response {
    let personal = request
        .uri()
        .path()
        .strip_prefix("/api")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let extra = [production.then_some(HSTS), personal.then_some(NOT_KEPT)];
    for (name, value) in HEADERS.into_iter().chain(extra.into_iter().flatten()) {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn headers_of(production: bool, path: &str) -> http::HeaderMap {
        let app = Router::new()
            .route("/api/kept", get(|| async { ([("cache-control", "private")], "its own") }))
            .fallback(|| async { "anything" })
            .layer(from_fn_with_state(production, add));
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        app.oneshot(request).await.unwrap().headers().clone()
    }

    #[tokio::test]
    async fn whatever_the_api_says_is_not_stored() {
        for path in ["/api", "/api/messages/users", "/api/unknown"] {
            assert_eq!(headers_of(false, path).await["cache-control"], "no-store", "{path}");
        }
        assert_eq!(headers_of(false, "/api/kept").await["cache-control"], "private");
        for path in ["/", "/apis", "/index.html"] {
            assert!(!headers_of(false, path).await.contains_key("cache-control"), "{path}");
        }
    }

    #[tokio::test]
    async fn only_this_host_is_told_to_be_https_for_good() {
        let name = "strict-transport-security";
        assert_eq!(headers_of(true, "/").await[name], "max-age=31536000");
        assert!(!headers_of(false, "/").await.contains_key(name));
    }
}
