//! HTTP around the contracts' routes: what every answer has, whichever route gave it.

pub mod api;
pub mod body;
pub mod cookies;
mod cors;
pub mod date;
mod headers;
pub mod inside;
mod landing;
pub mod limits;
mod measure;
mod media;
pub mod origin;
pub mod page;
pub mod reply;
mod request_log;
mod static_files;
mod unread;
pub mod upload;

use std::{any::Any, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};
use http::StatusCode;
use sockeye_core::limits::Rule;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

use self::{inside::Audience, origin::Trust, upload::Pace};
use super::{Gateway, contract::Contract, wire::Wire};

/// What the HTTP side is built from.
pub struct HttpParts {
    pub gateway: Gateway,
    pub contract: Arc<dyn Contract>,
    pub wire: Wire,
    /// `/healthz`.
    pub alive: Router,
    /// `/readyz`.
    pub ready: Router,
    /// `/metrics`.
    pub metrics: Router,
    /// Who is answered `/readyz` and `/metrics` here.
    pub inside: Audience,
    pub trust: Trust,
    /// Origins of pages that may call us with cookies.
    pub origins: Vec<String>,
    pub static_dir: Option<PathBuf>,
    pub body_bytes_max: usize,
    pub pace: Pace,
    /// Pictures and files of the page, per client address.
    pub files: Arc<Rule>,
    pub production: bool,
}

/// A body that is refused is read up to this many times the largest one accepted.
const DRAIN_FACTOR: usize = 4;

/// The whole HTTP service. Layers are listed from the inside out.
pub fn router(parts: HttpParts) -> Router {
    let HttpParts { gateway, contract, wire, trust, origins, .. } = parts;
    let inside = |routes: Router| routes.layer(from_fn_with_state(parts.inside, inside::only));
    let api = gateway.limits.around_requests(contract.routes(gateway.clone()).merge(inside(parts.metrics)));
    let pages = match &parts.static_dir {
        Some(dir) => static_files::routes(dir),
        None => landing::routes(contract.profile()),
    };
    let limits = gateway.limits.clone();
    let pages = limits.around(pages, parts.files.clone());
    api.merge(limits.around(media::routes(gateway), parts.files))
        .merge(parts.alive)
        .merge(inside(parts.ready))
        .fallback_service(pages)
        .layer(CompressionLayer::new())
        .layer(DefaultBodyLimit::max(parts.body_bytes_max))
        .layer(from_fn_with_state(parts.body_bytes_max.saturating_mul(DRAIN_FACTOR), unread::drain))
        .layer(from_fn_with_state(parts.pace, upload::in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(measure::measure))
        .layer(wire.layer())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::new(trust), mark))
        .layer(from_fn_with_state(parts.production, headers::add))
        .layer(cors::layer(origins))
        .layer(from_fn(cors::preflight_without_content))
        .layer(from_fn(request_log::log))
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    reply::refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal Server Error")
}

async fn mark(State(trust): State<Arc<Trust>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    trust.mark(&mut parts);
    next.run(Request::from_parts(parts, body)).await
}
