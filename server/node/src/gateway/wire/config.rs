//! What an operator can set about the wire. Defaults are those of the Node server (engine.io 6, socket.io 4).

use std::{sync::Arc, time::Duration};

use super::callers::{Anybody, Callers};

/// The settings of one [`Wire`](super::Wire).
#[derive(Debug, Clone)]
pub struct WireConfig {
    /// Path prefix of every Engine.IO request, without trailing slash (`/socket.io`).
    pub path: String,
    /// How often the server pings an EIO=4 client (an EIO=3 client pings by itself).
    pub ping_interval: Duration,
    /// How long after a ping the client may stay silent before its session is closed.
    pub ping_timeout: Duration,
    /// How long a client may stay without joining a namespace before it is closed.
    pub connect_timeout: Duration,
    /// How long a WebSocket may take to probe and take over a polling session.
    pub upgrade_timeout: Duration,
    /// Largest POST body and largest WebSocket message, in bytes.
    pub max_payload_bytes: usize,
    /// Which transports clients may use.
    pub transports: Transports,
    /// Accept clients of protocol revision 3 (`socket.io-client` 1.x and 2.x).
    pub allow_eio3: bool,
    /// Packets that may wait for one client; beyond it [`EmitError::Full`](super::EmitError::Full).
    pub outbound_queue_len_max: usize,
    /// Events of one session that may wait for their owners; beyond it nothing more is read from the client (what
    /// has been read already may exceed it, by no more than one read of a few kilobytes).
    pub inbound_queue_len_max: usize,
    /// A WebSocket whose peer accepts no byte for this long, while there is something to send, is closed.
    pub write_stall_after: Duration,
    /// Where requests come from, and which pages may send them.
    pub callers: Arc<dyn Callers>,
    /// Sessions one client address may hold at once.
    pub connections_per_address_max: usize,
    /// Namespaces clients may join; any other is refused with "Invalid namespace".
    pub namespaces: Vec<String>,
}

impl Default for WireConfig {
    fn default() -> Self {
        Self {
            path: "/socket.io".into(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(45),
            upgrade_timeout: Duration::from_secs(10),
            max_payload_bytes: 1_000_000,
            transports: Transports::default(),
            allow_eio3: false,
            outbound_queue_len_max: 1024,
            inbound_queue_len_max: 256,
            write_stall_after: Duration::from_secs(10),
            callers: Arc::new(Anybody),
            connections_per_address_max: 1000,
            namespaces: vec!["/".into()],
        }
    }
}

impl WireConfig {
    /// Silence after which a client cannot be alive any more: it owes a heartbeat once per interval and has
    /// the time-out to deliver it. The second on top keeps the engine's own, more exact, timer first.
    pub(crate) fn silence_max(&self) -> Duration {
        self.ping_interval + self.ping_timeout + Duration::from_secs(1)
    }

    /// How often the gate shows the engine a sign of life from a client whose own heartbeats wait to be read.
    pub(crate) fn vouch_every(&self) -> Duration {
        self.ping_timeout / 3
    }

    /// The engine's timer starts when the session opens, the client's when the answer arrives; a few milliseconds
    /// less make sure that a session is gone when its client's time is up, not about then.
    pub(crate) fn engine_ping_timeout(&self) -> Duration {
        self.ping_timeout.saturating_sub(Duration::from_millis(10).min(self.ping_timeout / 10))
    }

    /// The same settings for a bare Engine.IO server, to be mounted with [`Gate::new`](super::Gate::new).
    ///
    /// Limits that the gate enforces itself are lifted: `engineioxide` would close the session over a POST
    /// that is too large, and would lose the packet it puts aside when a polling answer reaches `max_payload`
    /// right before an upgrade.
    pub fn engine_io(&self) -> engineioxide::config::EngineIoConfig {
        engineioxide::config::EngineIoConfig::builder()
            .req_path(self.path.clone())
            .ping_interval(self.ping_interval)
            .ping_timeout(self.engine_ping_timeout())
            .upgrade_timeout(self.upgrade_timeout)
            .max_buffer_size(self.outbound_queue_len_max)
            .max_payload(ENGINE_MAX_PAYLOAD)
            .ws_max_message_size(self.max_payload_bytes)
            .ws_max_frame_size(self.max_payload_bytes)
            .ws_read_buffer_size(WS_READ_BUFFER_BYTES)
            .build()
    }
}

/// See [`WireConfig::engine_io`]. Small enough for JSON numbers, larger than anything the gate lets through.
pub(crate) const ENGINE_MAX_PAYLOAD: u64 = u32::MAX as u64;

/// What every WebSocket reads into, for as long as it lives. Clients mostly send less; what is longer is read in parts.
pub(crate) const WS_READ_BUFFER_BYTES: usize = 1024;

/// The transports a client may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    /// HTTP long-polling.
    pub polling: bool,
    /// WebSocket, at once or as an upgrade of polling.
    pub websocket: bool,
}

impl Default for Transports {
    fn default() -> Self {
        Self { polling: true, websocket: true }
    }
}
