//! A connection's socket. It tells the pulse when bytes come, and fails for good when the peer does not take what is
//! written to it; what waits for that peer is then given back.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::{SendFlags, send, sockopt::set_socket_linger};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    Bounds,
    instruments::{Cut, Instruments},
    pulse::{Phase, Pulse},
    seats::Seat,
};

/// On top of the time that its bytes may take, an answer may take this many stalls.
const STALLS_ALLOWED: u32 = 3;

pub(super) struct Socket {
    tcp: TcpStream,
    pulse: Arc<Pulse>,
    instruments: Arc<Instruments>,
    stall_after: Duration,
    bytes_per_second_min: u32,
    stall: Option<Stall>,
    _seat: Seat,
}

/// A peer that did not take everything at once.
struct Stall {
    since: Instant,
    /// When it last took something.
    moved: Instant,
    /// What it took since the beginning.
    written_bytes: u64,
    timer: Pin<Box<Sleep>>,
}

impl Socket {
    pub(super) fn new(
        tcp: TcpStream,
        pulse: Arc<Pulse>,
        instruments: Arc<Instruments>,
        bounds: &Bounds,
        seat: Seat,
    ) -> Self {
        Self {
            tcp,
            pulse,
            instruments,
            stall_after: bounds.write_stall_after,
            bytes_per_second_min: bounds.bytes_per_second_min,
            stall: None,
            _seat: seat,
        }
    }

    /// Watches a write: `wanted` are its first bytes.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        wanted: &[u8],
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(len)) => {
                if let Some(stall) = &mut self.stall {
                    stall.progress(len, Instant::now());
                }
                Poll::Ready(Ok(len))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // Others watch over WebSockets.
            Poll::Pending if self.pulse.phase() == Phase::Upgraded => Poll::Pending,
            Poll::Pending => self.poll_stall(cx, wanted),
        }
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>, wanted: &[u8]) -> Poll<io::Result<usize>> {
        let stall = self.stall.get_or_insert_with(|| Stall::begin(self.stall_after));
        loop {
            ready!(stall.timer.as_mut().poll(cx));
            let deadline = stall.deadline(self.stall_after, self.bytes_per_second_min);
            let now = Instant::now();
            if now < deadline {
                stall.timer.as_mut().reset(deadline);
                continue;
            }
            // The system calls a socket writable again when a third of its buffer is free: a slow peer that takes a
            // little all the time would look like one that takes nothing.
            if now < stall.pace_deadline(self.stall_after, self.bytes_per_second_min)
                && let Ok(len @ 1..) = send(&self.tcp, wanted, SendFlags::DONTWAIT)
            {
                stall.progress(len, now);
                return Poll::Ready(Ok(len));
            }
            self.instruments.cut(Cut::Stall);
            // What the system still holds for this peer goes, too.
            if let Err(error) = set_socket_linger(&self.tcp, Some(Duration::ZERO)) {
                tracing::trace!(%error, "a connection lingers");
            }
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
    }
}

impl Stall {
    fn begin(stall_after: Duration) -> Self {
        let now = Instant::now();
        Self { since: now, moved: now, written_bytes: 0, timer: Box::pin(sleep_until(now + stall_after)) }
    }

    fn progress(&mut self, len: usize, now: Instant) {
        self.moved = now;
        self.written_bytes += len as u64;
    }

    fn deadline(&self, stall_after: Duration, bytes_per_second_min: u32) -> Instant {
        (self.moved + stall_after).min(self.pace_deadline(stall_after, bytes_per_second_min))
    }

    /// When it must have taken more than it did.
    fn pace_deadline(&self, stall_after: Duration, bytes_per_second_min: u32) -> Instant {
        let millis = self.written_bytes.saturating_mul(1000) / u64::from(bytes_per_second_min.max(1));
        self.since + stall_after * STALLS_ALLOWED + Duration::from_millis(millis)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.tcp).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.pulse.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.tcp).poll_write(cx, buf);
        this.watch(cx, buf, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.tcp).poll_write_vectored(cx, bufs);
        let wanted = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        this.watch(cx, wanted, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    /// Comes when everything is written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.stall = None;
        this.pulse.flushed();
        Pin::new(&mut this.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_peer_has_one_stall_to_take_something_and_some_more_for_all_it_takes() {
        let mut stall = Stall::begin(STALL);
        let mut now = stall.since;
        assert_eq!(stall.deadline(STALL, 1000), now + STALL);
        now += STALL / 2;
        stall.progress(10_000, now);
        assert_eq!(stall.deadline(STALL, 1000), now + STALL);
        for _ in 0..20 {
            now += STALL / 2;
            stall.progress(1, now);
        }
        assert!(stall.deadline(STALL, 1000) < now, "a byte now and then is no progress");
        stall.progress(1_000_000, now);
        assert_eq!(stall.deadline(STALL, 1000), now + STALL);
    }
}
