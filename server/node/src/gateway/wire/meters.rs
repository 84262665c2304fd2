//! What the wire counts: connections, how they began and why they ended.

use metrics::{Counter, Gauge, counter, gauge};

/// Why connections end, as far as the wire itself knows. Its application has reasons of its own
/// ([`Outbox::because`](super::Outbox::because)).
pub(crate) mod ending {
    /// The client said so.
    pub(crate) const CLIENT: &str = "client";
    /// The transport broke.
    pub(crate) const LOST: &str = "lost";
    /// No heartbeat in time.
    pub(crate) const SILENT: &str = "silent";
    /// It took no bytes for too long, or its queue was full.
    pub(crate) const SLOW: &str = "slow";
    /// It broke the protocol.
    pub(crate) const PROTOCOL: &str = "protocol";
    /// Not let in.
    pub(crate) const REFUSED: &str = "refused";
    /// A fault of ours.
    pub(crate) const FAILED: &str = "failed";
    /// This process stops.
    pub(crate) const STOPPING: &str = "stopping";
    /// Nobody said why, as of a connection that never joined a namespace.
    pub(crate) const OTHER: &str = "other";

    pub(crate) const ALL: [&str; 9] =
        [CLIENT, LOST, SILENT, SLOW, PROTOCOL, REFUSED, FAILED, STOPPING, OTHER];
}

/// Handles made once, for whatever recorder is in place then.
pub(crate) struct Meters {
    polling: Gauge,
    websocket: Gauge,
    opened: Counter,
    over_address_limit: Counter,
}

impl Default for Meters {
    fn default() -> Self {
        for reason in ending::ALL {
            // There from the start, at zero.
            let _ = ended(reason);
        }
        let open = |transport: &'static str| gauge!("sockeye_connections", "transport" => transport);
        let (polling, websocket) = (open("polling"), open("websocket"));
        polling.set(0);
        websocket.set(0);
        Self {
            polling,
            websocket,
            opened: counter!("sockeye_connections_total"),
            over_address_limit: counter!("sockeye_rate_limited_total", "rule" => "connections"),
        }
    }
}

impl Meters {
    pub(crate) fn opened(&self) -> Open {
        self.opened.increment(1);
        Open::one_of(&self.polling)
    }

    pub(crate) fn on_websocket(&self) -> Open {
        Open::one_of(&self.websocket)
    }

    pub(crate) fn over_address_limit(&self) {
        self.over_address_limit.increment(1);
    }
}

/// One more connection has ended.
pub(crate) fn ended(reason: &'static str) -> Counter {
    counter!("sockeye_disconnections_total", "reason" => reason)
}

/// One of the open connections, until dropped.
pub(crate) struct Open(Gauge);

impl Open {
    fn one_of(gauge: &Gauge) -> Self {
        gauge.increment(1);
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
