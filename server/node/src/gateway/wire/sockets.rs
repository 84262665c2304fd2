//! The one place that speaks `socketioxide`: it registers namespaces and turns its sockets into connections.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
};

use base64::Engine as _;
use bytes::Bytes;
use engineioxide::Str;
use serde_json::Value as Json;
use socketioxide::{
    ParserConfig, SocketIo,
    adapter::LocalAdapter,
    extract::AckSender,
    handler::{ConnectHandler, DisconnectHandler, FromMessageParts, MessageHandler, Value},
    service::SocketIoService,
    socket::{DisconnectReason, Socket},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::task::TaskTracker;

use super::{
    application::{Application, Connection, Event, Inbox, Refusal, Unread},
    args,
    config::{ENGINE_MAX_PAYLOAD, WS_READ_BUFFER_BYTES, WireConfig},
    connect_answer::ConnectAnswer,
    lenient,
    meters::ending,
    outbox::{Ack, Link, Outbox},
    query::Eio,
    session::{Session, Tether, locked},
};

/// Bytes of a CONNECT packet's payload: an offset names each partition of the log.
const AUTH_BYTES_MAX: usize = 64 * 1024;
/// Attachments one event may have.
const ATTACHMENTS_MAX: usize = 1000;
/// Bytes the attachments of one event may have together, in units of `max_payload_bytes`.
const ATTACHMENTS_PAYLOADS_MAX: usize = 10;

/// Event names a client must not use (Socket.IO: reserved for the library itself).
const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

pub(crate) type Service = SocketIoService<engineioxide::service::NotFoundService>;

/// Builds the Socket.IO server for one application.
pub(crate) fn build(config: &WireConfig, app: Arc<dyn Application>, tasks: TaskTracker) -> Service {
    let parser = ParserConfig::common()
        .max_incoming_binaries(ATTACHMENTS_MAX)
        .max_incoming_binary_buf_size(config.max_payload_bytes.saturating_mul(ATTACHMENTS_PAYLOADS_MAX));
    // The limits lifted here are enforced by the gate: see `WireConfig::engine_io`.
    let (service, io) = SocketIo::builder()
        .req_path(config.path.clone())
        .ping_interval(config.ping_interval)
        .ping_timeout(config.engine_ping_timeout())
        .connect_timeout(config.connect_timeout)
        .upgrade_timeout(config.upgrade_timeout)
        .max_payload(ENGINE_MAX_PAYLOAD)
        .max_buffer_size(config.outbound_queue_len_max)
        .ws_max_message_size(config.max_payload_bytes)
        .ws_max_frame_size(config.max_payload_bytes)
        .ws_read_buffer_size(WS_READ_BUFFER_BYTES)
        .with_parser(parser)
        .build_svc();
    for namespace in &config.namespaces {
        let reception = Reception { app: app.clone(), tasks: tasks.clone() };
        io.ns(namespace.clone(), reception);
    }
    service
}

/// Tells our handlers from closures.
pub(crate) enum Wired {}

/// Receives the CONNECT packets of one namespace.
#[derive(Clone)]
struct Reception {
    app: Arc<dyn Application>,
    tasks: TaskTracker,
}

type Refused = Box<dyn fmt::Display + Send>;

impl ConnectHandler<LocalAdapter, Wired> for Reception {
    fn call_middleware<'a>(
        &'a self,
        socket: Arc<Socket>,
        auth: &'a Option<Value>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>> {
        Box::pin(async move {
            self.admit(socket, auth.as_ref()).await.map_err(|refusal| Box::new(refusal) as Refused)
        })
    }

    fn call(&self, socket: Arc<Socket>, _: Option<Value>) {
        let Some(connection) =
            socket.extensions.remove::<Admitted>().and_then(|admitted| locked(&admitted.0).take())
        else {
            return; // cannot happen: `call` follows a successful `admit`
        };
        let owner = Owner(connection.outbox.link.clone());
        let app = self.app.clone();
        self.tasks.spawn(async move {
            let served = app.serve(connection);
            tokio::pin!(served);
            tokio::select! {
                biased;
                () = &mut served => {}
                // The engine tells a socket of its end only if that was complete when the session ended.
                () = owner.0.session.ended.cancelled() => {
                    owner.0.shut();
                    served.await;
                }
            }
        });
    }
}

impl Reception {
    /// Everything is in place before the CONNECT answer goes out: a client may send its first event in the
    /// instant it has it, and `socketioxide` calls the connect handler only after that.
    async fn admit(&self, socket: Arc<Socket>, auth: Option<&Value>) -> Result<(), Refusal> {
        let Some(session) =
            socket.req_parts().extensions.get::<Tether>().map(|tether| tether.session().clone())
        else {
            return Err(Refusal::final_for("Internal error")); // cannot happen: the gate tethers all
        };
        let Some(auth) = auth_payload(auth) else {
            session.because(ending::PROTOCOL);
            session.close(); // a malformed CONNECT ends the connection on the Node server
            return Err(Refusal::final_for("Invalid payload"));
        };
        let namespace = socket.ns().to_owned();
        let admitted = self.app.admit(&session.handshake, &namespace, &auth);
        let admission = session.ended.run_until_cancelled(admitted).await.unwrap_or_else(|| {
            Err(Refusal::final_for("The connection is closed")) // nobody is left to read it
        });
        if admission.as_ref().is_err_and(|refusal| refusal.passing) {
            // A CONNECT_ERROR is final for client libraries: it must find nobody any more.
            session.because(ending::REFUSED);
            session.close();
            session.ended.cancelled().await;
        }
        let admission = admission?;
        let id = socket_id(&session, &namespace)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let link = Link::new(sender, session.clone(), &socket);
        socket.on_fallback(Incoming(link.clone()));
        socket.on_disconnect(Gone(link.clone()));
        if session.eio == Eio::V4 {
            let pid = admission.pid.clone();
            session.answers.expect(&namespace, ConnectAnswer { sid: id.clone(), pid });
        }
        let handshake = session.handshake.clone();
        let (inbox, outbox) = (Inbox { waiting: receiver, link: link.clone() }, Outbox { link });
        let connection = Connection { id, namespace, auth, admission, handshake, inbox, outbox };
        socket.extensions.insert(Admitted(Arc::new(Mutex::new(Some(connection)))));
        Ok(())
    }
}

/// A connection between its admission and its owner's start.
#[derive(Clone)]
struct Admitted(Arc<Mutex<Option<Connection>>>);

/// Disconnects the socket when its owner ends, by returning or by panicking.
struct Owner(Arc<Link>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.disconnect(false);
    }
}

/// Takes a socket's events, in the order its transport reads them.
struct Incoming(Arc<Link>);

impl MessageHandler<LocalAdapter, Wired> for Incoming {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack_id: Option<i64>) {
        let ack = ack_id.map(|_| match AckSender::from_message_parts(&socket, &mut value, &ack_id) {
            Ok(sender) => Ack::new(sender),
            Err(never) => match never {},
        });
        // Parsed when its owner takes it: until then it costs what it was sent with.
        match value {
            Value::Str(text, attachments) => {
                let attachments = Vec::from(attachments.unwrap_or_default());
                self.0.deliver(Unread { value: Raw { text, attachments }, ack, received_at: Instant::now() });
            }
            Value::Bytes(_) => self.0.malformed(),
        }
    }
}

/// An EVENT packet's content.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) text: Str,
    pub(crate) attachments: Vec<Bytes>,
}

impl Raw {
    pub(crate) fn read(self, ack: Option<Ack>, received_at: Instant) -> Option<Event> {
        let Self { text, attachments } = self;
        let (mut args, malformed) = lenient::parse_list(&text)?;
        let sound = attachments.is_empty() || args::placeholders_are_sound(&args, attachments.len());
        if args.is_empty() || !sound {
            return None;
        }
        let Json::String(name) = args.remove(0) else { return None };
        let reserved = RESERVED_EVENTS.contains(&name.as_str());
        (!reserved).then_some(Event { name, args, malformed, attachments, ack, received_at })
    }
}

/// Learns of a socket's end.
struct Gone(Arc<Link>);

impl DisconnectHandler<LocalAdapter, Wired> for Gone {
    fn call_with_defer(&self, socket: Arc<Socket>, reason: DisconnectReason, then: fn(Arc<Socket>)) {
        tracing::debug!(%reason, "a socket is gone");
        self.0.session.because(ending_of(reason));
        self.0.shut();
        then(socket);
    }
}

fn ending_of(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::TransportClose | DisconnectReason::ClientNSDisconnect => ending::CLIENT,
        DisconnectReason::TransportError => ending::LOST,
        DisconnectReason::HeartbeatTimeout => ending::SILENT,
        DisconnectReason::MultipleHttpPollingError | DisconnectReason::PacketParsingError => ending::PROTOCOL,
        DisconnectReason::ClosingServer => ending::STOPPING,
        DisconnectReason::ServerNSDisconnect => ending::OTHER,
    }
}

/// The payload of a CONNECT packet: an object of bounded size, or nothing. Whoever sends it has proven nothing yet.
fn auth_payload(auth: Option<&Value>) -> Option<Json> {
    let Some(auth) = auth else { return Some(Json::Object(serde_json::Map::new())) };
    let text = auth.as_str().filter(|text| text.len() <= AUTH_BYTES_MAX)?;
    lenient::parse_flat(text).map(Json::Object)
}

/// What the client will know as `socket.id`: random, or, for EIO=3, what those clients compute themselves.
fn socket_id(session: &Session, namespace: &str) -> Result<String, Refusal> {
    if session.eio == Eio::V3 {
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace}#") };
        return Ok(format!("{prefix}{}", session.sid()));
    }
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no randomness");
        Refusal::final_for("Internal error")
    })?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}
