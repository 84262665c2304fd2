//! `/healthz`: the process lives. `/readyz`: it can serve, each port asked.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::join_all;
use http::StatusCode;
use metrics::{Gauge, gauge};
use serde_json::{Map, Value, json};
use sockeye_core::{
    id::{ObjectId, UserId},
    ports::{Bus, MessageLog, Store},
};
use tokio::time::timeout;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What readiness is judged by. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Checks>);

struct Checks {
    ports: Vec<Check>,
    draining: AtomicBool,
}

struct Check {
    name: &'static str,
    port: Box<dyn Asked>,
    /// Without it this process cannot serve.
    needed: bool,
    was_up: AtomicBool,
    gauge: Gauge,
}

/// One question that anything answers that works.
#[async_trait]
trait Asked: Send + Sync {
    async fn answers(&self) -> Result<(), String>;
}

impl Health {
    /// `bus`: of a gateway. Without it one still serves its own clients, who would find no better one elsewhere.
    pub fn new(log: Arc<dyn MessageLog>, store: Arc<dyn Store>, bus: Option<Arc<dyn Bus>>) -> Self {
        let needed = [Check::new("log", log, true), Check::new("store", store, true)];
        Self::of(needed.into_iter().chain(bus.map(|bus| Check::new("bus", bus, false))).collect())
    }

    fn of(ports: Vec<Check>) -> Self {
        Self(Arc::new(Checks { ports, draining: AtomicBool::new(false) }))
    }

    /// From now on not ready: load balancers send new clients elsewhere.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Asks every port, all at once; each is given [`ANSWER_WITHIN`]. Whether this process can serve, and who answered.
    pub(super) async fn check(&self) -> (bool, Map<String, Value>) {
        let ports = &self.0.ports;
        let up = join_all(ports.iter().map(Check::ask)).await;
        let ready = ports.iter().zip(&up).all(|(port, &up)| up || !port.needed);
        (ready, ports.iter().zip(up).map(|(port, up)| (port.name.to_owned(), json!(up))).collect())
    }
}

impl Check {
    fn new(name: &'static str, port: impl Asked + 'static, needed: bool) -> Self {
        let gauge = gauge!("sockeye_port_up", "port" => name);
        Self { name, port: Box::new(port), needed, was_up: AtomicBool::new(true), gauge }
    }

    async fn ask(&self) -> bool {
        let answer = timeout(ANSWER_WITHIN, self.port.answers()).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {ANSWER_WITHIN:?}")));
        let up = answer.is_ok();
        self.gauge.set(if up { 1 } else { 0 });
        let was_up = self.was_up.swap(up, Ordering::Relaxed);
        match answer {
            Err(error) if was_up => tracing::warn!(port = self.name, error, "does not answer"),
            Ok(()) if !was_up => tracing::info!(port = self.name, "answers again"),
            _ => {}
        }
        up
    }
}

#[async_trait]
impl Asked for Arc<dyn MessageLog> {
    async fn answers(&self) -> Result<(), String> {
        outcome(self.end().await)
    }
}

#[async_trait]
impl Asked for Arc<dyn Store> {
    async fn answers(&self) -> Result<(), String> {
        outcome(self.user(UserId(ObjectId([0; 12]))).await)
    }
}

#[async_trait]
impl Asked for Arc<dyn Bus> {
    async fn answers(&self) -> Result<(), String> {
        outcome(self.check().await)
    }
}

fn outcome<T, E: Display>(answer: Result<T, E>) -> Result<(), String> {
    answer.map(|_| ()).map_err(|error| error.to_string())
}

/// `/healthz`.
pub fn alive_route() -> Router {
    Router::new().route("/healthz", get(|| async { Json(json!({ "status": "ok" })) }))
}

/// `/readyz`.
pub fn ready_route(health: Health) -> Router {
    Router::new().route("/readyz", get(ready).with_state(health))
}

async fn ready(State(health): State<Health>) -> Response {
    if health.0.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "draining" }))).into_response();
    }
    let (ready, ports) = health.check().await;
    let (status, word) =
        if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    (status, Json(json!({ "status": word, "ports": ports }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(Arc<AtomicBool>);

    #[async_trait]
    impl Asked for Fake {
        async fn answers(&self) -> Result<(), String> {
            if self.0.load(Ordering::Relaxed) { Ok(()) } else { Err("away".to_owned()) }
        }
    }

    /// The switches of a port that is needed and of one that is not.
    fn health() -> (Arc<AtomicBool>, Arc<AtomicBool>, Health) {
        let (store, bus) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
        let checks = [("store", &store, true), ("bus", &bus, false)];
        let checks = checks.map(|(name, up, needed)| Check::new(name, Fake(up.clone()), needed));
        (store, bus, Health::of(checks.into()))
    }

    #[tokio::test]
    async fn only_what_is_needed_makes_a_process_unready_and_all_of_it_is_told() {
        let (recorder, metrics) = crate::ops::recorder::local();
        let _here = metrics::set_default_local_recorder(&recorder);
        let (store, bus, health) = health();
        let status = async || ready(State(health.clone())).await.status();
        assert_eq!(status().await, StatusCode::OK);
        bus.store(false, Ordering::Relaxed);
        assert_eq!(status().await, StatusCode::OK);
        let (ready, ports) = health.check().await;
        assert!(ready);
        assert_eq!(Value::Object(ports), json!({ "store": true, "bus": false }));
        let text = metrics.render();
        assert!(text.contains("sockeye_port_up{port=\"bus\"} 0\n"), "{text}");
        assert!(text.contains("sockeye_port_up{port=\"store\"} 1\n"), "{text}");
        store.store(false, Ordering::Relaxed);
        assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
        store.store(true, Ordering::Relaxed);
        assert_eq!(status().await, StatusCode::OK);
        health.drain();
        assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
