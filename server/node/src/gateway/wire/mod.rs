//! The wire: Engine.IO 3 and 4, Socket.IO 4 and 5, over HTTP long-polling and WebSocket.
//!
//! [`Wire`] serves one [`Application`]. Nothing outside this folder names a type of `socketioxide`, and inside
//! only `sockets.rs` and `outbox.rs` do. What that library lacks against the Node server is mended by the
//! [`Gate`] in front of it; `protocol-tests/FINDINGS.md` lists what could not be.

mod answer;
mod application;
mod args;
mod backlog;
mod bundle;
mod callers;
mod config;
mod connect_answer;
mod eio3;
mod engine;
mod exchange;
mod frames;
mod gate;
mod handshake;
mod head;
mod incoming;
mod lenient;
mod meters;
mod outbox;
mod outgoing;
mod payload;
mod polling;
mod query;
mod session;
mod shared;
mod sockets;
mod stream;
mod upgrade;

use std::{sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;

pub use application::{Admission, Application, Connection, Event, Inbox, Refusal, Unread};
pub use callers::Callers;
pub use config::{Transports, WireConfig};
pub use gate::{Gate, WireLayer, WireService};
pub use handshake::{Credentials, Handshake};
pub use lenient::Malformed;
pub(crate) use lenient::parse_string;
pub use outbox::{Ack, AckError, EmitError, Outbox, Payload};
pub use shared::SharedEvent;
pub use stream::WireStream;

/// A Socket.IO server for one application.
#[derive(Debug, Clone)]
pub struct Wire {
    gate: Arc<Gate>,
    owners: TaskTracker,
}

impl Wire {
    /// Builds the server. Needs no runtime yet; serving does.
    pub fn new(config: WireConfig, app: Arc<dyn Application>) -> Self {
        let owners = TaskTracker::new();
        let service = sockets::build(&config, app, owners.clone());
        Self { gate: Gate::new(config, service), owners }
    }

    /// The layer to mount in front of a router: requests under the configured path are answered here, all
    /// others pass untouched. The server must be started with connection information
    /// (`into_make_service_with_connect_info::<SocketAddr>()`), and nothing outside may buffer or time out
    /// requests under the path: a poll waits, and one that is cut off closes its session.
    pub fn layer(&self) -> WireLayer {
        self.gate.layer()
    }

    /// Open Engine.IO sessions.
    pub fn connection_count(&self) -> usize {
        self.gate.connection_count()
    }

    /// For shutting down: refuses new sessions and closes all transports, evenly spread over the given time, so
    /// that clients reconnect (elsewhere). Returns when all are gone and all owners have ended; an application
    /// that does not end when its inbox does holds it up, so bound it with a time-out.
    pub async fn close(&self, spread_over: Duration) {
        self.gate.close(spread_over).await;
        self.owners.close();
        self.owners.wait().await;
    }
}
