//! Brings the hub what is for its devices: one task follows the log, every partition of it, and delivers each message once,
//! in log order ([`Sequencer`]; docs/decisions/0004-every-gateway-tails-the-log.md). What is no message comes by the bus.

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Histogram, counter, histogram};
use sockeye_core::{
    Chat, ChatError,
    id::UserId,
    message::Entry,
    ports::{BusEvent, BusSubscription, LogError, LogTail, Received},
    sequencer::{Sequencer, Verdict},
};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{contract::Contract, hub::Hub};

/// Entries read from the log at a time.
const READ_LEN_MAX: usize = 512;
/// How long to leave a log alone that did not answer.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How often to look who is online, should nobody have said that it changed.
const PRESENCE_CHECK_EVERY: Duration = Duration::from_secs(3);

/// Reads the log and the bus, and fills the hub.
pub struct Delivery {
    pub hub: Arc<Hub>,
    pub chat: Arc<Chat>,
    pub contract: Arc<dyn Contract>,
    /// The shortest time between two announcements of who is online.
    pub presence_coalesce: Duration,
    /// Asks [`super::session_check`] to look soon: news of ended log-ins may have been lost.
    pub check_sessions: Arc<Notify>,
}

impl Delivery {
    /// Runs until `stop`. `tail`: from where the hub has delivered to.
    ///
    /// # Errors
    /// When the bus fails for good.
    pub async fn run(
        self,
        mut tail: Box<dyn LogTail>,
        mut subscription: Box<dyn BusSubscription>,
        stop: CancellationToken,
    ) -> Result<(), ChatError> {
        let mut sequencer = Sequencer::new(self.hub.seen());
        let instruments = Instruments::new();
        let mut read_at = Instant::now();
        let mut presence = Presence::new(self.presence_coalesce);
        let mut presence_check = interval(PRESENCE_CHECK_EVERY);
        presence_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let read = async {
                sleep_until(read_at).await;
                tail.next(READ_LEN_MAX).await
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                read = read => match read {
                    Ok(entries) => entries.into_iter().for_each(|entry| self.take(&mut sequencer, entry, &instruments)),
                    Err(LogError::Unreadable(unreadable)) => {
                        // The worker keeps it and says why.
                        sequencer.skip_to(unreadable.position.next());
                        self.hub.pass(unreadable.position);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "delivery waits for the log");
                        read_at = Instant::now() + READ_AGAIN_AFTER;
                    }
                },
                received = subscription.next() => match received? {
                    Received::Event(BusEvent::SessionEnded(session)) => self.hub.end_session(session),
                    Received::Event(BusEvent::SessionsEnded { user, through }) => {
                        self.hub.end_sessions(user, through);
                    }
                    Received::Event(BusEvent::PresenceChanged) => presence.changed(self.hub.device_count()),
                    Received::Lagged => {
                        presence.changed(self.hub.device_count());
                        self.check_sessions.notify_one();
                    }
                },
                () = presence.due() => {
                    presence.announced(self.announce().await);
                }
                _ = presence_check.tick() => {
                    if let Ok(users) = self.chat.online().await && presence.differs(&users) {
                        presence.changed(self.hub.device_count());
                    }
                }
            }
        }
    }

    /// Delivers an entry that is new.
    fn take(&self, sequencer: &mut Sequencer, entry: Entry, instruments: &Instruments) {
        let mut verdict = sequencer.offer(&entry);
        if let Verdict::Hole { from } = verdict {
            // Old entries are dropped from a log after its retention time, and other writers' may leave gaps.
            instruments.gaps.increment(1);
            tracing::warn!(position = ?entry.position, from, "the log has a gap");
            sequencer.skip_to(entry.position);
            verdict = sequencer.offer(&entry);
        }
        if verdict == Verdict::Deliver {
            let age_ms = self.chat.now().millis_since(entry.record.message.created_at);
            instruments.latency.record(Duration::from_millis(age_ms));
            self.hub.deliver(entry);
        } else {
            self.hub.pass(entry.position);
        }
    }

    /// Who was announced.
    async fn announce(&self) -> Option<Vec<UserId>> {
        match self.chat.online().await {
            Ok(users) => {
                self.hub.tell_online(&self.contract.online(&users));
                Some(users)
            }
            Err(error) => {
                // Presence is ephemeral: the next check announces again.
                tracing::warn!(%error, "presence not announced");
                None
            }
        }
    }
}

struct Instruments {
    latency: Histogram,
    gaps: Counter,
}

impl Instruments {
    fn new() -> Self {
        Self {
            latency: histogram!("sockeye_delivery_latency_seconds"),
            gaps: counter!("sockeye_log_gaps_total"),
        }
    }
}

/// When to announce who is online.
struct Presence {
    coalesce: Duration,
    due_at: Option<Instant>,
    announced_at: Instant,
    announced: Option<Vec<UserId>>,
}

impl Presence {
    fn new(coalesce: Duration) -> Self {
        Self { coalesce, due_at: None, announced_at: Instant::now(), announced: None }
    }

    /// Announcing costs devices times users; the more there are, the longer changes are gathered.
    fn changed(&mut self, device_count: usize) {
        const GATHER_MAX: Duration = Duration::from_secs(5);
        let devices = device_count as u64;
        let gather = Duration::from_millis(devices.saturating_mul(devices) / 5_000);
        let earliest = Instant::now() + Duration::from_millis(5);
        let next = earliest.max(self.announced_at + self.coalesce.saturating_add(gather).min(GATHER_MAX));
        self.due_at.get_or_insert(next);
    }

    async fn due(&self) {
        match self.due_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    fn announced(&mut self, users: Option<Vec<UserId>>) {
        self.due_at = None;
        self.announced_at = Instant::now();
        self.announced = users;
    }

    /// Whether others are online than was announced last: a node may have died without a word.
    fn differs(&self, users: &[UserId]) -> bool {
        self.announced.as_deref() != Some(users)
    }
}
