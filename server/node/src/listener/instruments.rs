//! What connections count, and what is said of them in the log: once in a while, however many there are.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::{Counter, Gauge, counter, gauge};
use tokio::time::Instant;

/// Between two lines about the same.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Why a connection got no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All seats are taken.
    Full,
    /// Its address has its share.
    Address,
}

/// Why a connection was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It sent no whole request head in time.
    Head,
    /// It did not take what was written to it.
    Stall,
}

/// The handles of one server.
pub(super) struct Instruments {
    port: &'static str,
    pub(super) open: Gauge,
    refused: [Counter; 2],
    cut: [Counter; 2],
    accept_failures: Counter,
    refusals_said: Seldom,
    failures_said: Seldom,
}

impl Instruments {
    /// Counts for whatever recorder is in place now, as of this port.
    pub(super) fn new(port: &'static str) -> Self {
        let refused =
            |reason| counter!("sockeye_http_connections_refused_total", "port" => port, "reason" => reason);
        let cut = |reason| counter!("sockeye_http_connections_cut_total", "port" => port, "reason" => reason);
        Self {
            port,
            open: gauge!("sockeye_http_connections", "port" => port),
            refused: [refused("full"), refused("address")],
            cut: [cut("head"), cut("stall")],
            accept_failures: counter!("sockeye_accept_failures_total", "port" => port),
            refusals_said: Seldom::default(),
            failures_said: Seldom::default(),
        }
    }

    pub(super) fn refused(&self, refusal: Refusal, connections_max: usize) {
        self.refused[refusal as usize].increment(1);
        let Some(unsaid) = self.refusals_said.turn(Instant::now()) else { return };
        let reason = match refusal {
            Refusal::Full => "all are taken",
            Refusal::Address => "an address has its share",
        };
        tracing::warn!(port = self.port, connections_max, reason, unsaid, "connections are refused");
    }

    pub(super) fn cut(&self, cut: Cut) {
        self.cut[cut as usize].increment(1);
    }

    pub(super) fn accept_failed(&self, error: &io::Error) {
        self.accept_failures.increment(1);
        if let Some(unsaid) = self.failures_said.turn(Instant::now()) {
            tracing::error!(port = self.port, %error, unsaid, "connections cannot be accepted");
        }
    }
}

/// Says something once in [`LINE_EVERY`].
#[derive(Default)]
struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Whether to say it now, and how many times it was not said before.
    fn turn(&self, now: Instant) -> Option<u64> {
        // Two numbers are never half changed.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_some_and(|last| now.duration_since(last) < LINE_EVERY) {
            state.1 += 1;
            return None;
        }
        state.0 = Some(now);
        Some(std::mem::take(&mut state.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_that_happens_all_the_time_is_said_once_in_a_while() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.turn(start), Some(0));
        assert!((0..1000).all(|_| seldom.turn(start + LINE_EVERY / 2).is_none()));
        assert_eq!(seldom.turn(start + LINE_EVERY), Some(1000), "with the number of times it was not");
        assert_eq!(seldom.turn(start + LINE_EVERY), None);
    }
}
