//! The browser client, served next to the endpoint as the Node server does (`/socket.io/socket.io.js` …).
//!
//! The files come from the published npm package at build time (see `build.rs`); none is in this repository.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::answer::{self, Answer};

include!(concat!(env!("OUT_DIR"), "/client_bundle.rs"));

/// Names that belong to the bundle, whether or not this build has it.
const NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

/// The bundle file a request path asks for.
pub(crate) fn find(base: &str, path: &str) -> Option<&'static str> {
    let name = path.strip_prefix(base.trim_end_matches('/'))?.strip_prefix('/')?;
    NAMES.into_iter().find(|known| *known == name)
}

pub(crate) fn answer(name: &str, method: &Method, headers: &HeaderMap) -> Answer {
    if method != Method::GET && method != Method::HEAD {
        return answer::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some((_, content)) = FILES.iter().find(|(file, _)| *file == name) else {
        let message = "this build has no client bundle: run `npm ci` in client-js/demo and build again, \
                       or load socket.io-client from npm";
        return answer::json(StatusCode::NOT_FOUND, format!("{{\"code\":404,\"message\":\"{message}\"}}"));
    };
    let etag = HeaderValue::from_static(ETAG);
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|one| one.trim().trim_start_matches("W/") == ETAG));
    let content_type = if name.ends_with(".map") {
        "application/json; charset=utf-8"
    } else {
        "application/javascript; charset=utf-8"
    };
    let mut answer = if known {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        let body = if method == Method::HEAD { Bytes::new() } else { Bytes::from_static(content) };
        answer::with(StatusCode::OK, content_type, body)
    };
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
    answer.headers_mut().insert(header::ETAG, etag);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_names_are_the_bundle() {
        assert_eq!(find("/socket.io", "/socket.io/socket.io.js"), Some("socket.io.js"));
        assert_eq!(
            find("/socket.io/", "/socket.io/socket.io.esm.min.js.map"),
            Some("socket.io.esm.min.js.map")
        );
        for path in ["/socket.io/", "/socket.io/other.js", "/socket.io/../socket.io.js", "/socket.io.js"] {
            assert_eq!(find("/socket.io", path), None);
        }
    }
}
