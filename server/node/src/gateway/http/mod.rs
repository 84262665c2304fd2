//! HTTP around the contracts' routes: what every answer has, whichever route gave it.

pub mod api;
pub mod body;
pub mod cookies;
mod cors;
pub mod date;
mod headers;
mod landing;
pub mod limits;
mod measure;
mod media;
pub mod origin;
pub mod page;
mod paths;
pub mod proxies;
pub mod reply;
mod request_log;
mod static_files;
mod unread;

use std::{any::Any, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};
use http::StatusCode;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

use self::origin::Trust;
use super::{Gateway, contract::Contract, wire::Wire};

/// What the HTTP side is built from.
pub struct HttpParts {
    pub gateway: Gateway,
    pub contract: Arc<dyn Contract>,
    pub wire: Wire,
    /// `/healthz` and `/readyz`.
    pub health: Router,
    /// `/metrics`.
    pub metrics: Router,
    pub trust: Arc<Trust>,
    pub static_dir: Option<PathBuf>,
    pub request_timeout: Duration,
    pub production: bool,
}

/// The whole HTTP service. Layers are listed from the inside out.
pub fn router(parts: HttpParts) -> Router {
    let HttpParts { gateway, contract, wire, health, metrics, trust, .. } = parts;
    let api = gateway.limits.around_requests(contract.routes(gateway.clone()).merge(metrics));
    let pages = match &parts.static_dir {
        Some(dir) => static_files::routes(dir),
        None => landing::routes(contract.profile()),
    };
    let known = contract.profile().routes;
    let router = api
        .merge(media::routes(gateway))
        .merge(health)
        .layer(CompressionLayer::new())
        // Files are compressed once, not for every request.
        .fallback_service(pages)
        .layer(from_fn_with_state(trust.clone(), origin::guard))
        .layer(from_fn(unread::drain))
        .layer(from_fn_with_state(parts.request_timeout, in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(measure::measure))
        .layer(wire.layer())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(trust.clone(), mark))
        .layer(from_fn_with_state(parts.production, headers::add))
        .layer(cors::layer(trust))
        .layer(from_fn(cors::preflight_without_content))
        .layer(from_fn(request_log::log));
    paths::as_express(router, known)
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    reply::refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal Server Error")
}

async fn mark(State(trust): State<Arc<Trust>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    trust.mark(&mut parts);
    next.run(Request::from_parts(parts, body)).await
}

/// Bounds how long a request may take. Long polls are not here: the wire answers them before.
async fn in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        tracing::error!(?limit, "request given up");
        reply::refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "This takes too long, try again")
    })
}
