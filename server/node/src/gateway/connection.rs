//! One Socket.IO connection, from proof of identity to clean-up: one task owns it, so its events are handled, acknowledged
//! and fanned out in the order they were sent (promise G3).

use std::{any::Any, collections::VecDeque, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use sockeye_core::{
    ChatError,
    id::{DeviceId, UserId},
    limits::{Decision, Rule, Window},
    ports::Clock,
    position::Cursor,
};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::{
    Gateway,
    announcement::Announcement,
    contract::{Caller, Claim, ClientEvent, Contract, OutEvent, Refused},
    hub::{Hub, Membership, Told},
    identity::{Proven, prove, tokens},
    instruments::{Instruments, ending},
    outage::Outage,
    recovery::RecoveryKey,
    users::{UserLimits, UserSocket},
    wire::{
        Admission, Application, Connection, EmitError, Event, Handshake, Inbox, Malformed, Outbox, Refusal,
    },
};
use crate::{
    audit::{Act, Outcome, Subject, record},
    config::TrustQueryUser,
};

/// What connections work with.
pub struct Connections {
    pub gateway: Gateway,
    pub contract: Arc<dyn Contract>,
    pub hub: Arc<Hub>,
    pub clock: Arc<dyn Clock>,
    /// `None`: returning clients are not recognised.
    pub recovery: Option<RecoveryKey>,
    pub trust: TrustQueryUser,
    /// How long a socket may stay unproven.
    pub proof_timeout: Duration,
    /// Events held for a socket until it is proven.
    pub held_len_max: usize,
    pub events: Rule,
    pub users: Arc<UserLimits>,
    pub instruments: Instruments,
    /// How long a client that takes nothing is waited for while it catches up.
    pub stall_after: Duration,
}

/// A client that goes on for this many times the rate it is allowed is dropped.
const FLOOD_FACTOR: u32 = 10;
/// How long a returning device waits for its answer before it is sent away to come again.
const RESUME_WITHIN: Duration = Duration::from_secs(10);

#[async_trait]
impl Application for Connections {
    async fn admit(&self, handshake: &Handshake, _: &str, auth: &Value) -> Result<Admission, Refusal> {
        let refusal = |reason| Refusal {
            message: self.contract.refusal(&reason),
            passing: reason == Refused::Unavailable,
        };
        let claim = self.contract.claimed_user(&handshake.query);
        let (user, proven) = match (self.proof(handshake, auth).await, claim) {
            (Ok(proven), _) => (proven.user, Some(proven)),
            // Proof may come with the upgrade; until then the socket is told nothing.
            (Err(Refused::NoProof), Claim::User(user)) if handshake.may_upgrade() => (user, None),
            (Err(reason), _) => {
                audit_refused(handshake, reason.code());
                return Err(refusal(reason));
            }
        };
        // Before the CONNECT answer: what is accepted once the client has that, it gets. What comes before it is proven waits.
        let kept = |device| {
            let session = proven.and_then(|proven| proven.session);
            let membership = self.hub.join(user, device, session.map(|session| session.id));
            Some(Box::new(membership) as Box<dyn Any + Send + Sync>)
        };
        let Some(key) = self.recovery.as_ref().filter(|_| handshake.eio >= 4) else {
            let kept = kept(self.gateway.chat.new_device());
            return Ok(Admission { kept, ..Admission::default() });
        };
        if let Some(returning) = key.returning(auth).filter(|returning| returning.user == user)
            && self.can_resume(user, &returning.offset).await.map_err(refusal)?
        {
            let pid = auth.get("pid").and_then(Value::as_str).map(str::to_owned);
            let recovery_offset = Some(returning.offset.to_string());
            // One that is not proven must not take the place of one that is; it is replayed what it misses until it is.
            let kept = proven.and_then(|_| kept(returning.device));
            return Ok(Admission { pid, recovered: true, recovery_offset, kept });
        }
        let device = self.gateway.chat.new_device();
        Ok(Admission { pid: Some(key.pid(user, device)), kept: kept(device), ..Admission::default() })
    }

    /// What is over soon is boxed: a waiting connection costs as much memory as its future has room for.
    async fn serve(&self, connection: Connection) {
        let Some(mut owner) = Box::pin(self.owner(connection)).await else { return };
        let (user, outbox) = (owner.proven.user, owner.outbox.clone());
        let address = owner.address;
        let presence_id = self.gateway.chat.new_device();
        let ended = match self.gateway.chat.connect(user, presence_id).await {
            Ok(()) => owner.run().await,
            Err(error) => Err(Ended::Failed(error)),
        };
        drop(owner);
        if let Err(error) = self.gateway.chat.disconnect(user, presence_id).await {
            tracing::error!(%error, "presence not cleared");
        }
        match ended {
            Ok(()) | Err(Ended::ByClient) => {}
            // A fresh connection is what mends these: the client reconnects and recovers what it missed.
            Err(Ended::Overflowed) => {
                outbox.because(ending::SLOW);
                outbox.close_transport();
            }
            Err(Ended::Failed(error)) => {
                tracing::error!(%error, "connection dropped");
                outbox.because(ending::FAILED);
                outbox.close_transport();
            }
            Err(over @ (Ended::SessionOver | Ended::Flooded)) => {
                let flooded = matches!(over, Ended::Flooded);
                if flooded {
                    let subject = Subject { address: Some(address), user: Some(user), ..Subject::default() };
                    record(Act::Limit, Outcome::Refused, ending::FLOOD, subject);
                }
                outbox.because(if flooded { ending::FLOOD } else { ending::LOG_IN_OVER });
                outbox.disconnect(true);
            }
        }
    }
}

/// Why a connection is over.
#[derive(Debug)]
enum Ended {
    ByClient,
    /// It did not keep up.
    Overflowed,
    /// Logged out, or the token expired.
    SessionOver,
    Flooded,
    Failed(ChatError),
}

impl Connections {
    /// Whether what a device missed since `after` can be replayed to it.
    ///
    /// # Errors
    /// When that cannot be said now: the device is to come again, rather than to miss something.
    async fn can_resume(&self, user: UserId, after: &Cursor) -> Result<bool, Refused> {
        let known = async {
            let can = self.gateway.chat.can_resume(user, after).await?;
            if can {
                // Another node may have told it more than this one has read yet.
                self.hub.reached(after).await;
            }
            Ok::<_, ChatError>(can)
        };
        match timeout(RESUME_WITHIN, known).await {
            Ok(Ok(can)) => Ok(can),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a returning device is sent away for now");
                Err(Refused::Unavailable)
            }
            Err(_) => Err(Refused::Unavailable),
        }
    }

    async fn proof(&self, handshake: &Handshake, auth: &Value) -> Result<Proven, Refused> {
        let claim = self.contract.claimed_user(&handshake.query);
        let seen = handshake.credentials().borrow().clone();
        let tokens = tokens(auth, &seen, self.gateway.profile.cookie);
        match prove(&self.gateway.chat, claim, &tokens).await {
            Err(Refused::NoProof) => self.believe(claim, handshake).await.ok_or(Refused::NoProof),
            proof => proof,
        }
    }

    /// The legacy switch: a claim without proof, when the operator said so.
    async fn believe(&self, claim: Claim, handshake: &Handshake) -> Option<Proven> {
        let Claim::User(user) = claim else { return None };
        let believed = match self.trust {
            TrustQueryUser::Off => false,
            TrustQueryUser::Loopback => handshake.peer_address.is_loopback(),
            TrustQueryUser::Always => true,
        };
        let known = believed && self.gateway.chat.user_exists(user).await.is_ok_and(|known| known);
        known.then_some(Proven { user, session: None })
    }

    /// Waits, within bounds, until some request of this connection proves who it is. `None`: it was refused or is gone.
    async fn wait_for_proof(
        &self,
        connection: &mut Connection,
        held: &mut VecDeque<Event>,
    ) -> Option<Proven> {
        let deadline = Instant::now() + self.proof_timeout;
        let mut credentials = connection.handshake.credentials();
        loop {
            credentials.borrow_and_update();
            let reason = match self.proof(&connection.handshake, &connection.auth).await {
                Ok(proven) => return Some(proven),
                Err(reason) => reason,
            };
            if reason != Refused::NoProof || !connection.handshake.may_upgrade() {
                self.refuse(connection, held, reason);
                return None;
            }
            tokio::select! {
                changed = credentials.changed() => changed.ok()?,
                event = connection.inbox.recv() => {
                    held.push_back(event?);
                    if held.len() > self.held_len_max {
                        self.refuse(connection, held, Refused::NoProof);
                        return None;
                    }
                }
                () = sleep_until(deadline) => {
                    self.refuse(connection, held, Refused::NoProof);
                    return None;
                }
            }
        }
    }

    fn refuse(&self, connection: &Connection, held: &mut VecDeque<Event>, reason: Refused) {
        audit_refused(&connection.handshake, reason.code());
        let error = ChatError::Unauthenticated { code: "not_proven", message: "Not signed in" };
        for ack in held.drain(..).filter_map(|event| event.ack) {
            // A client that is gone already needs no answer.
            let _ = ack.send(&self.contract.event_refused(&error));
        }
        connection.outbox.because(ending::REFUSED);
        if reason == Refused::Unavailable {
            connection.outbox.close_transport();
        } else {
            connection.outbox.disconnect(true);
        }
    }

    /// Waits until a connection is proven, and makes it one that is told what concerns it.
    async fn owner(&self, mut connection: Connection) -> Option<Owner<'_>> {
        let mut held = VecDeque::new();
        let joined = connection.admission.kept.take();
        let proven = self.wait_for_proof(&mut connection, &mut held).await?;
        let Some(place) = self.users.enter(proven.user) else {
            audit_refused(&connection.handshake, ending::TOO_MANY_SOCKETS);
            connection.outbox.because(ending::TOO_MANY_SOCKETS);
            connection.outbox.disconnect(true);
            return None;
        };
        let admission = &connection.admission;
        let known = self.recovery.as_ref().zip(admission.pid.as_deref()).and_then(|(key, pid)| key.read(pid));
        let offset = admission.recovery_offset.as_deref().filter(|_| admission.recovered);
        let session = proven.session.map(|session| session.id);
        let joined = joined.and_then(|joined| joined.downcast::<Membership>().ok());
        let membership = match joined.filter(|joined| joined.is_of(proven.user)) {
            Some(joined) => {
                joined.prove(session);
                *joined
            }
            None => {
                let device = known.map_or_else(|| self.gateway.chat.new_device(), |(_, device)| device);
                self.hub.join(proven.user, device, session)
            }
        };
        Some(Owner {
            shared: self,
            proven,
            device: membership.device,
            base_url: self.gateway.base_url(&connection.handshake.base_url),
            recovers: known.is_some(),
            missed_since: offset.and_then(|offset| offset.parse().ok()),
            address: connection.handshake.peer_address,
            place,
            events: Window::default(),
            refused_count: 0,
            outage: Outage::default(),
            membership,
            held,
            inbox: connection.inbox,
            outbox: connection.outbox,
        })
    }
}

/// The state of a proven connection.
struct Owner<'a> {
    shared: &'a Connections,
    proven: Proven,
    device: DeviceId,
    base_url: String,
    /// Whether the client was given a `pid`: then every event ends with its place in the log.
    recovers: bool,
    missed_since: Option<Cursor>,
    address: IpAddr,
    /// Among the sockets of its user.
    place: UserSocket,
    events: Window,
    refused_count: u32,
    outage: Outage,
    membership: Membership,
    /// Events that came before the proof.
    held: VecDeque<Event>,
    inbox: Inbox,
    outbox: Outbox,
}

impl Owner<'_> {
    async fn run(&mut self) -> Result<(), Ended> {
        Box::pin(self.begin()).await?;
        let expiry = self.expiry();
        loop {
            tokio::select! {
                biased;
                () = self.membership.overflowed.cancelled() => return Err(Ended::Overflowed),
                told = self.membership.queue.recv() => self.tell(told.ok_or(Ended::Overflowed)?)?,
                event = self.inbox.recv() => self.handle(event.ok_or(Ended::ByClient)?).await?,
                () = sleep_until(expiry) => return Err(Ended::SessionOver),
            }
        }
    }

    /// Brings the client up to date.
    async fn begin(&mut self) -> Result<(), Ended> {
        self.catch_up().await?;
        // Lists of who is online that waited with it are older than the one it is told now.
        let waiting: Vec<Told> = std::iter::from_fn(|| self.membership.queue.try_recv().ok()).collect();
        let mut seen = self.membership.joined_at.to_string();
        for told in waiting.into_iter().filter(|told| !matches!(told, Told::Online(_))) {
            if let Told::Message(message) = &told {
                seen.clone_from(&message.seen);
            }
            self.tell(told)?;
        }
        let online = self.shared.gateway.chat.online().await.map_err(Ended::Failed)?;
        self.tell_online(&self.shared.contract.online(&online), &seen)?;
        for event in std::mem::take(&mut self.held) {
            self.handle(event).await?;
        }
        Ok(())
    }

    /// Replays what a returning device missed, up to where it joined: what came since waits in its queue.
    async fn catch_up(&mut self) -> Result<(), Ended> {
        let joined_at = self.membership.joined_at.clone();
        let Some(mut seen) = self.missed_since.take() else { return Ok(()) };
        let patience = Instant::now() + self.shared.stall_after;
        loop {
            let chat = &self.shared.gateway.chat;
            let part = chat.resume(self.proven.user, self.device, &seen, &joined_at);
            let part = timeout_at(patience, part).await.map_err(|_| Ended::Overflowed)?;
            let part = part.map_err(Ended::Failed)?;
            for entry in part.entries {
                seen.advance(entry.position);
                self.emit_patiently(self.message(&entry), &seen.to_string()).await?;
            }
            seen = part.seen;
            if part.complete {
                return Ok(());
            }
        }
    }

    fn tell(&self, told: Told) -> Result<(), Ended> {
        match told {
            Told::Message(told) => self.sent(self.send(self.message(&told.entry), &told.seen)),
            Told::Online(announcement) => self.sent(self.announce(&announcement)),
            Told::SessionEnded => Err(Ended::SessionOver),
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Ended> {
        let Event { name, args, malformed, ack, received_at, .. } = event;
        let instruments = &self.shared.instruments;
        instruments.received.count(&name);
        let answer = match self.take() {
            Decision::Allowed if let Some(why) = malformed => {
                self.shared.contract.event_refused(&refusal(why))
            }
            Decision::Allowed if let Some(answer) = self.outage.answer(received_at) => answer,
            Decision::Allowed => {
                let gateway = &self.shared.gateway;
                let caller = Caller {
                    chat: &gateway.chat,
                    user: self.proven.user,
                    device: self.device,
                    base_url: &self.base_url,
                };
                let handled = self.shared.contract.handle(&caller, ClientEvent { name, args }).await;
                if handled.unavailable {
                    self.outage.found(Instant::now(), &handled.answer);
                }
                handled.answer
            }
            Decision::Refused { retry_after_ms } => {
                self.refused_count += 1;
                if self.refused_count > self.shared.events.events_max.saturating_mul(FLOOD_FACTOR) {
                    return Err(Ended::Flooded);
                }
                self.shared.contract.event_refused(&ChatError::TooMany { retry_after_ms })
            }
        };
        if let Some(ack) = ack {
            self.sent(ack.send(&answer))?;
            instruments.ack_latency.record(received_at.elapsed());
        }
        Ok(())
    }

    fn take(&mut self) -> Decision {
        let now = self.shared.clock.now();
        let decision = match self.events.take(&self.shared.events, now) {
            Decision::Allowed => self.place.take(now),
            refused @ Decision::Refused { .. } => refused,
        };
        if decision == Decision::Allowed {
            self.refused_count = 0;
        } else {
            self.shared.instruments.event_refused();
        }
        decision
    }

    fn message(&self, entry: &sockeye_core::message::Entry) -> OutEvent {
        self.shared.contract.message(&entry.record.message, self.proven.user, &self.base_url)
    }

    /// Tells this device alone who is online; shared all the same, so that no buffer of its own grows for it. `seen`: the place
    /// of what it was told last, not an earlier one: it would be told what came between again, if it was cut now.
    fn tell_online(&self, event: &OutEvent, seen: &str) -> Result<(), Ended> {
        match Announcement::new(event, seen) {
            Ok(announcement) => self.sent(self.announce(&announcement)),
            Err(error) => {
                tracing::error!(%error, "presence not announced");
                Ok(())
            }
        }
    }

    /// Emits, giving a client that is busy catching up time to take what it was sent before.
    async fn emit_patiently(&self, event: OutEvent, seen: &str) -> Result<(), Ended> {
        const PAUSE: Duration = Duration::from_millis(10);
        let patience = Instant::now() + self.shared.stall_after;
        while Instant::now() < patience {
            match self.send(event.clone(), seen) {
                Ok(()) => return Ok(()),
                Err(EmitError::Closed) => return Err(Ended::ByClient),
                Err(EmitError::Full) => sleep(PAUSE).await,
            }
        }
        self.sent(Err(EmitError::Full))
    }

    fn send(&self, OutEvent { name, mut args }: OutEvent, seen: &str) -> Result<(), EmitError> {
        if self.recovers {
            args.push(Value::from(seen));
        }
        self.outbox.emit(name, &args)?;
        self.shared.instruments.sent.count(name);
        Ok(())
    }

    fn announce(&self, announcement: &Announcement) -> Result<(), EmitError> {
        self.outbox.emit_shared(announcement.event(self.recovers))?;
        self.shared.instruments.sent.count(announcement.name());
        Ok(())
    }

    fn sent(&self, outcome: Result<(), EmitError>) -> Result<(), Ended> {
        outcome.map_err(|error| match error {
            EmitError::Full => {
                self.shared.instruments.outbound_full();
                Ended::Overflowed
            }
            EmitError::Closed => Ended::ByClient,
        })
    }

    /// When the token ends; far away when there is none.
    fn expiry(&self) -> Instant {
        const FAR_MS: u64 = 365 * 24 * 3600 * 1000;
        let now = self.shared.clock.now();
        let left =
            self.proven.session.map_or(FAR_MS, |session| session.expires_at.millis_since(now).min(FAR_MS));
        Instant::now() + Duration::from_millis(left)
    }
}

fn audit_refused(handshake: &Handshake, reason: &'static str) {
    let subject = Subject { address: Some(handshake.peer_address), ..Subject::default() };
    record(Act::Socket, Outcome::Refused, reason, subject);
}

/// Why an event with such an argument is not handled.
fn refusal(why: Malformed) -> ChatError {
    match why {
        Malformed::TooDeep => ChatError::invalid("too_deep", "The data is nested too deep"),
        Malformed::OutOfRange => ChatError::invalid("malformed_arguments", "A number is out of range"),
    }
}
