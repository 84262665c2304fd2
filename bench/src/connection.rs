//! One WebSocket connection from the TCP handshake to the Socket.IO CONNECT.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::accounts::Account;
use crate::errors::Failure;
use crate::wire::{self, Frame, Opening};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// A connection on which the server has accepted the default namespace.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    /// Longest silence the server's own heartbeat settings allow.
    pub(crate) silence_max: Duration,
    /// Events that arrived with the handshake.
    pub(crate) early: Vec<Utf8Bytes>,
}

impl Connection {
    /// Opens the socket of `account`, who proves itself with the cookie on the WebSocket request.
    pub(crate) async fn open(url: &str, account: &Account) -> Result<Self, Failure> {
        timeout(HANDSHAKE_WITHIN, Self::handshake(url, account))
            .await
            .map_err(|_| Failure::Handshake(format!("not complete within {HANDSHAKE_WITHIN:?}")))?
    }

    async fn handshake(url: &str, account: &Account) -> Result<Self, Failure> {
        let host = url
            .strip_prefix("http://")
            .ok_or_else(|| Failure::Setup(format!("{url} does not start with http://")))?;
        let address = format!("ws://{host}/socket.io/?EIO=4&transport=websocket&userId={}", account.id);
        let mut request = address.into_client_request().map_err(handshake)?;
        let cookie = HeaderValue::try_from(format!("token={}", account.token)).map_err(handshake)?;
        request.headers_mut().insert("cookie", cookie);
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let (mut socket, _) =
            connect_async_with_config(request, Some(config), true).await.map_err(handshake)?;

        let opening = next_text(&mut socket).await?;
        let Some(Frame::Open(json)) = wire::parse(&opening) else {
            return Err(Failure::Handshake(format!("expected OPEN, got {opening:?}")));
        };
        let opening: Opening = serde_json::from_str(json).map_err(handshake)?;
        socket.send(Message::text(wire::CONNECT)).await.map_err(handshake)?;

        let mut early = Vec::new();
        loop {
            let text = next_text(&mut socket).await?;
            match wire::parse(&text) {
                Some(Frame::Connected) => break,
                Some(Frame::Ping) => socket.send(Message::text(wire::PONG)).await.map_err(handshake)?,
                Some(Frame::Event { .. }) => early.push(text),
                Some(Frame::Noop) => {}
                other => return Err(Failure::Handshake(format!("expected CONNECT, got {other:?}"))),
            }
        }
        let silence_max = Duration::from_millis(opening.ping_interval + opening.ping_timeout);
        Ok(Self { socket, silence_max, early })
    }
}

async fn next_text(socket: &mut Socket) -> Result<Utf8Bytes, Failure> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(other)) => return Err(Failure::Handshake(format!("unexpected frame {other:?}"))),
            Some(Err(error)) => return Err(handshake(error)),
            None => return Err(Failure::Handshake("closed during the handshake".to_owned())),
        }
    }
}

fn handshake(error: impl std::fmt::Display) -> Failure {
    Failure::Handshake(error.to_string())
}
