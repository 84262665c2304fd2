//! What the wire carries, seen from the application.

use std::{any::Any, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};

use super::{
    backlog::Place,
    handshake::Handshake,
    lenient::Malformed,
    outbox::{Ack, Link, Outbox},
    sockets::Raw,
};

/// What is on the other end of the wire: the chat gateway, or an echo.
#[async_trait]
pub trait Application: Send + Sync + 'static {
    /// Runs for each CONNECT packet, before it is answered. `auth` is the packet's payload, `{}` if it had none;
    /// what is nested in it is `null`.
    ///
    /// # Errors
    /// A [`Refusal`] is sent as CONNECT_ERROR, which client libraries take as final, or ends the connection.
    async fn admit(&self, handshake: &Handshake, namespace: &str, auth: &Value)
    -> Result<Admission, Refusal>;

    /// Owns one admitted socket. Runs in a task of its own; when it ends, so does the socket. The client's or
    /// the server's closing is seen as [`Inbox::recv`] giving `None`.
    async fn serve(&self, connection: Connection);
}

/// What the CONNECT answer says beside the socket's id.
#[derive(Debug, Default)]
pub struct Admission {
    /// Private id for connection state recovery (Socket.IO protocol v5); the client sends it back when it
    /// reconnects, and takes an answer with the same one as "recovered". `None`: no recovery. EIO=3 has none.
    pub pid: Option<String>,
    /// For the application's own use in [`Application::serve`].
    pub recovered: bool,
    /// For the application's own use: the offset to replay from.
    pub recovery_offset: Option<String>,
    /// For the application's own use: what it has to hold from before the CONNECT answer on. Dropped with the socket when
    /// that is gone before [`Application::serve`].
    pub kept: Option<Box<dyn Any + Send + Sync>>,
}

/// Why a socket may not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Shown to the client (`connect_error` event).
    pub message: String,
    /// For a passing reason: the connection is closed too, and client libraries reconnect by themselves.
    pub passing: bool,
}

impl Refusal {
    pub fn final_for(message: impl Into<String>) -> Self {
        Self { message: message.into(), passing: false }
    }
}

/// One socket: a client in a namespace.
#[derive(Debug)]
pub struct Connection {
    /// The socket id the client knows (`socket.id`); not a secret.
    pub id: String,
    /// The namespace joined.
    pub namespace: String,
    /// Payload of the CONNECT packet: what is nested in it is `null`.
    pub auth: Value,
    /// What [`Application::admit`] answered.
    pub admission: Admission,
    /// The HTTP side of the session.
    pub handshake: Arc<Handshake>,
    /// Events from the client.
    pub inbox: Inbox,
    /// Events to the client.
    pub outbox: Outbox,
}

/// One event from the client.
#[derive(Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its arguments. Binary ones are `{"_placeholder":true,"num":n}`, `n` counting `attachments`.
    pub args: Vec<Value>,
    /// Some argument is JSON but cannot be held; it is `null` in `args`. Not worth a connection: refuse the event.
    pub malformed: Option<Malformed>,
    /// Binary arguments; empty for an event that is JSON only.
    pub attachments: Vec<Bytes>,
    /// Present if the client wants an acknowledgement.
    pub ack: Option<Ack>,
    /// When it was read.
    pub received_at: Instant,
}

/// An event from the client as it came: its arguments cost a multiple of their bytes once they are built.
#[derive(Debug)]
pub struct Unread {
    pub(crate) value: Raw,
    /// Present if the client wants an acknowledgement.
    pub ack: Option<Ack>,
    /// When it was received.
    pub received_at: Instant,
}

impl Unread {
    /// Bytes of its arguments and attachments.
    pub fn bytes(&self) -> usize {
        let attachments = self.value.attachments.iter().map(Bytes::len).sum::<usize>();
        self.value.text.len() + attachments
    }

    /// Whether some of it is binary.
    pub fn is_binary(&self) -> bool {
        !self.value.attachments.is_empty()
    }
}

/// The events of one socket, in the order they were sent. Their number is bounded by the transport, which is not
/// read while [`inbound_queue_len_max`](super::WireConfig::inbound_queue_len_max) of them wait. Acknowledgements
/// come by the same way: an owner that waits for one without receiving may wait in vain.
#[derive(Debug)]
pub struct Inbox {
    pub(crate) waiting: mpsc::UnboundedReceiver<Box<Waiting>>,
    pub(crate) link: Arc<Link>,
}

/// An event with its place in the session's backlog.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) event: Unread,
    /// Given up when the event is received, or dropped with it.
    pub(crate) _place: Place,
}

impl Inbox {
    /// The next event; `None` when the socket is gone and everything it had sent has been received.
    /// Cancel-safe.
    pub async fn recv(&mut self) -> Option<Event> {
        let unread = self.unread().await?;
        self.read(unread)
    }

    /// The same, to be [read](Self::read) later or not at all.
    pub async fn unread(&mut self) -> Option<Unread> {
        self.waiting.recv().await.map(|waiting| waiting.event)
    }

    /// Builds the arguments. `None`: it is malformed, and the connection closed, as the Node server does.
    pub fn read(&self, unread: Unread) -> Option<Event> {
        let event = unread.value.read(unread.ack, unread.received_at);
        if event.is_none() {
            self.link.malformed();
        }
        event
    }
}
