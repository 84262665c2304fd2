use std::time::Duration;

use super::{Settings, settings::DAY};

/// What connections may cost, before anybody knows whose they are.
#[derive(Debug, Clone)]
pub struct Listener {
    /// `SOCKEYE_HTTP_HEAD_TIMEOUT_MS`: a connection that has not sent a whole request head this long after it was opened, or
    /// after the head's first byte, is closed. Default 10 s.
    pub head_timeout: Duration,
    /// `SOCKEYE_HTTP_IDLE_TIMEOUT_MS`: how long a connection is kept for the next request. Longer than the load balancer
    /// keeps it, or the balancer's next request meets a closed one. Default 75 s.
    pub idle_timeout: Duration,
    /// `SOCKEYE_HTTP_CONNECTIONS_MAX`: open connections, WebSockets included. Default: what the limit of open files leaves
    /// after a reserve, at most 100,000.
    pub connections_max: Option<usize>,
    /// `SOCKEYE_HTTP_CONNECTIONS_PER_ADDRESS_MAX`: of one client address (IPv6: one /64), trusted proxies excepted. Default:
    /// half of all.
    pub connections_per_address_max: Option<usize>,
    /// `SOCKEYE_HTTP_BYTES_PER_SECOND_MIN`: a body that comes, or an answer that is taken, more slowly than this ends its
    /// connection. Default 1000.
    pub bytes_per_second_min: u32,
    /// `SOCKEYE_HTTP_BODY_STALL_MS`: over how long a time the speed of a body that comes is measured. Default 10 s.
    pub body_window: Duration,
    /// `SOCKEYE_HTTP_BODY_TIMEOUT_MS`: how long a body may take to come, whatever its speed. Default 10 min.
    pub body_timeout: Duration,
}

/// No process has as many descriptors.
const CONNECTIONS_MAX: usize = 100_000_000;
const BYTES_PER_SECOND_MAX: u32 = 1_000_000_000;

impl Listener {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        // Without one, what is set depends on the process: it is worked out where that is known.
        let connections = |name| match settings.bounded(name, 0, 1..=CONNECTIONS_MAX) {
            0 => None,
            number => Some(number),
        };
        Self {
            head_timeout: settings.positive_duration("SOCKEYE_HTTP_HEAD_TIMEOUT_MS", 10_000, DAY),
            idle_timeout: settings.positive_duration("SOCKEYE_HTTP_IDLE_TIMEOUT_MS", 75_000, DAY),
            connections_max: connections("SOCKEYE_HTTP_CONNECTIONS_MAX"),
            connections_per_address_max: connections("SOCKEYE_HTTP_CONNECTIONS_PER_ADDRESS_MAX"),
            bytes_per_second_min: settings.bounded(
                "SOCKEYE_HTTP_BYTES_PER_SECOND_MIN",
                1_000,
                1..=BYTES_PER_SECOND_MAX,
            ),
            body_window: settings.positive_duration("SOCKEYE_HTTP_BODY_STALL_MS", 10_000, DAY),
            body_timeout: settings.positive_duration("SOCKEYE_HTTP_BODY_TIMEOUT_MS", 600_000, DAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_close_every_connection_is_refused() {
        for name in [
            "SOCKEYE_HTTP_HEAD_TIMEOUT_MS",
            "SOCKEYE_HTTP_IDLE_TIMEOUT_MS",
            "SOCKEYE_HTTP_CONNECTIONS_MAX",
            "SOCKEYE_HTTP_CONNECTIONS_PER_ADDRESS_MAX",
            "SOCKEYE_HTTP_BYTES_PER_SECOND_MIN",
            "SOCKEYE_HTTP_BODY_STALL_MS",
            "SOCKEYE_HTTP_BODY_TIMEOUT_MS",
        ] {
            for value in ["0", "-1", "x"] {
                let settings = Settings::from_pairs([(name, value)]);
                Listener::from_settings(&settings);
                let problems = settings.into_problems();
                assert_eq!(problems.len(), 1, "{name}={value}");
                assert!(problems[0].starts_with(name), "{problems:?}");
            }
        }
    }
}
