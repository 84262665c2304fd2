//! What `GET /` says when no frontend is served: what is running, and how an app connects.

use axum::{Json, Router, response::IntoResponse, routing::get};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::{origin::BaseUrl, reply};
use crate::gateway::contract::Profile;

pub(super) fn routes(profile: Profile) -> Router {
    let name = profile.name;
    Router::new()
        .route(
            "/",
            get(
                move |base_url: BaseUrl, headers: HeaderMap| async move { page(name, &base_url.0, &headers) },
            ),
        )
        .fallback(|| async { reply::refusal(StatusCode::NOT_FOUND, "not_found", "There is nothing here") })
}

fn page(contract: &str, base_url: &str, headers: &HeaderMap) -> axum::response::Response {
    let version = env!("CARGO_PKG_VERSION");
    let wants_page = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    if !wants_page {
        return Json(json!({ "name": "sockeye", "version": version, "contract": contract })).into_response();
    }
    let base_url = escape(base_url);
    axum::response::Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Sockeye</title><h1>Sockeye {version} is running</h1>\
         <p>It serves the contract <code>{contract}</code>. An app connects with</p>\
         <pre>import {{ io }} from \"socket.io-client\";\n\
         const socket = io(\"{base_url}\", {{ query: {{ userId }}, withCredentials: true }});\n\
         socket.on(\"newMessage\", (message) =&gt; console.log(message));</pre>\
         <p>To serve a built frontend here, set <code>SOCKEYE_STATIC_DIR</code>.</p></html>"
    ))
    .into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
