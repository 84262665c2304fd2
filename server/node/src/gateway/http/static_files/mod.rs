//! A built single-page app: its files, and `index.html` for every address that its router knows and we do not.

mod compressed;
mod lookup;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use tower::{ServiceExt, service_fn};
use tower_http::services::ServeFile;

use self::{
    compressed::{Compressed, Encoding},
    lookup::Found,
};
use super::reply;

const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What pages load by themselves; nobody's router has addresses that end like this.
const PARTS_OF_PAGES: [&str; 24] = [
    "js",
    "mjs",
    "cjs",
    "css",
    "map",
    "json",
    "wasm",
    "webmanifest",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "webp",
    "avif",
    "svg",
    "ico",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "mp3",
    "mp4",
    "webm",
    "txt",
];

pub(super) fn routes(dir: &Path) -> Router {
    let site = Arc::new(Site { dir: dir.to_owned(), compressed: Compressed::default() });
    let service = service_fn(move |request: Request| {
        let (site, (head, _)) = (site.clone(), request.into_parts());
        async move { Ok::<_, Infallible>(site.answer(&head).await) }
    });
    Router::new().fallback_service(service)
}

struct Site {
    dir: PathBuf,
    compressed: Compressed,
}

impl Site {
    async fn answer(&self, request: &Parts) -> Response {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let text = "Only GET and HEAD are for this address";
            let refused = reply::refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text);
            return ([(header::ALLOW, "GET, HEAD")], refused).into_response();
        }
        match lookup::look_up(self.dir.clone(), request.uri.path()).await {
            Found::File(file) => {
                let policy = if is_hashed(request.uri.path()) { FOREVER } else { ASK_FIRST };
                self.file(file, policy, request).await
            }
            Found::Directory { with_slash } => (
                StatusCode::TEMPORARY_REDIRECT,
                [(header::LOCATION, with_slash), (header::CACHE_CONTROL, ASK_FIRST)],
            )
                .into_response(),
            Found::Nothing if is_route(request.uri.path(), &request.headers) => self.index(request).await,
            Found::Nothing | Found::Hidden => nothing(),
        }
    }

    /// The page, at an address of its own router's.
    async fn index(&self, request: &Parts) -> Response {
        match lookup::look_up(self.dir.clone(), "/index.html").await {
            Found::File(file) => self.file(file, ASK_FIRST, request).await,
            _ => {
                tracing::error!("SOCKEYE_STATIC_DIR has no readable index.html");
                nothing()
            }
        }
    }

    async fn file(&self, file: PathBuf, policy: HeaderValue, request: &Parts) -> Response {
        let mut response = match self.compressed_file(&file, request).await {
            Some(response) => response,
            None => serve(&file, request.method.clone(), request.headers.clone()).await,
        };
        if is_compressible(response.headers()) {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            response.headers_mut().insert(header::CACHE_CONTROL, policy);
        }
        response
    }

    /// The file in an encoding that the client takes; `None` where it is sent as it is.
    async fn compressed_file(&self, file: &Path, request: &Parts) -> Option<Response> {
        let encoding = Encoding::accepted(&request.headers)?;
        if request.headers.contains_key(header::RANGE) {
            return None;
        }
        // Without the body: what is compressed already is not read again.
        let mut response = serve(file, Method::HEAD, request.headers.clone()).await;
        if response.status() != StatusCode::OK {
            return Some(response);
        }
        if !is_compressible(response.headers()) {
            return None;
        }
        let version = response.headers().get(header::ETAG)?.clone();
        let body = self.compressed.get(file, &version, encoding).await?;
        let headers = response.headers_mut();
        headers.remove(header::ACCEPT_RANGES);
        headers.insert(header::CONTENT_ENCODING, encoding.name());
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        // Not the same bytes as without the encoding, which a strong one would promise.
        headers.insert(header::ETAG, weak(&version));
        *response.body_mut() = if request.method == Method::HEAD { Body::empty() } else { Body::from(body) };
        Some(response)
    }
}

async fn serve(file: &Path, method: Method, headers: HeaderMap) -> Response {
    let mut request = Request::new(Body::empty());
    (*request.method_mut(), *request.headers_mut()) = (method, headers);
    match ServeFile::new(file).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

fn nothing() -> Response {
    reply::refusal(StatusCode::NOT_FOUND, "not_found", "There is nothing here")
}

fn weak(etag: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()).unwrap_or_else(|_| etag.clone())
}

/// Whether an address without a file is one of the page's own, which people open, keep and reload; for a missing script or
/// picture a page would only confuse.
fn is_route(path: &str, headers: &HeaderMap) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if segments.next().is_some_and(|first| matches!(first, "api" | "assets" | ".well-known")) {
        return false;
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let Some((_, extension)) = last.rsplit_once('.') else { return true };
    // Browsers say what they want it for, except over plain http.
    if let Some(wanted) = headers.get(FETCH_DEST) {
        return matches!(wanted.as_bytes(), b"document" | b"iframe" | b"frame");
    }
    let accepts_page = headers.get_all(header::ACCEPT).iter().any(|accept| {
        accept.as_bytes().split(|&byte| byte == b',').any(|kind| kind.trim_ascii().starts_with(b"text/html"))
    });
    accepts_page && !PARTS_OF_PAGES.iter().any(|part| part.eq_ignore_ascii_case(extension))
}

/// Texts; pictures, fonts and films are compressed already.
fn is_compressible(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    kind.starts_with(b"text/")
        || kind.ends_with(b"+json")
        || kind.ends_with(b"+xml")
        || [&b"application/javascript"[..], b"application/json", b"application/wasm", b"application/xml"]
            .contains(&kind)
}

/// `name-DiwrgTda.js` (Vite), `main.3f2a91bc.css` (Create React App): files with a hash in their name never change.
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
mod tests;
