//! A built single-page app: its files, and `index.html` for every address that its router knows and we do not.

use std::path::{Path, PathBuf};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use tower::service_fn;
use tower_http::services::ServeDir;

use super::reply;

const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

pub(super) fn routes(dir: &Path) -> Router {
    let index = dir.join("index.html");
    let fallback = service_fn(move |request: Request| {
        let index = index.clone();
        let (parts, _) = request.into_parts();
        async move { Ok::<_, std::convert::Infallible>(index_or_nothing(index, &parts).await) }
    });
    Router::new().fallback_service(ServeDir::new(dir).fallback(fallback)).layer(from_fn(cache))
}

/// A page for people's browsers; for a missing script or picture a page would only confuse.
async fn index_or_nothing(index: PathBuf, request: &Parts) -> Response {
    let path = request.uri.path();
    let is_file = Path::new(path).extension().is_some();
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    if is_file || !is_read || path.starts_with("/api/") {
        return reply::refusal(StatusCode::NOT_FOUND, "not_found", "There is nothing here");
    }
    match tokio::fs::read(&index).await {
        Ok(page) => {
            let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (headers, Body::from(page)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "SOCKEYE_STATIC_DIR has no readable index.html");
            reply::refusal(StatusCode::NOT_FOUND, "not_found", "There is nothing here")
        }
    }
}

/// Files with a hash in their name never change; everything else is asked for again.
async fn cache(request: Request, next: Next) -> Response {
    let hashed = is_hashed(request.uri().path());
    let mut response = next.run(request).await;
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        let policy = if hashed { FOREVER } else { ASK_FIRST };
        response.headers_mut().insert(header::CACHE_CONTROL, policy);
    }
    response
}

/// `name-DiwrgTda.js` (Vite), `main.3f2a91bc.css` (Create React App).
fn is_hashed(path: &str) -> bool {
    let Some((_, file)) = path.rsplit_once('/') else { return false };
    let Some((stem, extension)) = file.rsplit_once('.') else { return false };
    let stem = stem.strip_suffix(".chunk").unwrap_or(stem);
    // The hash of Vite is eight characters of base64url, a hyphen among them at times.
    let vite = stem.len().checked_sub(9).and_then(|at| stem.get(at..)).and_then(|end| end.strip_prefix('-'));
    let hash = vite.or_else(|| stem.rsplit_once('.').map(|(_, hash)| hash));
    let looks_random = |hash: &str| {
        hash.len() >= 8
            && hash.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            && hash.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    };
    extension != "html" && hash.is_some_and(looks_random)
}

#[cfg(test)]
mod tests {
    use super::is_hashed;

    #[test]
    fn only_names_with_a_hash_are_kept_forever() {
        for hashed in [
            "/assets/index-DiwrgTda.js",
            "/assets/index--c37zskd.js",
            "/static/js/main.3f2a91bc.js",
            "/static/css/2.1b2c3d4e.chunk.css",
        ] {
            assert!(is_hashed(hashed), "{hashed}");
        }
        for plain in ["/", "/index.html", "/avatar.png", "/socket-connection.js", "/vite.svg", "/a.b"] {
            assert!(!is_hashed(plain), "{plain}");
        }
    }
}
