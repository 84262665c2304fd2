//! `/healthz`: the process lives. `/readyz`: it can serve, each port asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde_json::{Map, Value, json};
use sockeye_core::{
    id::{ObjectId, UserId},
    ports::{Bus, MessageLog, Store},
};
use tokio::time::timeout;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What readiness is judged by.
#[derive(Clone)]
pub struct Health {
    log: Arc<dyn MessageLog>,
    store: Arc<dyn Store>,
    /// Of a gateway.
    bus: Option<Arc<dyn Bus>>,
    draining: Arc<AtomicBool>,
}

impl Health {
    pub fn new(log: Arc<dyn MessageLog>, store: Arc<dyn Store>, bus: Option<Arc<dyn Bus>>) -> Self {
        Self { log, store, bus, draining: Arc::default() }
    }

    /// From now on not ready: load balancers send new clients elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn check(&self) -> Map<String, Value> {
        let nobody = UserId(ObjectId([0; 12]));
        let bus = async {
            match &self.bus {
                Some(bus) => Some(answers("bus", bus.check()).await),
                None => None,
            }
        };
        let (log, store, bus) =
            tokio::join!(answers("log", self.log.end()), answers("store", self.store.user(nobody)), bus);
        let ports = [Some(log), Some(store), bus].into_iter().flatten();
        ports.map(|(name, ok)| (name.to_owned(), json!(ok))).collect()
    }
}

async fn answers<T, E: std::fmt::Display>(
    name: &'static str,
    question: impl Future<Output = Result<T, E>>,
) -> (&'static str, bool) {
    let ok = match timeout(ANSWER_WITHIN, question).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, port = name, "not ready");
            false
        }
        Err(_) => {
            tracing::warn!(port = name, "not ready: no answer");
            false
        }
    };
    (name, ok)
}

pub fn routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({ "status": "ok" })) }))
        .route("/readyz", get(ready).with_state(health))
}

async fn ready(State(health): State<Health>) -> Response {
    if health.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "draining" }))).into_response();
    }
    let ports = health.check().await;
    // Without the bus a gateway still serves its own clients, who would find no better one elsewhere.
    let all = ports.iter().all(|(name, ok)| name == "bus" || ok == &Value::Bool(true));
    let (status, word) =
        if all { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    (status, Json(json!({ "status": word, "ports": ports }))).into_response()
}
