//! All connections of a run: brought up, kept, and sent home.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::accounts::Account;
use crate::connection::Connection;
use crate::errors::Failure;
use crate::pacing::Plan;
use crate::session::{self, Book, Role, Shared};

/// A user, what it is in the run, and when it sends.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) account: Account,
    /// The gateway it connects to.
    pub(crate) url: String,
    pub(crate) role: Role,
    pub(crate) plan: Plan,
}

/// Connections that live on tasks of their own.
#[derive(Debug)]
pub(crate) struct Crew {
    sessions: Vec<JoinHandle<Book>>,
    stop: watch::Sender<bool>,
    shared: Arc<Shared>,
    /// How long each took from opening TCP to an accepted CONNECT.
    pub(crate) handshakes_us: Vec<u64>,
}

impl Crew {
    /// Connects everyone, `handshakes_max` at a time; each session starts as soon as it is connected.
    pub(crate) async fn assemble(
        members: Vec<Member>,
        handshakes_max: usize,
        shared: Arc<Shared>,
    ) -> Result<Self, Failure> {
        let (stop, stopped) = watch::channel(false);
        let connected: Vec<(JoinHandle<Book>, u64)> = stream::iter(members)
            .map(|Member { account, url, role, plan }| {
                let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
                async move {
                    let start = Instant::now();
                    let connection = Connection::open(&url, &account).await?;
                    let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                    let session = session::live(connection, role, plan, shared, stopped);
                    Ok::<_, Failure>((tokio::spawn(session), took_us))
                }
            })
            .buffered(handshakes_max.max(1))
            .try_collect()
            .await?;
        let (sessions, handshakes_us) = connected.into_iter().unzip();
        Ok(Self { sessions, stop, shared, handshakes_us })
    }

    /// Waits until `senders` have sent all they were to send.
    pub(crate) async fn sent_all(&self, senders: u64) {
        let progress = &self.shared.progress;
        while progress.senders_done.load(Ordering::SeqCst) < senders {
            progress.changed.notified().await;
        }
    }

    /// Waits until every message is answered and every accepted one received, at most `patience`.
    pub(crate) async fn drained(&self, patience: Duration) {
        let progress = &self.shared.progress;
        let open = || {
            let [sent, answered, accepted, received] =
                [&progress.sent, &progress.answered, &progress.accepted, &progress.received]
                    .map(|count| count.load(Ordering::SeqCst));
            answered < sent || received < accepted
        };
        let closed = async {
            while open() {
                progress.changed.notified().await;
            }
        };
        // Whatever is still open then is the ledger's to tell.
        let _late = timeout(patience, closed).await;
    }

    /// Disconnects everyone; the books in the order of the members.
    pub(crate) async fn disband(self) -> Result<Vec<Book>, Failure> {
        self.stop.send_replace(true);
        let mut books = Vec::with_capacity(self.sessions.len());
        for session in self.sessions {
            books.push(session.await.map_err(|error| Failure::Setup(format!("a session died: {error}")))?);
        }
        Ok(books)
    }
}
