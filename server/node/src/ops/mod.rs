//! What operators look at: health, readiness, metrics. Wired by `app.rs`; no other part knows it.
//!
//! Parts count with the `metrics` crate, each with handles it made when it was built; here the numbers are gathered
//! ([`Metrics`]), named ([`catalog`]), sampled where nobody could count ([`Sampler`]) and served.

pub mod catalog;
mod health;
mod measured;
mod process;
mod recorder;
mod sampler;

use axum::Router;

pub use self::{
    health::{Health, routes as health_routes},
    measured::{MeasuredLog, MeasuredPasswords, measured},
    recorder::{Metrics, route as metrics_route},
    sampler::{Delivered, Sampler},
};

/// `/healthz`, `/readyz` and `/metrics`, for a process that serves nothing else.
pub fn router(health: Health, metrics: Metrics) -> Router {
    health_routes(health).merge(metrics_route(metrics))
}
