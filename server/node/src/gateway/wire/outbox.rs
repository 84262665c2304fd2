//! The way to the client.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use socketioxide::{AckError as WireAckError, SendError, SocketError, extract::AckSender, socket::Socket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    application::{Unread, Waiting},
    args::{BinaryArgs, JsonArgs, RawArgs, Reply},
    meters::ending,
    session::{Session, locked},
    shared::SharedEvent,
};

/// Sends to one socket. Cheap to clone; keeps nothing alive.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(crate) link: Arc<Link>,
}

/// Why an event was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The client does not take its packets fast enough; disconnect it, it will recover.
    #[error("the client's queue is full")]
    Full,
    /// The socket is gone.
    #[error("the socket is closed")]
    Closed,
}

/// Why there was no acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The event was not sent.
    #[error(transparent)]
    NotSent(#[from] EmitError),
    /// The client did not answer in time.
    #[error("the client did not acknowledge in time")]
    TimedOut,
    /// The client's answer is not a list of arguments.
    #[error("the client's acknowledgement is malformed")]
    Malformed,
}

/// Arguments with their binary attachments, in the form of [`Event`](super::Event).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payload {
    /// JSON arguments with placeholders.
    pub args: Vec<Value>,
    /// What the placeholders stand for.
    pub attachments: Vec<Bytes>,
}

impl Outbox {
    /// Queues an event. Never waits.
    ///
    /// # Errors
    /// [`EmitError`]; the event is then not sent, not even later.
    pub fn emit(&self, event: &str, args: &[Value]) -> Result<(), EmitError> {
        self.send(event, &JsonArgs(args))
    }

    /// Queues an event that many sockets are sent alike, without copying it for this one.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_shared(&self, event: &Arc<SharedEvent>) -> Result<(), EmitError> {
        let socket = self.link.socket()?;
        let Some(marker) = event.marker_event(socket.ns()) else {
            return self.send(&event.name, &RawArgs(&event.args));
        };
        let queue = &self.link.session.shared;
        let number = queue.push(event)?;
        socket.emit(marker, &number).map_err(|error| {
            queue.take(number);
            emit_error(&error)
        })
    }

    /// Queues an event with binary arguments.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_binary(&self, event: &str, payload: &Payload) -> Result<(), EmitError> {
        self.send(event, &BinaryArgs(payload))
    }

    /// Emits an event and waits for the client's acknowledgement.
    ///
    /// # Errors
    /// See [`AckError`].
    pub async fn emit_with_ack(
        &self,
        event: &str,
        payload: &Payload,
        timeout: Duration,
    ) -> Result<Payload, AckError> {
        let answer = {
            let socket = self.link.socket()?;
            let sent = socket.timeout(timeout).emit_with_ack::<_, Reply>(event, &BinaryArgs(payload));
            sent.map_err(|error| emit_error(&error))?
        };
        let answer = tokio::select! {
            answer = answer => answer,
            () = self.link.gone.cancelled() => return Err(EmitError::Closed.into()),
        };
        match answer {
            Ok(Reply(payload)) => Ok(payload),
            Err(WireAckError::Timeout) => Err(AckError::TimedOut),
            Err(WireAckError::Socket(_)) => Err(EmitError::Closed.into()),
            Err(WireAckError::Decode(_)) => Err(AckError::Malformed),
        }
    }

    /// Disconnects the socket: the client gets a DISCONNECT packet ("io server disconnect", it does not
    /// reconnect by itself), the owner's inbox ends. `close_transport` ends the whole Engine.IO session too,
    /// other namespaces included. A client whose queue is full is cut off instead.
    pub fn disconnect(&self, close_transport: bool) {
        self.link.disconnect(close_transport);
    }

    /// Why the connection is about to be ended, for the count of endings; the first reason stands. Few, and no data.
    pub fn because(&self, reason: &'static str) {
        self.link.session.because(reason);
    }

    /// Ends the client's connection without a DISCONNECT packet, so that it reconnects by itself.
    pub fn close_transport(&self) {
        self.link.shut();
        self.link.session.close();
    }

    /// Whether the socket is gone.
    pub fn is_closed(&self) -> bool {
        self.link.gone.is_cancelled()
    }

    /// Resolves when the socket is gone.
    pub async fn closed(&self) {
        self.link.gone.cancelled().await;
    }

    fn send<T: Serialize>(&self, event: &str, args: &T) -> Result<(), EmitError> {
        self.link.socket()?.emit(event, args).map_err(|error| emit_error(&error))
    }
}

/// Acknowledges one event. Dropped unused, the client gets no acknowledgement.
pub struct Ack(AckSender);

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ack")
    }
}

impl Ack {
    pub(crate) fn new(sender: AckSender) -> Self {
        Self(sender)
    }

    /// Sends the acknowledgement.
    ///
    /// # Errors
    /// [`EmitError`], as for an event.
    pub fn send(self, args: &[Value]) -> Result<(), EmitError> {
        self.0.send(&JsonArgs(args)).map_err(|error| emit_error(&error))
    }

    /// Sends an acknowledgement with binary arguments.
    ///
    /// # Errors
    /// [`EmitError`], as for an event.
    pub fn send_binary(self, payload: &Payload) -> Result<(), EmitError> {
        self.0.send(&BinaryArgs(payload)).map_err(|error| emit_error(&error))
    }
}

/// What ties an application's connection to its socket.
#[derive(Debug)]
pub(crate) struct Link {
    inbox: Mutex<Option<mpsc::UnboundedSender<Box<Waiting>>>>,
    pub(crate) gone: CancellationToken,
    pub(crate) session: Arc<Session>,
    socket: Weak<Socket>,
}

impl Link {
    pub(crate) fn new(
        inbox: mpsc::UnboundedSender<Box<Waiting>>,
        session: Arc<Session>,
        socket: &Arc<Socket>,
    ) -> Arc<Self> {
        Arc::new(Self {
            inbox: Mutex::new(Some(inbox)),
            gone: CancellationToken::new(),
            session,
            socket: Arc::downgrade(socket),
        })
    }

    /// Queues an event for the owner. The transport has seen to it that there is room.
    pub(crate) fn deliver(&self, event: Unread) {
        if let Some(inbox) = &*locked(&self.inbox) {
            let waiting = Waiting { event, _place: self.session.backlog.place() };
            // An owner that has dropped its inbox wants no more events.
            let _ = inbox.send(Box::new(waiting));
        }
    }

    /// From now on nothing is received or sent; what is queued for the owner is still received.
    pub(crate) fn shut(&self) {
        locked(&self.inbox).take();
        self.gone.cancel();
    }

    /// The client has sent what is no event.
    pub(crate) fn malformed(&self) {
        tracing::debug!("a malformed event; closing its connection, as the Node server does");
        self.shut();
        self.session.because(ending::PROTOCOL);
        self.session.close();
    }

    pub(crate) fn disconnect(&self, close_transport: bool) {
        let already_gone = self.gone.is_cancelled();
        self.shut();
        let Some(socket) = self.socket.upgrade() else { return };
        if !already_gone && matches!(socket.disconnect(), Err(SocketError::InternalChannelFull)) {
            self.session.because(ending::SLOW);
            self.session.kill();
        } else if close_transport {
            self.session.close();
        }
    }

    fn socket(&self) -> Result<Arc<Socket>, EmitError> {
        if self.gone.is_cancelled() {
            return Err(EmitError::Closed);
        }
        self.socket.upgrade().ok_or(EmitError::Closed)
    }
}

fn emit_error(error: &SendError) -> EmitError {
    match error {
        SendError::Socket(SocketError::InternalChannelFull) => EmitError::Full,
        SendError::Socket(SocketError::Closed) => EmitError::Closed,
        SendError::Serialize(error) => {
            // Only a placeholder without attachment can get here: a mistake in the application.
            tracing::error!(%error, "an event could not be serialised");
            EmitError::Closed
        }
    }
}
