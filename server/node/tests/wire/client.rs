//! Raw protocol clients.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::server::{Server, within};

/// A WebSocket that sees every frame.
pub(crate) struct Ws(pub(crate) WebSocketStream<TcpStream>);

impl Ws {
    /// Opens a WebSocket with this query and these headers.
    pub(crate) async fn open(
        address: SocketAddr,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Small, so that a client that stops reading is soon felt.
        socket.set_recv_buffer_size(4096).expect("a buffer size");
        let stream = socket.connect(address).await.expect("a connection");
        let mut request = format!("ws://{address}/socket.io/?{query}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header value"));
        }
        Ok(Self(within("the WebSocket", client_async(request, stream)).await?.0))
    }

    /// Opens a session over WebSocket alone and joins the main namespace; returns the CONNECT answer too.
    pub(crate) async fn join(server: &Server, auth: &str) -> (Self, String) {
        let mut ws = Self::open(server.address, "EIO=4&transport=websocket", &[]).await.expect("a WebSocket");
        assert!(ws.text().await.starts_with("0{"));
        ws.send(&format!("40{auth}")).await;
        let answer = ws.text().await;
        (ws, answer)
    }

    pub(crate) async fn send(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.expect("a send");
    }

    pub(crate) async fn message(&mut self) -> Option<Message> {
        match within("a frame", self.0.next()).await {
            Some(Ok(Message::Close(_)) | Err(_)) | None => None,
            Some(Ok(message)) => Some(message),
        }
    }

    /// The next text frame, pings answered.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.message().await.expect("an open WebSocket") {
                Message::Text(text) if text == "2" => self.send("3").await,
                Message::Text(text) => return text.to_string(),
                other => panic!("not a text frame: {other:?}"),
            }
        }
    }

    /// Waits for the server to close.
    pub(crate) async fn closed(&mut self) {
        while self.message().await.is_some() {}
    }
}

/// A long-polling session.
#[derive(Clone)]
pub(crate) struct Poller {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) sid: String,
}

impl Poller {
    pub(crate) async fn open(server: &Server) -> Self {
        Self::open_with(server, "EIO=4").await
    }

    pub(crate) async fn open_with(server: &Server, query: &str) -> Self {
        let http = reqwest::Client::new();
        let url = server.url(&format!("{query}&transport=polling"));
        let opened = http.get(&url).send().await.expect("an answer").text().await.expect("a body");
        let (_, open) = opened.split_once('{').expect("an open packet");
        let open: serde_json::Value = serde_json::from_str(&format!("{{{open}")).expect("JSON");
        let sid = open["sid"].as_str().expect("a sid").to_owned();
        Self { http, url: format!("{url}&sid={sid}"), sid }
    }

    /// Opens a session and joins the main namespace; returns the CONNECT answer too.
    pub(crate) async fn join(server: &Server, auth: &str) -> (Self, String) {
        let poller = Self::open(server).await;
        assert_eq!(poller.post(&format!("40{auth}")).await, 200);
        let answer = poller.poll().await.1;
        (poller, answer)
    }

    pub(crate) async fn poll(&self) -> (u16, String) {
        let answer = within("a poll", self.http.get(&self.url).send()).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    pub(crate) async fn post(&self, payload: &str) -> u16 {
        let request = self.http.post(&self.url).body(payload.to_owned());
        within("a post", request.send()).await.expect("an answer").status().as_u16()
    }

    /// Begins an upgrade: the WebSocket of this session, probed.
    pub(crate) async fn probe(&self, server: &Server, headers: &[(&'static str, &str)]) -> Ws {
        let (_, query) = self.url.split_once('?').expect("a query");
        let query = query.replace("transport=polling", "transport=websocket");
        let mut ws = Ws::open(server.address, &query, headers).await.expect("a WebSocket");
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe");
        ws
    }
}
