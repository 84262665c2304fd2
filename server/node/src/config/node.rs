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
    /// `SOCKEYE_OPS_PORT`: where a worker answers `/healthz`, `/readyz` and `/metrics` (a gateway does on its own port).
    /// Default 9100; 0 takes a free one.
    pub ops_port: u16,
}

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
            ops_port: settings.bounded("SOCKEYE_OPS_PORT", 9100, 0..=u16::MAX),
        }
    }
}
