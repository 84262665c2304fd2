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
    health::{Health, alive_route, ready_route},
    measured::{MeasuredLog, MeasuredPasswords, measured},
    recorder::{Metrics, route as metrics_route},
    sampler::{Delivered, Sampler},
};

/// `/healthz`, `/readyz` and `/metrics`, for a port of their own.
pub fn router(health: Health, metrics: Metrics) -> Router {
    alive_route().merge(ready_route(health)).merge(metrics_route(metrics))
}
