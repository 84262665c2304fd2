//! Every metric of ours by name. docs/operating.md explains them with the same names; a test below holds the two together,
//! and tests/metrics.rs holds both to what a process exports.

use metrics::{SharedString, describe_counter, describe_gauge, describe_histogram};

/// A metric, as `/metrics` describes it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Counter,
    Gauge,
    /// With these upper bounds of its buckets.
    Histogram(&'static [f64]),
}

impl Kind {
    /// As in the exposition format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// 0.05 to 5 are the original backend's (contract direct-v1, "Metrics"); most answers here take less than its first.
const HTTP_SECONDS: &[f64] = &[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
const SECONDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const ENTRIES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, buckets: &'static [f64], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), help }
}

pub const METRICS: &[Metric] = &[
    histogram("http_request_duration_seconds", HTTP_SECONDS, "Time from a request to the end of its answer."),
    counter("http_response_size_bytes", "Bytes of answers' bodies, as sent."),
    gauge("sockeye_build_info", "Always 1; the labels say what runs."),
    gauge("sockeye_port_up", "1 while what is behind the port answers, 0 while it does not."),
    gauge("sockeye_http_connections", "Open TCP connections, by the port they came to."),
    counter("sockeye_http_connections_refused_total", "Connections for which there was no room, by reason."),
    counter("sockeye_http_connections_cut_total", "Connections closed because their peer was too slow."),
    counter("sockeye_accept_failures_total", "Connections that could not be accepted."),
    gauge("sockeye_connections", "Open Engine.IO connections."),
    counter("sockeye_connections_total", "Engine.IO connections opened."),
    counter("sockeye_disconnections_total", "Engine.IO connections ended, by reason."),
    counter("sockeye_events_received_total", "Socket events taken up, by name."),
    counter("sockeye_events_sent_total", "Socket events handed to transports, by name."),
    histogram("sockeye_ack_latency_seconds", SECONDS, "Time from an event's arrival to its acknowledgement."),
    histogram(
        "sockeye_delivery_latency_seconds",
        SECONDS,
        "Time from a message's acceptance, on any node, to its place in the queues of this node's devices.",
    ),
    gauge("sockeye_delivery_lag_messages", "Entries in the log that this node has not delivered yet."),
    gauge("sockeye_device_queue_longest", "Events that wait in the longest queue of a device."),
    gauge("sockeye_users_online", "Users online over all nodes, as this one sees it."),
    counter("sockeye_slow_clients_dropped_total", "Clients dropped because a queue of theirs was full."),
    counter("sockeye_rate_limited_total", "Requests, events and connections refused by a rule."),
    counter("sockeye_sign_in_failures_total", "Log-ins with an unknown address or a wrong password."),
    counter("sockeye_passwords_refused_total", "Log-ins and sign-ups refused because too many were waiting."),
    histogram(
        "sockeye_password_duration_seconds",
        SECONDS,
        "Time to hash or compare a password, with the wait for a turn.",
    ),
    histogram("sockeye_append_latency_seconds", SECONDS, "Time until the log has confirmed a message."),
    counter("sockeye_append_failures_total", "Messages the log did not take."),
    counter("sockeye_log_gaps_total", "Gaps that delivery found in the log."),
    counter("sockeye_pictures_left_behind_total", "Replaced profile pictures that could not be deleted."),
    gauge("sockeye_store_lag_messages", "Entries in the log that are not stored yet."),
    histogram("sockeye_store_batch_size", ENTRIES, "Messages stored at a time."),
    histogram(
        "sockeye_store_batch_duration_seconds",
        SECONDS,
        "Time to store a batch, failed tries included.",
    ),
    counter("sockeye_messages_stored_total", "Entries of the log handed to the store and confirmed."),
    counter("sockeye_store_failures_total", "Tries to store a batch that failed."),
    counter("sockeye_dead_letters_total", "Entries of the log that could not be read and were set aside."),
    gauge("sockeye_log_appends_waiting", "Messages sent to the log and not confirmed yet."),
    counter(
        "sockeye_group_reshares_total",
        "Times partitions of the log had no worker and were shared anew.",
    ),
    gauge("sockeye_redis_connected", "1 while this connection to Redis is up."),
    counter("sockeye_bus_dropped_events_total", "Events for other nodes given up while Redis was away."),
    counter("sockeye_bus_unknown_events_total", "Events of other nodes that this version does not know."),
    gauge("sockeye_presence_other_nodes", "Other nodes that share their presence with this one."),
    counter(
        "sockeye_presence_rewrites_total",
        "Times this node's presence was missing in Redis and written anew.",
    ),
    counter("sockeye_limiter_fallbacks_total", "Decisions of a rate limit made by this node alone."),
];

/// Gives the recorder in place every metric's meaning.
pub(super) fn describe() {
    for &Metric { name, kind, help } in METRICS {
        let help = SharedString::const_str(help);
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram(_) => describe_histogram!(name, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn the_operators_table_and_the_catalog_name_the_same() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md");
        let page = fs::read_to_string(path).expect("docs/operating.md");
        let explained: BTreeSet<(&str, &str)> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .filter(|(name, _)| name.starts_with("sockeye_") || name.starts_with("http_"))
            .map(|(name, rest)| (name, rest.split(" |").next().unwrap_or_default()))
            .collect();
        let named: BTreeSet<(&str, &str)> =
            METRICS.iter().map(|metric| (metric.name, metric.kind.name())).collect();
        assert_eq!(explained, named);
        assert_eq!(named.len(), METRICS.len(), "a name is there twice");
    }

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for Metric { name, kind, .. } in METRICS.iter().filter(|metric| metric.name.starts_with("sockeye_")) {
            assert_eq!(name.ends_with("_total"), matches!(kind, Kind::Counter), "{name}");
            assert!(!name.contains("_ms") && !name.contains("milli"), "{name}: base units only");
        }
    }

    #[test]
    fn the_originals_buckets_are_among_ours() {
        for bound in [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0] {
            assert!(HTTP_SECONDS.contains(&bound), "{bound}");
        }
        for metric in METRICS {
            if let Kind::Histogram(buckets) = metric.kind {
                assert!(buckets.is_sorted(), "{}", metric.name);
            }
        }
    }
}
