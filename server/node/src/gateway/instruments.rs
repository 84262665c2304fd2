//! What connections count, with handles made once: events come by the thousand.

use metrics::{Counter, Histogram, counter, histogram};

use super::{contract::Profile, sign_in::PER_ACCOUNT};

/// Why the gateway ends connections, as labels. What the wire has words for is called the same there.
pub(super) mod ending {
    /// Its queue was full.
    pub(crate) const SLOW: &str = "slow";
    /// Not proven.
    pub(crate) const REFUSED: &str = "refused";
    /// A port did not answer where it was needed.
    pub(crate) const FAILED: &str = "failed";
    /// Logged out, or the token expired.
    pub(crate) const LOG_IN_OVER: &str = "log_in_over";
    /// Far more events than its rate allows.
    pub(crate) const FLOOD: &str = "flood";
    /// Its user has too many.
    pub(crate) const TOO_MANY_SOCKETS: &str = "too_many_sockets";
}

/// The handles of one process.
pub struct Instruments {
    pub(super) received: ByName,
    pub(super) sent: ByName,
    pub(super) ack_latency: Histogram,
    outbound_full: Counter,
    events_refused: Counter,
}

impl Instruments {
    /// Counts for whatever recorder is in place now.
    pub fn new(profile: &Profile) -> Self {
        for rule in ["requests", "sign_in", "sign_up", "files", "picture_bytes", PER_ACCOUNT] {
            // There from the start, at zero.
            let _ = rate_limited(rule);
        }
        let _ = (slow_clients_dropped("device"), pictures_left_behind());
        for reason in [ending::LOG_IN_OVER, ending::FLOOD, ending::TOO_MANY_SOCKETS] {
            let _ = counter!("sockeye_disconnections_total", "reason" => reason);
        }
        Self {
            received: ByName::new("sockeye_events_received_total", profile.client_events),
            sent: ByName::new("sockeye_events_sent_total", profile.server_events),
            ack_latency: histogram!("sockeye_ack_latency_seconds"),
            outbound_full: slow_clients_dropped("outbound"),
            events_refused: rate_limited("events"),
        }
    }

    /// A client is dropped: it does not take the packets that wait for it.
    pub(super) fn outbound_full(&self) {
        self.outbound_full.increment(1);
    }

    /// An event was over its connection's rate.
    pub(super) fn event_refused(&self) {
        self.events_refused.increment(1);
    }
}

/// Clients dropped because `queue` was full.
pub(super) fn slow_clients_dropped(queue: &'static str) -> Counter {
    counter!("sockeye_slow_clients_dropped_total", "queue" => queue)
}

/// What was refused by a rule.
pub(super) fn rate_limited(rule: &'static str) -> Counter {
    counter!("sockeye_rate_limited_total", "rule" => rule)
}

/// Replaced profile pictures that could not be deleted.
pub(super) fn pictures_left_behind() -> Counter {
    counter!("sockeye_pictures_left_behind_total")
}

/// A counter per event name out of a fixed list; clients may call their events anything.
pub(super) struct ByName {
    known: Vec<(&'static str, Counter)>,
    other: Counter,
}

impl ByName {
    fn new(metric: &'static str, names: &[&'static str]) -> Self {
        let of = |event: &'static str| counter!(metric, "event" => event);
        Self { known: names.iter().map(|&name| (name, of(name))).collect(), other: of("other") }
    }

    pub(super) fn count(&self, event: &str) {
        let known = self.known.iter().find(|(name, _)| *name == event);
        known.map_or(&self.other, |(_, counter)| counter).increment(1);
    }
}
