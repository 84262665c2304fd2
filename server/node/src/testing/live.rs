//! The sockets of a [`TestChat`]: served on a port of this machine, and spoken by hand.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ::http::header::COOKIE;
use futures_util::{SinkExt, StreamExt};
use sockeye_core::{SignedIn, limits::Rule};
use tokio::{net::TcpStream, sync::Notify, task::JoinHandle};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;

use super::{SystemEntropy, TestChat};
use crate::{
    config::TrustQueryUser,
    gateway::{
        connection::Connections,
        contract::Contract,
        delivery::Delivery,
        hub::Hub,
        instruments::Instruments,
        recovery::RecoveryKey,
        session_check::SessionCheck,
        users::UserLimits,
        wire::{Wire, WireConfig},
    },
};

/// Far more than anything needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A chat whose sockets are served, until it is dropped.
pub struct Live {
    pub chat: TestChat,
    pub hub: Arc<Hub>,
    /// Has it looked at once whether everybody may stay.
    pub check: Arc<Notify>,
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Live {
    pub async fn serving(contract: impl Contract, trust: TrustQueryUser) -> Self {
        // The HTTP client asks for one, though nothing here is encrypted. The only error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chat = TestChat::serving(&contract).await;
        let contract: Arc<dyn Contract> = Arc::new(contract);
        let (ports, stop) = (&chat.ports, CancellationToken::new());
        let subscription = ports.bus.subscribe().await.expect("a subscription");
        let end = ports.log.end().await.expect("an end");
        let tail = ports.log.tail(&end).await.expect("a tail");
        let (hub, check) = (Hub::new(end), Arc::new(Notify::new()));
        let delivery = Delivery {
            hub: hub.clone(),
            chat: chat.gateway.chat.clone(),
            contract: contract.clone(),
            presence_coalesce: Duration::from_millis(5),
            check_sessions: check.clone(),
        };
        let session_check = SessionCheck {
            hub: hub.clone(),
            chat: chat.gateway.chat.clone(),
            every: Duration::from_secs(3_600),
            entropy: Arc::new(SystemEntropy),
            soon: check.clone(),
        };
        let connections = Connections {
            instruments: Instruments::new(&chat.gateway.profile),
            gateway: chat.gateway.clone(),
            contract,
            hub: hub.clone(),
            clock: chat.clock.clone(),
            recovery: Some(RecoveryKey::derive("a secret of the tests")),
            trust,
            proof_timeout: PATIENCE,
            held_len_max: 10,
            events: Rule { name: "events", events_max: 1_000, window_ms: 1_000, block_ms: 0 },
            stall_after: PATIENCE,
            users: UserLimits::new(
                100,
                Rule { name: "user_events", events_max: 1_000, window_ms: 1_000, block_ms: 0 },
            ),
        };
        let wire = Wire::new(WireConfig::default(), Arc::new(connections));
        let router = axum::Router::new().layer(wire.layer());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let tasks = vec![
            tokio::spawn({
                let stop = stop.clone();
                async move { delivery.run(tail, subscription, stop).await.expect("delivery") }
            }),
            tokio::spawn(async move {
                let Ok(()) = session_check.run(stop).await;
            }),
            tokio::spawn(async move { axum::serve(listener, service).await.expect("served") }),
        ];
        Self { chat, hub, check, address, tasks }
    }

    /// A polling session that claims to be somebody; nothing is sent over it yet.
    pub async fn poll(&self, user: &SignedIn) -> Polling {
        let http = reqwest::Client::new();
        let query = format!("EIO=4&transport=polling&userId={}", user.user.id);
        let url = format!("http://{}/socket.io/?{query}", self.address);
        let opened = http.get(&url).send().await.expect("an answer").text().await.expect("a body");
        let opened: serde_json::Value = serde_json::from_str(&opened[1..]).expect("an OPEN packet");
        let sid = opened["sid"].as_str().expect("a session id").to_owned();
        Polling { http, url: format!("{url}&sid={sid}"), address: self.address, query, sid }
    }

    /// A WebSocket with the user's cookie, which has sent CONNECT.
    pub async fn connect(&self, user: &SignedIn, payload: &str) -> Socket {
        self.connect_with(user, Some(user), payload).await
    }

    /// The same by claim only.
    pub async fn connect_without_cookie(&self, user: &SignedIn, payload: &str) -> Socket {
        self.connect_with(user, None, payload).await
    }

    async fn connect_with(&self, user: &SignedIn, cookie: Option<&SignedIn>, payload: &str) -> Socket {
        let query = format!("EIO=4&transport=websocket&userId={}", user.user.id);
        let mut socket = Socket::open(self.address, &query, cookie).await;
        assert!(socket.next().await.expect("OPEN").starts_with('0'));
        socket.send(&format!("40{payload}")).await;
        socket
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// An Engine.IO session over polling.
pub struct Polling {
    http: reqwest::Client,
    url: String,
    address: SocketAddr,
    query: String,
    sid: String,
}

impl Polling {
    pub async fn post(&self, packet: &str) {
        let answer = self.http.post(&self.url).body(packet.to_owned()).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }

    pub async fn get(&self) -> String {
        let answer = self.http.get(&self.url).send().await.expect("an answer");
        answer.text().await.expect("a body")
    }

    /// Changes to a WebSocket whose request has the user's cookie.
    pub async fn upgrade(&self, user: &SignedIn) -> Socket {
        let query = self.query.replace("polling", "websocket");
        let mut socket = Socket::open(self.address, &format!("{query}&sid={}", self.sid), Some(user)).await;
        socket.send("2probe").await;
        assert_eq!(socket.next().await.as_deref(), Some("3probe"));
        socket.send("5").await;
        socket
    }
}

/// A WebSocket: Engine.IO packets, heartbeats answered.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(address: SocketAddr, query: &str, user: Option<&SignedIn>) -> Self {
        let url = format!("ws://{address}/socket.io/?{query}");
        let mut request = url.into_client_request().expect("a request");
        if let Some(user) = user {
            let cookie = format!("token={}", user.token.0).parse().expect("a header's value");
            request.headers_mut().insert(COOKIE, cookie);
        }
        Self(connect_async(request).await.expect("a WebSocket").0)
    }

    pub async fn send(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.expect("it is open");
    }

    /// `None` when it is over.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something comes");
            match frame {
                Some(Ok(Message::Text(packet))) if packet.starts_with('2') => self.send("3").await,
                Some(Ok(Message::Text(packet))) if packet.as_str() == "6" => {}
                Some(Ok(Message::Text(packet))) => return Some(packet.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Reads up to the first packet that begins so.
    pub async fn until(&mut self, start: &str) -> String {
        loop {
            let packet = self.next().await.unwrap_or_else(|| panic!("it ended before {start}"));
            if packet.starts_with(start) {
                return packet;
            }
        }
    }

    /// Reads to its end; whether the server said DISCONNECT, so that the client does not come again by itself.
    pub async fn ended(&mut self) -> bool {
        // Heartbeats and presence go on on one that lives.
        let reading = async {
            let mut told = false;
            while let Some(packet) = self.next().await {
                told |= packet == "41";
            }
            told
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("it ends")
    }
}
