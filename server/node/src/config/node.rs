use std::time::Duration;

use super::{Settings, settings::DAY};

/// This process among others.
#[derive(Debug, Clone)]
pub struct Node {
    /// `SOCKEYE_NODE_NAME`: a name that stays the same over restarts and that no other process has. A worker with one gets
    /// its share of the log back at once when it comes back (Kafka's static membership). Default: none.
    pub name: Option<String>,
    /// `SOCKEYE_MIGRATE_ON_START`: whether missing indexes and topics are created at the start, as `sockeye migrate` does.
    /// Default on.
    pub migrate_on_start: bool,
    /// `SOCKEYE_DRAIN_MS`: over how long a stopping gateway spreads the closing of its connections, so that its clients do not
    /// all come to another one at once; up to a day. Default 5 s in production, else 0 (all at once).
    pub drain: Duration,
    /// `SOCKEYE_SHUTDOWN_MS`: how long a stop may take after that before it becomes hard, up to a day. Default 10 s.
    pub shutdown: Duration,
    /// `SOCKEYE_OPS_PORT`: where `/healthz`, `/readyz` and `/metrics` are answered, for those inside; 0 takes a free one.
    /// Default 9100; a gateway in development has none unless it is set (see [`Http::metrics_public`](super::Http)).
    pub ops_port: Option<u16>,
}

/// A worker's, wherever it runs: it has no other port.
pub const OPS_PORT: u16 = 9100;

impl Node {
    pub(super) fn from_settings(settings: &Settings, production: bool) -> Self {
        let no_time = Duration::ZERO;
        Self {
            name: settings.text("SOCKEYE_NODE_NAME"),
            migrate_on_start: settings.switch("SOCKEYE_MIGRATE_ON_START", true),
            drain: settings.duration_within(
                "SOCKEYE_DRAIN_MS",
                if production { 5_000 } else { 0 },
                no_time..=DAY,
            ),
            shutdown: settings.positive_duration("SOCKEYE_SHUTDOWN_MS", 10_000, DAY),
            ops_port: settings.read("SOCKEYE_OPS_PORT", production.then_some(OPS_PORT), |text| {
                text.parse().map(Some).map_err(|_| "is a port, 0 to 65535".to_owned())
            }),
        }
    }
}
