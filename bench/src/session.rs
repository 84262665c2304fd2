//! The life of one connection: answer pings, send what the plan orders, write down all that is heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::connection::{Connection, Socket};
use crate::errors::Tally;
use crate::ledger::Sent;
use crate::pacing::Plan;
use crate::stamp::Stamp;
use crate::wire;

mod hearing;

pub(crate) use hearing::Heard;
use hearing::Wants;

const CLOSE_WITHIN: Duration = Duration::from_secs(5);
const PONGS_LEN_MAX: usize = 8;

/// What all sessions of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Zero of the run's clock.
    pub(crate) epoch: Instant,
    pub(crate) run: String,
    pub(crate) text_len: usize,
    pub(crate) progress: Progress,
}

/// How far a run is, for whoever waits for its end.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) senders_done: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) received: AtomicU64,
    /// Of each sender: its last accepted message, counted from 1; 0 when none was.
    pub(crate) accepted_until: Vec<AtomicU64>,
    pub(crate) changed: Notify,
}

impl Progress {
    pub(crate) fn new(senders: u32) -> Self {
        Self { accepted_until: (0..senders).map(|_| AtomicU64::new(0)).collect(), ..Self::default() }
    }

    fn accept(&self, sender: Option<u32>, seq: u32) {
        let until = sender.and_then(|sender| self.accepted_until.get(sender as usize));
        if let Some(until) = until {
            until.fetch_max(u64::from(seq) + 1, Ordering::SeqCst);
        }
        self.count(&self.accepted);
    }

    fn count(&self, what: &AtomicU64) {
        what.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }
}

/// Who a session is in its run.
#[derive(Debug)]
pub(crate) enum Role {
    Listener,
    /// Sends to the user with this id.
    Sender {
        number: u32,
        to: String,
    },
}

/// Everything a session wrote down.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) sent: Vec<Sent>,
    pub(crate) heard: Heard,
}

/// Lives until `stop` turns true (then leaves politely) or the connection fails (then says why in the book).
pub(crate) async fn live(
    connection: Connection,
    role: Role,
    plan: Plan,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
) -> Book {
    let (sink, stream) = connection.socket.split();
    let (pongs, pong_orders) = mpsc::channel(PONGS_LEN_MAX);
    let number = match &role {
        Role::Listener => None,
        Role::Sender { number, .. } => Some(*number),
    };
    let mut heard = Heard::new(number);
    for text in connection.early {
        heard.frame(text, &shared, false);
    }
    let reader = Reader { stream, silence_max: connection.silence_max, pongs, permits: plan.permits() };
    let mut write_errors = Tally::default();
    let writer = Writer { sink, role, pongs: pong_orders, shared: &shared, sent: Vec::new() };
    let (sent, mut heard) =
        tokio::join!(writer.run(plan, stop.clone(), &mut write_errors), reader.run(heard, &shared, &stop));
    heard.errors.merge(write_errors);
    Book { sent, heard }
}

struct Writer<'a> {
    sink: SplitSink<Socket, Message>,
    role: Role,
    pongs: mpsc::Receiver<()>,
    shared: &'a Shared,
    sent: Vec<Sent>,
}

impl Writer<'_> {
    async fn run(mut self, mut plan: Plan, mut stop: watch::Receiver<bool>, errors: &mut Tally) -> Vec<Sent> {
        let mut sending = !matches!(plan, Plan::Idle);
        loop {
            let text = tokio::select! {
                biased;
                pong = self.pongs.recv() => match pong {
                    Some(()) => wire::PONG.into(),
                    None => break,
                },
                () = told(&mut stop) => {
                    self.leave(errors).await;
                    break;
                }
                order = plan.next() => match order {
                    Some(order) => self.next_message(order.intended),
                    None => {
                        plan = Plan::Idle;
                        sending = false;
                        self.shared.progress.count(&self.shared.progress.senders_done);
                        continue;
                    }
                }
            };
            if let Err(error) = self.sink.send(Message::Text(text)).await {
                errors.add("write failed", error.to_string());
                break;
            }
        }
        if sending {
            self.shared.progress.count(&self.shared.progress.senders_done);
        }
        self.sent
    }

    fn next_message(&mut self, intended: Instant) -> Utf8Bytes {
        let Role::Sender { number, to } = &self.role else { unreachable!("listeners have no plan") };
        let seq = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        let text = Stamp { sender: *number, seq }.text(&self.shared.run, self.shared.text_len);
        let frame = wire::event_with_ack(
            seq,
            &format!(r#"["sendMessage",{{"to":"{to}","text":"{text}","image":null}}]"#),
        );
        let started_us = self.shared.us(Instant::now());
        self.sent.push(Sent { intended_us: self.shared.us(intended), started_us });
        self.shared.progress.count(&self.shared.progress.sent);
        frame.into()
    }

    async fn leave(&mut self, errors: &mut Tally) {
        let farewell = async {
            self.sink.send(Message::text(wire::DISCONNECT)).await?;
            self.sink.send(Message::Close(None)).await
        };
        match timeout(CLOSE_WITHIN, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => errors.add("write failed", error.to_string()),
            Err(_) => errors.add("write failed", "the farewell could not be written"),
        }
    }
}

struct Reader {
    stream: SplitStream<Socket>,
    silence_max: Duration,
    pongs: mpsc::Sender<()>,
    permits: Option<Arc<Semaphore>>,
}

impl Reader {
    async fn run(mut self, mut heard: Heard, shared: &Shared, stop: &watch::Receiver<bool>) -> Heard {
        let end = loop {
            let patience = if *stop.borrow() { CLOSE_WITHIN } else { self.silence_max };
            let text = match timeout(patience, self.stream.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Binary(_)))) => break "sent a binary frame".to_owned(),
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(error))) => break error.to_string(),
                Ok(None) => break "closed by the server".to_owned(),
                Err(_) => break format!("silent for {patience:?}"),
            };
            match heard.frame(text, shared, *stop.borrow()) {
                Wants::Nothing => {}
                Wants::Pong if self.pongs.try_send(()).is_err() && !*stop.borrow() => {
                    break "several pongs wait to be written".to_owned();
                }
                Wants::Pong => {}
                Wants::Next => {
                    if let Some(permits) = &self.permits {
                        permits.add_permits(1);
                    }
                }
                Wants::End => break "the server said goodbye".to_owned(),
            }
        };
        if !*stop.borrow() {
            heard.errors.add("connection lost", end);
        }
        heard
    }
}

/// Resolves when the run is over, or whoever would say so is gone.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stop| *stop).await;
}

impl Shared {
    pub(crate) fn us(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }
}
