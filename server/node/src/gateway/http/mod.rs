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
mod paths;
pub mod proxies;
pub mod reply;
mod request_log;
mod static_files;
mod unread;
pub mod upload;

use std::{any::Any, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
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
    pub trust: Arc<Trust>,
    pub static_dir: Option<PathBuf>,
    pub pace: Pace,
    /// Pictures and files of the page, per client address.
    pub files: Arc<Rule>,
    pub production: bool,
}

/// The whole HTTP service. Layers are listed from the inside out.
pub fn router(parts: HttpParts) -> Router {
    let HttpParts { gateway, contract, wire, trust, .. } = parts;
    let inside = |routes: Router| routes.layer(from_fn_with_state(parts.inside, inside::only));
    let api = gateway.limits.around_requests(contract.routes(gateway.clone()).merge(inside(parts.metrics)));
    let pages = match &parts.static_dir {
        Some(dir) => static_files::routes(dir),
        None => landing::routes(contract.profile()),
    };
    let limits = gateway.limits.clone();
    let pages = limits.around(pages, parts.files.clone());
    let known = contract.profile().routes;
    let router = api
        .merge(limits.around(media::routes(gateway), parts.files))
        .merge(parts.alive)
        .merge(inside(parts.ready))
        .layer(CompressionLayer::new())
        // Files are compressed once, not for every request.
        .fallback_service(pages)
        .layer(from_fn_with_state(trust.clone(), origin::guard))
        .layer(from_fn(unread::drain))
        .layer(from_fn_with_state(parts.pace, upload::in_time))
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
