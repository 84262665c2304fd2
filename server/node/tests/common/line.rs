//! Engine.IO, revision 4: a line that carries packets over a WebSocket, over HTTP polling, or over both in turn.
//! Heartbeats are answered here.

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use reqwest::header;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{
        Notify,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    task::{AbortHandle, JoinHandle},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest, http},
};

use super::ConnectError;

pub type RawSocket = WebSocketStream<TcpStream>;

/// One Engine.IO session. Dropping it cuts the TCP connections, without a word.
pub struct Line {
    outgoing: UnboundedSender<String>,
    incoming: UnboundedReceiver<String>,
    tasks: Vec<AbortHandle>,
}

/// How to reach the server, and what requests carry.
#[derive(Debug, Clone)]
pub struct Route {
    pub address: SocketAddr,
    /// The local end, when it matters.
    pub from: Option<IpAddr>,
    pub query: String,
    pub headers: Vec<(header::HeaderName, String)>,
}

impl Line {
    /// Sends one packet's payload ("message" type is added). A line that is gone takes nothing.
    pub fn send(&self, message: &str) {
        let _ = self.outgoing.send(format!("4{message}"));
    }

    /// Ends the session in good order.
    pub fn close(&self) {
        let _ = self.outgoing.send("1".to_owned());
    }

    /// The next message; `None` when the line is gone.
    pub async fn recv(&mut self) -> Option<String> {
        self.incoming.recv().await
    }

    /// What has arrived already.
    pub fn try_recv(&mut self) -> Option<String> {
        self.incoming.try_recv().ok()
    }

    pub async fn websocket(route: &Route) -> Result<Self, ConnectError> {
        let mut socket = open_socket(route, "").await?;
        let opened = next_text(&mut socket).await.ok_or(ConnectError::Gone)?;
        assert!(opened.starts_with('0'), "a session starts with OPEN, not {opened:?}");
        Ok(Self::over(socket))
    }

    pub async fn polling(route: &Route) -> Result<Self, ConnectError> {
        let poll = Poll::open(route).await?;
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let (arrived, incoming) = mpsc::unbounded_channel();
        let getting = tokio::spawn(poll.clone().get_all(arrived, outgoing.clone()));
        let posting = tokio::spawn(poll.post_all(to_send));
        Ok(Self { outgoing, incoming, tasks: handles(&[getting, posting]) })
    }

    /// Polls first and changes to a WebSocket, with `upgrade_headers` on that request, as browsers' client does: it goes on
    /// polling while it probes, lets the last poll run out, and sends nothing until it has changed. `connect` is sent before.
    pub async fn upgraded(
        route: &Route,
        upgrade_headers: &[(header::HeaderName, String)],
        connect: &str,
        between: Option<&Between>,
    ) -> Result<Self, ConnectError> {
        let poll = Poll::open(route).await?;
        poll.post(format!("4{connect}")).await.map_err(|_| ConnectError::Gone)?;
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let (arrived, incoming) = mpsc::unbounded_channel();
        if let Some(between) = between {
            let packets = poll.get().await.ok_or(ConnectError::Gone)?;
            assert!(packets.iter().all(|packet| take(packet, &arrived, &outgoing)));
            between.answered.notify_one();
            between.go_on.notified().await;
        }
        let with = Route { headers: upgrade_headers.to_vec(), ..route.clone() };
        let mut socket = open_socket(&with, &format!("&sid={}", poll.sid)).await?;
        let task = tokio::spawn({
            let outgoing = outgoing.clone();
            async move {
                let probed = AtomicBool::new(false);
                let polling = async {
                    while !probed.load(Ordering::Acquire) {
                        let packets = poll.get().await?;
                        packets.iter().all(|packet| take(packet, &arrived, &outgoing)).then_some(())?;
                    }
                    Some(())
                };
                let probing = async {
                    send_text(&mut socket, "2probe").await;
                    assert_eq!(next_text(&mut socket).await?, "3probe");
                    probed.store(true, Ordering::Release);
                    Some(())
                };
                if let (Some(()), Some(())) = tokio::join!(polling, probing) {
                    send_text(&mut socket, "5").await;
                    let (sink, stream) = socket.split();
                    tokio::join!(read_all(stream, arrived, outgoing), write_all(sink, to_send));
                }
            }
        });
        Ok(Self { outgoing, incoming, tasks: handles(&[task]) })
    }

    fn over(socket: RawSocket) -> Self {
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let (arrived, incoming) = mpsc::unbounded_channel();
        let (sink, stream) = socket.split();
        let reading = tokio::spawn(read_all(stream, arrived, outgoing.clone()));
        let writing = tokio::spawn(write_all(sink, to_send));
        Self { outgoing, incoming, tasks: handles(&[reading, writing]) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// A pause after the answer to CONNECT and before the upgrade.
#[derive(Debug, Default)]
pub struct Between {
    pub answered: Notify,
    pub go_on: Notify,
}

/// A WebSocket on which nothing is read, sent or answered by itself.
pub async fn open_socket(route: &Route, more: &str) -> Result<RawSocket, ConnectError> {
    let uri = format!("ws://{}/socket.io/?EIO=4&transport=websocket{}{more}", route.address, route.query);
    let mut request = uri.into_client_request().expect("a request");
    for (name, value) in &route.headers {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).expect("a header's name");
        request.headers_mut().append(name, value.parse().expect("a header's value"));
    }
    let socket = TcpSocket::new_v4().map_err(ConnectError::io)?;
    if let Some(from) = route.from {
        socket.bind((from, 0).into()).map_err(ConnectError::io)?;
    }
    let stream = socket.connect(route.address).await.map_err(ConnectError::io)?;
    stream.set_nodelay(true).map_err(ConnectError::io)?;
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => {
            let body = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            Err(ConnectError::Http { status: answer.status().as_u16(), body: body.into_owned() })
        }
        Err(_) => Err(ConnectError::Gone),
    }
}

/// Takes a packet; false when it ends the session.
fn take(packet: &str, arrived: &UnboundedSender<String>, outgoing: &UnboundedSender<String>) -> bool {
    match packet.split_at_checked(1) {
        Some(("4", message)) => arrived.send(message.to_owned()).is_ok(),
        Some(("2", payload)) => outgoing.send(format!("3{payload}")).is_ok(),
        Some(("6", "")) => true,
        _ => false,
    }
}

async fn read_all(
    mut stream: SplitStream<RawSocket>,
    arrived: UnboundedSender<String>,
    outgoing: UnboundedSender<String>,
) {
    while let Some(Ok(frame)) = stream.next().await {
        if let Message::Text(packet) = frame
            && !take(&packet, &arrived, &outgoing)
        {
            return;
        }
    }
}

async fn write_all(mut sink: SplitSink<RawSocket, Message>, mut to_send: UnboundedReceiver<String>) {
    while let Some(packet) = to_send.recv().await {
        if sink.feed(Message::text(packet)).await.is_err()
            || (to_send.is_empty() && sink.flush().await.is_err())
        {
            return;
        }
    }
}

async fn next_text(socket: &mut RawSocket) -> Option<String> {
    match socket.next().await? {
        Ok(Message::Text(packet)) => Some(packet.to_string()),
        _ => None,
    }
}

async fn send_text(socket: &mut RawSocket, packet: &str) {
    // A socket that is gone is noticed by whoever reads it.
    let _ = socket.send(Message::text(packet)).await;
}

/// A polling session.
#[derive(Clone)]
struct Poll {
    http: reqwest::Client,
    url: String,
    sid: String,
    headers: header::HeaderMap,
}

impl Poll {
    async fn open(route: &Route) -> Result<Self, ConnectError> {
        let builder = reqwest::Client::builder().local_address(route.from);
        let http = builder.build().expect("an HTTP client");
        let headers = route
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a value")))
            .collect();
        let url = format!("http://{}/socket.io/?EIO=4&transport=polling{}", route.address, route.query);
        let mut poll = Self { http, url, sid: String::new(), headers };
        let answer = poll.http.get(&poll.url).headers(poll.headers.clone()).send().await;
        let answer = answer.map_err(|_| ConnectError::Gone)?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(|_| ConnectError::Gone)?;
        if status != 200 {
            return Err(ConnectError::Http { status, body });
        }
        let open: serde_json::Value =
            body.strip_prefix('0').and_then(|open| serde_json::from_str(open).ok()).expect("an OPEN packet");
        poll.sid = open["sid"].as_str().expect("a session id").to_owned();
        poll.url = format!("{}&sid={}", poll.url, poll.sid);
        Ok(poll)
    }

    /// One poll; `None` when the session is gone.
    async fn get(&self) -> Option<Vec<String>> {
        let answer = self.http.get(&self.url).headers(self.headers.clone()).send().await.ok()?;
        if answer.status() != 200 {
            return None;
        }
        let body = answer.text().await.ok()?;
        Some(body.split('\x1e').map(str::to_owned).collect())
    }

    async fn post(&self, payload: String) -> Result<(), ()> {
        let request = self.http.post(&self.url).headers(self.headers.clone());
        let answer =
            request.header(header::CONTENT_TYPE, "text/plain;charset=UTF-8").body(payload).send().await;
        if answer.is_ok_and(|answer| answer.status() == 200) { Ok(()) } else { Err(()) }
    }

    async fn get_all(self, arrived: UnboundedSender<String>, outgoing: UnboundedSender<String>) {
        while let Some(packets) = self.get().await {
            if !packets.iter().all(|packet| take(packet, &arrived, &outgoing)) {
                return;
            }
        }
    }

    /// Sends what waits, all in one payload, as browsers' client does.
    async fn post_all(self, mut to_send: UnboundedReceiver<String>) {
        while let Some(mut payload) = to_send.recv().await {
            while let Ok(more) = to_send.try_recv() {
                payload.push('\x1e');
                payload.push_str(&more);
            }
            if self.post(payload).await.is_err() {
                return;
            }
        }
    }
}

fn handles(tasks: &[JoinHandle<()>]) -> Vec<AbortHandle> {
    tasks.iter().map(JoinHandle::abort_handle).collect()
}
