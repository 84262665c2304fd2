//! A server whose connections the test itself owns.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, routing::get};
use serde_json::Value;
use sockeye::{
    gateway::wire::{
        Admission, Application, Connection, Event, Handshake, Inbox, Outbox, Refusal, Wire, WireConfig,
    },
    listener::{self, Bounds},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Longer than anything under test may take; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("timed out waiting for {what}"),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) wire: Wire,
    connections: mpsc::UnboundedReceiver<Owned>,
}

/// A connection in the hands of a test. Dropping it ends the socket.
pub(crate) struct Owned {
    pub(crate) connection: Connection,
    _serving: oneshot::Sender<()>,
}

impl Owned {
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.connection.outbox
    }

    pub(crate) fn inbox(&mut self) -> &mut Inbox {
        &mut self.connection.inbox
    }

    pub(crate) async fn event(&mut self) -> Event {
        within("an event", self.connection.inbox.recv()).await.expect("the socket is gone")
    }

    /// Waits until the owner sees the end of the socket.
    pub(crate) async fn gone(&mut self) {
        within("the end of the socket", async { while self.connection.inbox.recv().await.is_some() {} })
            .await;
    }
}

impl Server {
    pub(crate) async fn start(config: WireConfig) -> Self {
        let (sender, connections) = mpsc::unbounded_channel();
        let (address, wire) = serve(config, Arc::new(HandOver(sender))).await;
        Self { address, wire, connections }
    }

    pub(crate) async fn accept(&mut self) -> Owned {
        within("a connection", self.connections.recv()).await.expect("the application is gone")
    }

    pub(crate) fn url(&self, query: &str) -> String {
        format!("http://{}/socket.io/?{query}", self.address)
    }

    pub(crate) async fn empty(&self) {
        until("all sessions to be gone", || self.wire.connection_count() == 0).await;
    }
}

/// Serves an application beside an ordinary route.
pub(crate) async fn serve(config: WireConfig, app: Arc<dyn Application>) -> (SocketAddr, Wire) {
    // The tests' HTTP client asks for one, though nothing here is encrypted. The only error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wire = Wire::new(config, app);
    let router = Router::new().route("/other", get(|| async { "untouched" })).layer(wire.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let server = listener::Server::new("clients", router, Bounds::default());
    tokio::spawn(server.run(vec![listener], CancellationToken::new()));
    (address, wire)
}

struct HandOver(mpsc::UnboundedSender<Owned>);

#[async_trait]
impl Application for HandOver {
    /// `{"refuse": why}` is refused, `{"pid": p}` is given that pid, `{"slow": ms}` is admitted later.
    async fn admit(&self, _: &Handshake, _: &str, auth: &Value) -> Result<Admission, Refusal> {
        if let Some(delay_ms) = auth["slow"].as_u64() {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        match auth["refuse"].as_str() {
            Some(why) => Err(Refusal::final_for(why)),
            None => Ok(Admission { pid: auth["pid"].as_str().map(str::to_owned), ..Admission::default() }),
        }
    }

    async fn serve(&self, connection: Connection) {
        let (serving, done) = oneshot::channel();
        if self.0.send(Owned { connection, _serving: serving }).is_ok() {
            let _ended = done.await;
        }
    }
}
