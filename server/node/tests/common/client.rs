//! Socket.IO, revision 5, as `socket.io-client` 4.8 speaks it, with its connection state recovery.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderName, ORIGIN};
use serde_json::{Map, Value, json};
use sockeye_core::position::Cursor;

use super::{
    addresses::Addresses,
    line::{Between, Line, RawSocket, Route, open_socket},
    soon,
};

/// A connection not made yet.
#[derive(Debug, Clone)]
pub struct Dial {
    addresses: Addresses,
    /// Its address is the one dialled last.
    route: Route,
    transport: Transport,
    auth: Map<String, Value>,
    /// Of the upgrade request, when they differ.
    upgrade_headers: Option<Vec<(HeaderName, String)>>,
    /// What happens before the upgrade.
    between: Option<Arc<Between>>,
    memory: Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    Polling,
    /// Polling, then the upgrade.
    Upgrade,
}

/// What a client remembers of its connection, and shows when it returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    pub pid: Option<String>,
    pub offset: Option<String>,
}

#[derive(Debug)]
pub enum ConnectError {
    /// The handshake was answered with an error.
    Http { status: u16, body: String },
    /// CONNECT_ERROR, with its message.
    Refused(String),
    /// No connection, or one that ended before the answer.
    Gone,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub args: Vec<Value>,
}

/// One Socket.IO connection, and its successors after a [`Client::reconnect`].
pub struct Client {
    /// As dialled at first; knows what to show on return.
    dial: Dial,
    line: Option<Line>,
    pub sid: String,
    /// Whether the server took this connection for the continuation of the last one.
    pub recovered: bool,
    pub memory: Memory,
    /// The place in the log of the last event, in this connection or in those it recovers.
    told: Option<Cursor>,
    events: VecDeque<Event>,
    acks: HashMap<u64, Vec<Value>>,
    /// Ids of all acknowledgements, in the order in which they came.
    pub acked: Vec<u64>,
    next_ack: u64,
    /// The server said DISCONNECT: such a client does not reconnect by itself.
    pub disconnected_by_server: bool,
}

impl Dial {
    /// To one address, or to several in turn.
    pub fn to(addresses: impl Into<Addresses>) -> Self {
        let addresses = addresses.into();
        let route = Route { address: addresses.all()[0], from: None, query: String::new(), headers: vec![] };
        let (auth, memory) = (Map::new(), Memory::default());
        let (upgrade_headers, between) = (None, None);
        Self { addresses, route, transport: Transport::WebSocket, auth, upgrade_headers, between, memory }
    }

    /// To this gateway, now and on return.
    pub fn at(mut self, gateway: SocketAddr) -> Self {
        self.addresses = gateway.into();
        self
    }

    /// `?userId=`, as the frontends claim who they are.
    pub fn claiming(self, user: &str) -> Self {
        self.query(&format!("&userId={user}"))
    }

    pub fn query(mut self, query: &str) -> Self {
        self.route.query = query.to_owned();
        self
    }

    pub fn cookie(self, cookie: &str) -> Self {
        self.without(&COOKIE).header(COOKIE, cookie)
    }

    pub fn without_cookie(self) -> Self {
        self.without(&COOKIE)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// The page's origin, as a browser says it.
    pub fn origin(self, origin: &str) -> Self {
        self.header(ORIGIN, origin)
    }

    /// As a proxy in front says it.
    pub fn forwarded_for(self, address: &str) -> Self {
        self.header(HeaderName::from_static("x-forwarded-for"), address)
    }

    /// As a proxy in front says how the client reached it.
    pub fn forwarded(self, scheme: &str, host: &str) -> Self {
        self.header(HeaderName::from_static("x-forwarded-proto"), scheme)
            .header(HeaderName::from_static("x-forwarded-host"), host)
    }

    pub fn auth(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.auth.insert(name.to_owned(), value.into());
        self
    }

    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Polling without, and then the WebSocket upgrade with this cookie: a page of another port of the same site.
    pub fn cookie_on_upgrade(mut self, cookie: &str) -> Self {
        self.transport = Transport::Upgrade;
        self.upgrade_headers = Some(vec![(COOKIE, cookie.to_owned())]);
        self.without_cookie()
    }

    /// Waits between the answer to CONNECT and the upgrade.
    pub fn pausing(mut self, between: &Arc<Between>) -> Self {
        self.between = Some(between.clone());
        self
    }

    /// From this local address.
    pub fn from(mut self, address: &str) -> Self {
        self.route.from = Some(IpAddr::from_str(address).expect("an address"));
        self
    }

    /// As somebody who was here before.
    pub fn remembering(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// A WebSocket on which the test speaks for itself.
    pub async fn raw(&self) -> Result<RawSocket, ConnectError> {
        let route = Route { address: self.addresses.next(), ..self.route.clone() };
        soon("a WebSocket is opened", open_socket(&route, "")).await
    }

    pub async fn connect(mut self) -> Result<Client, ConnectError> {
        self.route.address = self.addresses.next();
        let mut client = Client {
            memory: self.memory.clone(),
            dial: self,
            line: None,
            sid: String::new(),
            recovered: false,
            told: None,
            events: VecDeque::new(),
            acks: HashMap::new(),
            acked: Vec::new(),
            next_ack: 0,
            disconnected_by_server: false,
        };
        client.connect().await.map(|()| client)
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.route.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &HeaderName) -> Self {
        self.route.headers.retain(|(known, _)| known != name);
        self
    }
}

impl ConnectError {
    pub(super) fn io(_: std::io::Error) -> Self {
        Self::Gone
    }

    /// The text of a refusal by CONNECT_ERROR.
    pub fn refused(self) -> String {
        match self {
            Self::Refused(message) => message,
            other => panic!("not refused by CONNECT_ERROR: {other:?}"),
        }
    }

    /// The status of a refused handshake.
    pub fn status(self) -> u16 {
        match self {
            Self::Http { status, .. } => status,
            other => panic!("not refused by HTTP: {other:?}"),
        }
    }
}

impl Client {
    /// Connects again, showing what is remembered; to another gateway, where there is one.
    pub async fn reconnect(&mut self) -> Result<(), ConnectError> {
        self.dial.route.address = self.dial.addresses.after(self.dial.route.address);
        self.connect().await
    }

    /// Comes back at this gateway from now on.
    pub fn move_to(&mut self, gateway: SocketAddr) {
        self.dial.addresses = gateway.into();
    }

    async fn connect(&mut self) -> Result<(), ConnectError> {
        soon("an answer to CONNECT", self.connecting()).await
    }

    async fn connecting(&mut self) -> Result<(), ConnectError> {
        self.line = None;
        self.disconnected_by_server = false;
        let connect = format!("0{}", self.auth());
        let route = &self.dial.route;
        let mut line = match self.dial.transport {
            Transport::WebSocket => Line::websocket(route).await?,
            Transport::Polling => Line::polling(route).await?,
            Transport::Upgrade => {
                let headers = self.dial.upgrade_headers.as_ref().unwrap_or(&route.headers);
                Line::upgraded(route, headers, &connect, self.dial.between.as_deref()).await?
            }
        };
        if self.dial.transport != Transport::Upgrade {
            line.send(&connect);
        }
        let answer = line.recv().await.ok_or(ConnectError::Gone)?;
        let (kind, payload) = answer.split_at(1);
        let payload: Value = serde_json::from_str(payload).unwrap_or_default();
        if kind == "4" {
            return Err(ConnectError::Refused(payload["message"].as_str().unwrap_or_default().to_owned()));
        }
        assert_eq!(kind, "0", "CONNECT is answered first, not with {answer:?}");
        self.sid = payload["sid"].as_str().expect("a socket id").to_owned();
        let pid = payload["pid"].as_str().map(str::to_owned);
        self.recovered = pid.is_some() && pid == self.memory.pid;
        self.told.take_if(|_| !self.recovered);
        self.memory.pid = pid;
        self.line = Some(line);
        Ok(())
    }

    fn auth(&self) -> Value {
        let mut auth = self.dial.auth.clone();
        if let Some(pid) = &self.memory.pid {
            auth.entry("pid").or_insert_with(|| json!(pid));
            if let Some(offset) = &self.memory.offset {
                auth.entry("offset").or_insert_with(|| json!(offset));
            }
        }
        Value::Object(auth)
    }

    /// Cuts the TCP connection. What has arrived by now has arrived.
    pub fn cut(&mut self) {
        while let Some(packet) = self.line.as_mut().and_then(Line::try_recv) {
            self.take(&packet);
        }
        self.line = None;
    }

    /// Says good-bye, as a page that calls `socket.disconnect()`.
    pub fn disconnect(&self) {
        self.send_packet("1");
        self.line.iter().for_each(Line::close);
    }

    /// Sends an event.
    pub fn emit(&self, name: &str, args: &[Value]) {
        self.send_packet(&format!("2{}", event_text(name, args)));
    }

    /// Sends an event that asks for an acknowledgement, to be awaited with [`Client::ack`].
    pub fn ask(&mut self, name: &str, args: &[Value]) -> u64 {
        let id = self.next_ack;
        self.next_ack += 1;
        self.send_packet(&format!("2{id}{}", event_text(name, args)));
        id
    }

    /// Sends an event and awaits its acknowledgement.
    pub async fn emit_ack(&mut self, name: &str, args: &[Value]) -> Vec<Value> {
        let id = self.ask(name, args);
        self.ack(id).await
    }

    /// Contract direct-v1's `sendMessage`; the message as accepted.
    pub async fn send(&mut self, to: &str, text: &str) -> Value {
        let mut ack = self.emit_ack("sendMessage", &[json!({ "to": to, "text": text, "image": null })]).await;
        assert_eq!(ack[0]["status"], "ok", "{ack:?}");
        ack[0]["message"].take()
    }

    /// A packet of the test's own making, after the Engine.IO type.
    pub fn send_packet(&self, packet: &str) {
        if let Some(line) = &self.line {
            line.send(packet);
        }
    }

    pub async fn ack(&mut self, id: u64) -> Vec<Value> {
        let args = self.try_ack(id).await;
        args.unwrap_or_else(|| panic!("the connection ended before acknowledgement {id}"))
    }

    /// `None` when the connection ended before the acknowledgement came.
    pub async fn try_ack(&mut self, id: u64) -> Option<Vec<Value>> {
        let what = format!("acknowledgement {id}, or the end");
        soon(&what, async {
            loop {
                if let Some(args) = self.acks.remove(&id) {
                    return Some(args);
                }
                if !self.read().await {
                    return self.acks.remove(&id);
                }
            }
        })
        .await
    }

    /// The next event of this name; others are kept for later.
    pub async fn next(&mut self, name: &str) -> Event {
        soon(name, async {
            loop {
                if let Some(nth) = self.events.iter().position(|event| event.name == name) {
                    return self.events.remove(nth).expect("it is there");
                }
                assert!(
                    self.read().await,
                    "the connection ended before {name:?}; waiting: {:?}",
                    self.events
                );
            }
        })
        .await
    }

    /// Reads presence until it is exactly `users`.
    pub async fn until_online(&mut self, users: &[&str]) {
        let mut expected = users.to_vec();
        expected.sort_unstable();
        let mut last = Value::Null;
        while last != json!(expected) {
            let event = self.next("getOnlineUsers").await;
            let mut online: Vec<String> =
                serde_json::from_value(event.args[0].clone()).expect("a list of ids");
            online.sort_unstable();
            last = json!(online);
        }
    }

    /// Texts of messages up to and including `last`, in the order in which they came.
    pub async fn texts_until(&mut self, last: &str) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != last) {
            let event = self.next("newMessage").await;
            texts.push(event.args[0]["text"].as_str().expect("a text").to_owned());
        }
        texts
    }

    /// Whatever arrives next; `None` when the connection is over.
    pub async fn next_any(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// An acknowledgement that has come, by now, if any is waiting.
    pub fn take_ack(&mut self) -> Option<(u64, Vec<Value>)> {
        let id = *self.acks.keys().min()?;
        self.acks.remove(&id).map(|args| (id, args))
    }

    /// Reads until something arrives; false when the connection is over. Cancel-safe.
    pub async fn read(&mut self) -> bool {
        let Some(line) = &mut self.line else { return false };
        match line.recv().await {
            Some(packet) => self.take(&packet),
            None => self.line = None,
        }
        self.line.is_some()
    }

    /// Waits for the end of the connection. What arrived before is kept.
    pub async fn ended(&mut self) {
        soon("the connection ends", async { while self.read().await {} }).await;
    }

    /// Everything that has arrived and was not taken.
    pub fn leftover(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.name.as_str()).collect()
    }

    fn take(&mut self, packet: &str) {
        match packet.split_at_checked(1) {
            Some(("2", event)) => {
                let mut args: Vec<Value> = serde_json::from_str(event).expect("an event is a list");
                let name = args.remove(0).as_str().expect("an event has a name").to_owned();
                // As socket.io-client: with a `pid`, a text at the end is the place to go on from.
                if let (Some(_), Some(Value::String(offset))) = (&self.memory.pid, args.last()) {
                    self.memory.offset = Some(offset.clone());
                    self.advance(&name, offset);
                }
                self.events.push_back(Event { name, args });
            }
            Some(("3", ack)) => {
                let digits = ack.find('[').expect("an acknowledgement has arguments");
                let id = ack[..digits].parse().expect("an acknowledgement has a number");
                let args = serde_json::from_str(&ack[digits..]).expect("an acknowledgement is a list");
                assert!(self.acks.insert(id, args).is_none(), "acknowledged twice: {id}");
                self.acked.push(id);
            }
            Some(("1", "")) => {
                self.disconnected_by_server = true;
                self.line = None;
            }
            _ => panic!("a packet nobody expects: {packet:?}"),
        }
    }

    /// The place never goes back: a client that was cut just then would be told again what it has.
    fn advance(&mut self, event: &str, offset: &str) {
        let Ok(place) = offset.parse::<Cursor>() else { return };
        let told = self.told.replace(place.clone());
        let back = told.filter(|told| !place.covers_all(told));
        assert!(back.is_none(), "{event:?} takes the client back from {back:?} to {offset}");
    }
}

fn event_text(name: &str, args: &[Value]) -> String {
    let mut list = vec![json!(name)];
    list.extend_from_slice(args);
    Value::Array(list).to_string()
}
