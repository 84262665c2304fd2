//! The `/api` folder of a contract.

use axum::{Router, response::Response};
use http::StatusCode;
use tower_http::decompression::RequestDecompressionLayer;

use super::reply::refusal;

/// Puts routes under `/api` and answers what they do not know there in JSON: a frontend reads `message` of every failure,
/// and a page served for unknown paths must not hide a misspelled route.
///
/// Bodies that were compressed arrive as they were before, by gzip or deflate; brotli's window, which is set aside for
/// whoever sends a few bytes, can be 16 MB.
pub fn under_api(routes: Router) -> Router {
    let inflate = RequestDecompressionLayer::new().pass_through_unaccepted(true);
    let routes = routes.fallback(unknown).method_not_allowed_fallback(wrong_method).layer(inflate);
    Router::new().nest("/api", routes)
}

async fn unknown() -> Response {
    refusal(StatusCode::NOT_FOUND, "no_such_route", "There is no such route")
}

async fn wrong_method() -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The route does not take this method")
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use http::Request;
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn whatever_is_unknown_under_api_is_answered_in_json() {
        let page = Router::new().fallback(|| async { "<html>" });
        let app = under_api(Router::new().route("/known", get(|| async { "here" }))).merge(page);
        for (method, path, status) in [
            ("GET", "/api/known", 200),
            ("POST", "/api/known", 405),
            ("GET", "/api/other", 404),
            ("POST", "/api/other/one", 404),
            ("GET", "/api", 404),
            ("GET", "/elsewhere", 200),
        ] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            if status != 200 {
                let body = response.into_body().collect().await.unwrap().to_bytes();
                let body: Value = serde_json::from_slice(&body).unwrap();
                assert!(body["message"].is_string(), "{method} {path}");
            }
        }
    }
}
