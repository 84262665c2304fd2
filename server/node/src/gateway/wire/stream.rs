//! The byte stream of a WebSocket between the client's connection and the engine.
//!
//! It adds what the engine lacks: a bound on how long a peer may refuse bytes or stay silent (the engine's
//! writer awaits the socket without looking at cancellation, and a session is reported as gone only after the
//! writer let go), a switch to end it, back-pressure, and what is exchanged on the way out (completed CONNECT
//! answers, shared events).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{
    frames,
    incoming::IncomingFrames,
    meters::ending,
    outgoing::{OutgoingFrames, Step},
    session::Session,
};

/// Ends a [`WireStream`] from outside.
#[derive(Debug, Default)]
pub(crate) struct Control {
    closing: AtomicBool,
    killed: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Control {
    /// The engine is told that the client leaves; what it has queued still goes out, then a CLOSE frame.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.reader.wake();
    }

    /// Reads and writes fail from now on.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    fn check(&self) -> io::Result<()> {
        if self.killed.load(Ordering::Acquire) {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }
}

/// Bytes read at once when they may have to be held.
const HELD_READ_LEN_MAX: usize = 2048;

/// How patient a stream is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) write_stall_after: Duration,
    pub(crate) silence_max: Duration,
    /// How often the engine must see a sign of life from a client whose own cannot be read yet.
    pub(crate) vouch_every: Duration,
}

/// See the module.
pub struct WireStream {
    io: TokioIo<Upgraded>,
    session: Arc<Session>,
    control: Arc<Control>,
    patience: Patience,
    /// Bytes the engine reads before those of the connection.
    replay: Vec<u8>,
    /// Bytes read that cannot be passed on yet.
    held: Vec<u8>,
    incoming: IncomingFrames,
    /// The engine has been told that the client leaves.
    said_close: bool,
    /// Whether reading has paused since the client was last vouched for, and when that was.
    paused: bool,
    vouched_at: Instant,
    /// Bytes the engine writes first that the client already got from the gate.
    swallow_len: usize,
    outgoing: OutgoingFrames,
    /// What was exchanged for something, on its way out.
    pending: Bytes,
    /// When the peer began to refuse bytes, and the timer that watches it.
    stall: Option<(Instant, Pin<Box<Sleep>>)>,
    silence: Pin<Box<Sleep>>,
    last_read: Instant,
}

impl WireStream {
    pub(crate) fn new(
        io: TokioIo<Upgraded>,
        session: Arc<Session>,
        control: Arc<Control>,
        patience: Patience,
        replay: Vec<u8>,
        held: Vec<u8>,
        swallow_len: usize,
    ) -> Self {
        Self {
            io,
            incoming: IncomingFrames::new(session.eio),
            said_close: false,
            paused: false,
            vouched_at: Instant::now(),
            held,
            session,
            control,
            patience,
            replay,
            swallow_len,
            outgoing: OutgoingFrames::default(),
            pending: Bytes::new(),
            stall: None,
            silence: Box::pin(sleep(patience.silence_max)),
            last_read: Instant::now(),
        }
    }

    /// Writes out what was exchanged.
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let result = Pin::new(&mut self.io).poll_write(cx, &self.pending);
            let written = ready!(self.watch_progress(cx, result))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(written);
        }
        self.pending = Bytes::new(); // lets go of what others may share
        Poll::Ready(Ok(()))
    }

    /// Writes the first part of `buf` that can be dealt with in one go; answers with its length.
    fn poll_step(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(cx))?;
        match self.outgoing.next(buf, self.session.exchange()) {
            Step::Pass(len) => {
                let result = Pin::new(&mut self.io).poll_write(cx, &buf[..len]);
                let written = ready!(self.watch_progress(cx, result))?;
                self.outgoing.passed(&buf[..written]);
                Poll::Ready(Ok(written))
            }
            Step::Taken(len, instead) => {
                self.pending = instead;
                Poll::Ready(Ok(len))
            }
        }
    }

    /// Turns a write that makes no progress for too long into an error, for good; likewise one to a client that
    /// has been silent for too long (the engine's reader, which would notice, may be gone already).
    fn watch_progress<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stall = None;
            return result;
        }
        let Patience { write_stall_after, silence_max, .. } = self.patience;
        let (since, timer) =
            self.stall.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(Duration::ZERO))));
        let deadline = (*since + write_stall_after).min(self.last_read + silence_max);
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        self.session.because(ending::SLOW);
        self.control.kill();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ends the stream if the client has been silent for longer than a living one can be.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.silence.as_mut().poll(cx));
            let deadline = self.last_read + self.patience.silence_max;
            if Instant::now() >= deadline {
                self.session.because(ending::SILENT);
                self.control.kill();
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.silence.as_mut().reset(deadline);
        }
    }
}

impl Drop for WireStream {
    fn drop(&mut self) {
        self.session.websocket_gone();
    }
}

impl std::fmt::Debug for WireStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireStream").field("control", &self.control).finish_non_exhaustive()
    }
}

impl AsyncRead for WireStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.control.reader.register(cx.waker());
        this.control.check()?;
        loop {
            if !this.replay.is_empty() {
                this.play(buf);
                return Poll::Ready(Ok(()));
            }
            if this.incoming.at_boundary() {
                if this.control.closing.load(Ordering::Acquire) {
                    if this.said_close {
                        return Poll::Ready(Ok(())); // zero bytes: the end
                    }
                    this.said_close = true;
                    this.replay = frames::client_text("1");
                    continue;
                }
                if let Some(packet) = ready!(this.poll_backlog(cx)) {
                    this.replay = frames::client_text(packet);
                    continue;
                }
            }
            if !this.held.is_empty() {
                this.incoming.take(&mut this.held, &mut this.replay);
                if !this.replay.is_empty() {
                    continue;
                }
            }
            match this.poll_more(cx, buf) {
                Poll::Ready(Ok(Read::Passed | Read::Ended)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(Read::Held)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return this.poll_silence(cx).map(Err),
            }
        }
    }
}

/// What became of bytes read.
enum Read {
    Passed,
    Held,
    Ended,
}

impl WireStream {
    /// Hands out bytes kept for the engine.
    fn play(&mut self, buf: &mut ReadBuf<'_>) {
        let len = self.replay.len().min(buf.remaining());
        buf.put_slice(&self.replay[..len]);
        self.replay.drain(..len);
        if self.replay.is_empty() {
            self.replay = Vec::new();
        }
    }

    /// Waits while too many of the client's events wait for their owners. Its heartbeats wait behind them, so it
    /// is vouched for: answers with the packet to put in its place, if it is time for one.
    fn poll_backlog(&mut self, cx: &mut Context<'_>) -> Poll<Option<&'static str>> {
        let room = self.session.backlog.poll_room(cx);
        if room.is_pending() {
            self.paused = true;
            self.last_read = Instant::now(); // nothing can be heard from it
        }
        if !self.paused {
            return Poll::Ready(None);
        }
        let vouch_every = self.patience.vouch_every;
        let due = self.vouched_at + vouch_every;
        if room.is_pending() {
            self.silence.as_mut().reset(due);
            ready!(self.silence.as_mut().poll(cx));
        } else if Instant::now() < due {
            return Poll::Ready(None);
        }
        self.paused = false;
        // A pause that was over long ago holds up no heartbeat.
        let in_time = room.is_pending() || Instant::now() < due + vouch_every;
        self.vouched_at = Instant::now();
        Poll::Ready(in_time.then(|| self.session.eio.heartbeat()))
    }

    /// Reads from the connection: into `buf` what may pass as it is.
    fn poll_more(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<Read>> {
        let crowded = self.session.backlog.room() == 0;
        let read = if self.held.is_empty() && !crowded {
            let begin = buf.filled().len();
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
            let passed = self.incoming.pass(&buf.filled()[begin..]);
            self.held.extend(&buf.filled()[begin + passed..]);
            let read = (buf.filled().len() > begin, passed > 0);
            buf.set_filled(begin + passed);
            read
        } else {
            let wanted = if crowded { self.incoming.wanted() } else { HELD_READ_LEN_MAX };
            let mut bytes = [0; HELD_READ_LEN_MAX];
            let mut own = ReadBuf::new(&mut bytes[..wanted.min(HELD_READ_LEN_MAX)]);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut own))?;
            self.held.extend(own.filled());
            (!own.filled().is_empty(), false)
        };
        self.last_read = Instant::now();
        Poll::Ready(Ok(match read {
            (false, _) => Read::Ended,
            (true, true) => Read::Passed,
            (true, false) => Read::Held,
        }))
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.control.writer.register(cx.waker());
        this.control.check()?;
        let mut done = this.swallow_len.min(buf.len());
        this.swallow_len -= done;
        while done < buf.len() {
            match this.poll_step(cx, &buf[done..]) {
                // Taken without anything to be written yet, or nothing written.
                Poll::Ready(Ok(0)) if this.pending.is_empty() => break,
                Poll::Ready(result) => done += result?,
                Poll::Pending if done == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        // Whatever cannot be written now goes out with the flush that follows every write.
        if let Poll::Ready(result) = this.poll_pending(cx) {
            result?;
        }
        Poll::Ready(Ok(done))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.control.writer.register(cx.waker());
        this.control.check()?;
        ready!(this.poll_pending(cx))?;
        let result = Pin::new(&mut this.io).poll_flush(cx);
        this.watch_progress(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.control.writer.register(cx.waker());
        this.control.check()?;
        ready!(this.poll_pending(cx))?;
        let result = Pin::new(&mut this.io).poll_shutdown(cx);
        this.watch_progress(cx, result)
    }
}
