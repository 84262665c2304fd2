//! An echo behind the gateway's own Socket.IO stack, for protocol suites to be pointed at.
//!
//! `PORT` (3000): Socket.IO at `/socket.io/`, namespaces `/` and `/custom`. `ENGINE_PORT` (3001): bare Engine.IO
//! at `/engine.io/`. Either may be 0; the ports are printed when ready.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use engineioxide::{
    DisconnectReason, Socket, Str,
    handler::EngineIoHandler,
    service::{EngineIoService, NotFoundService},
};
use serde_json::{Value, json};
use sockeye::{
    gateway::wire::{
        Admission, Application, Connection, Event, Gate, Handshake, Payload, Refusal, Wire, WireConfig,
        WireLayer,
    },
    listener::{Bounds, Server},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowHeaders, CorsLayer};

/// How long a client may take to acknowledge `emit-with-ack`.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Suites wait for the CONNECT answer and for `auth` with one-shot listeners: of two frames that arrive in one
/// read they miss the second.
const AUTH_AFTER: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let socket_io = bind("PORT", 3000).await?;
    let engine_io = bind("ENGINE_PORT", 3001).await?;

    let wire = Wire::new(config("/socket.io"), Arc::new(Echo));
    let bare = config("/engine.io");
    let engine = EngineIoService::with_config_inner(NotFoundService, Arc::new(EngineEcho), bare.engine_io());
    let gate = Gate::new(bare, engine);

    println!(
        "listening socket.io={} engine.io={}",
        socket_io.local_addr()?.port(),
        engine_io.local_addr()?.port()
    );
    tokio::try_join!(serve(socket_io, wire.layer()), serve(engine_io, gate.layer()))?;
    Ok(())
}

fn config(path: &str) -> WireConfig {
    WireConfig {
        path: path.into(),
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(1000),
        allow_eio3: true,
        namespaces: vec!["/".into(), "/custom".into()],
        ..WireConfig::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "an example has no config folder")]
async fn bind(variable: &str, default: u16) -> Result<TcpListener, Box<dyn std::error::Error>> {
    let port = match std::env::var(variable) {
        Ok(port) => port.parse()?,
        Err(_) => default,
    };
    Ok(TcpListener::bind(("0.0.0.0", port)).await?)
}

async fn serve(listener: TcpListener, layer: WireLayer) -> std::io::Result<()> {
    // Not "*": that does not cover `Authorization`.
    let cors = CorsLayer::permissive().allow_headers(AllowHeaders::mirror_request());
    let app = Router::new().layer(layer).layer(cors);
    let server = Server::new("clients", app, Bounds::default());
    server.run(vec![listener], CancellationToken::new()).await.map_err(|never| match never {})
}

struct Echo;

#[async_trait]
impl Application for Echo {
    async fn admit(&self, _: &Handshake, _: &str, _: &Value) -> Result<Admission, Refusal> {
        Ok(Admission::default())
    }

    async fn serve(&self, mut connection: Connection) {
        tokio::time::sleep(AUTH_AFTER).await;
        if connection.outbox.emit("auth", &[connection.auth.clone()]).is_err() {
            return;
        }
        while let Some(event) = connection.inbox.recv().await {
            if let Err(error) = answer(&connection, event).await {
                tracing::debug!(%error, "an echo was not sent");
            }
        }
    }
}

async fn answer(
    connection: &Connection,
    event: Event,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let payload = Payload { args: event.args, attachments: event.attachments };
    match (event.name.as_str(), event.ack) {
        ("message", _) => connection.outbox.emit_binary("message-back", &payload)?,
        ("message-with-ack", Some(ack)) => ack.send_binary(&payload)?,
        ("emit-with-ack", _) => {
            let outbox = connection.outbox.clone();
            tokio::spawn(async move {
                match outbox.emit_with_ack("emit-with-ack", &payload, ACK_TIMEOUT).await {
                    Ok(answer) => drop(outbox.emit_binary("emit-with-ack-back", &answer)),
                    Err(error) => drop(outbox.emit("emit-with-ack-failed", &[json!(error.to_string())])),
                }
            });
        }
        _ => tracing::debug!("an event this echo does not know"),
    }
    Ok(())
}

#[derive(Debug)]
struct EngineEcho;

impl EngineIoHandler for EngineEcho {
    type Data = ();

    fn on_connect(self: Arc<Self>, _: Arc<Socket<()>>) {}

    fn on_disconnect(&self, _: Arc<Socket<()>>, reason: DisconnectReason) {
        tracing::debug!(?reason, "an Engine.IO session is gone");
    }

    fn on_message(self: &Arc<Self>, message: Str, socket: Arc<Socket<()>>) {
        if socket.emit(message).is_err() {
            tracing::debug!("an echo was not sent");
        }
    }

    fn on_binary(self: &Arc<Self>, data: Bytes, socket: Arc<Socket<()>>) {
        if socket.emit_binary(data).is_err() {
            tracing::debug!("an echo was not sent");
        }
    }
}
