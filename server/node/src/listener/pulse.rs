//! What a connection is doing, and since when: told by its socket and its requests, asked by its timer.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use http::StatusCode;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::Bounds;

/// Of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    /// A [`Phase`] and the milliseconds from `began` to its start, in one so that both change together.
    state: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A head is to come, or has come in part.
    Head,
    /// Between two requests.
    Idle,
    /// A request is being answered.
    Busy,
    /// The answer is whole, but not all of it is written yet.
    Sending,
    /// It speaks another protocol, which has its own timers.
    Upgraded,
}

const PHASES: [Phase; 5] = [Phase::Head, Phase::Idle, Phase::Busy, Phase::Sending, Phase::Upgraded];

/// Phases have room for three bits of the state.
const UNIT: u64 = 8;

impl Pulse {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), state: AtomicU64::new(Phase::Head as u64) }
    }

    pub(super) fn phase(&self) -> Phase {
        phase_of(self.state.load(Ordering::Relaxed))
    }

    /// Bytes came in.
    pub(super) fn read(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// Everything is written.
    pub(super) fn flushed(&self) {
        if self.phase() == Phase::Sending {
            self.enter(Phase::Idle);
        }
    }

    /// A head is whole.
    pub(super) fn busy(&self) {
        self.enter(Phase::Busy);
    }

    /// Follows the answer to the request under way to its end.
    pub(super) fn follow(self: Arc<Self>, response: Response) -> http::Response<Followed> {
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        self.enter(if upgraded { Phase::Upgraded } else { Phase::Busy });
        response.map(|body| Followed { body, pulse: self })
    }

    /// When a connection that goes on doing what it does is given up; `None`: not for how long it takes.
    pub(super) fn deadline(&self, bounds: &Bounds) -> Option<Instant> {
        let state = self.state.load(Ordering::Relaxed);
        let patience = match phase_of(state) {
            Phase::Head => bounds.head_timeout,
            Phase::Idle => bounds.idle_timeout,
            Phase::Busy | Phase::Sending | Phase::Upgraded => return None,
        };
        Some(self.began + Duration::from_millis(state / UNIT) + patience)
    }

    fn enter(&self, phase: Phase) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.state.store(since.saturating_mul(UNIT) | phase as u64, Ordering::Relaxed);
    }
}

fn phase_of(state: u64) -> Phase {
    // Only phases' numbers are ever stored.
    PHASES.get((state % UNIT) as usize).copied().unwrap_or(Phase::Busy)
}

/// The body of an answer. When it is gone and written, its connection waits for the next request.
#[derive(Debug)]
pub(super) struct Followed {
    body: Body,
    pulse: Arc<Pulse>,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if self.pulse.phase() == Phase::Busy {
            self.pulse.enter(Phase::Sending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_given_up_for_what_it_does_not_send_only() {
        let (bounds, pulse) = (Bounds::default(), Arc::new(Pulse::new()));
        pulse.read();
        assert_eq!(pulse.phase(), Phase::Head, "bytes are no head yet");
        let in_head = pulse.deadline(&bounds).expect("a head has its time");
        pulse.busy();
        let answer = pulse.clone().follow(Response::new(Body::from("x")));
        assert_eq!(pulse.deadline(&bounds), None);
        drop(answer);
        pulse.read();
        assert_eq!(pulse.deadline(&bounds), None, "the answer is not written yet");
        pulse.flushed();
        assert_eq!(pulse.phase(), Phase::Idle);
        assert!(pulse.deadline(&bounds).expect("it must go on") > in_head, "more time than a head has");
        pulse.flushed();
        pulse.read();
        assert_eq!(pulse.phase(), Phase::Head);
        assert!(pulse.deadline(&bounds).expect("a head has its time") >= in_head, "from its first byte");
        pulse.busy();
        let mut switching = Response::new(Body::empty());
        *switching.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        drop(pulse.clone().follow(switching));
        pulse.flushed();
        pulse.read();
        assert_eq!(pulse.deadline(&bounds), None, "a WebSocket has its own time-outs");
    }
}
