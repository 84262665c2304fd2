//! One Socket.IO connection, from proof of identity to clean-up: one task owns it, so its events are handled, acknowledged
//! and fanned out in the order they were sent (promise G3).

use std::{collections::VecDeque, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use sockeye_core::{
    ChatError, Missed, Over,
    id::{DeviceId, UserId},
    limits::{Decision, Rule, Window},
    ports::Clock,
    position::Cursor,
    session::Proven,
};
use tokio::{
    sync::oneshot::error::TryRecvError,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use super::{
    Gateway,
    announcement::Announcement,
    contract::{Caller, Claim, ClientEvent, Contract, OutEvent, Refused},
    hub::{Dropped, Hub, Membership, Told},
    identity::{prove, tokens},
    instruments::{Instruments, ending},
    outage::Outage,
    recovery::{RecoveryKey, Returning},
    users::{UserLimits, UserSocket},
    wire::{
        Admission, Application, Connection, EmitError, Event, Handshake, Inbox, Malformed, Outbox, Refusal,
        Unread,
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

/// Bytes of the events held for a socket until it is proven: more than the longest text.
const HELD_BYTES_MAX: usize = 64 * 1024;
/// A client that goes on for this many times the rate it is allowed is dropped.
const FLOOD_FACTOR: u32 = 10;
/// How long a returning device waits for its answer before it is sent away to come again.
const RESUME_WITHIN: Duration = Duration::from_secs(10);

#[async_trait]
impl Application for Connections {
    /// What the answer to an unproven socket says depends on nothing but what that has sent: the store is not asked, and one
    /// that asks to recover is answered when it is proven.
    async fn admit(&self, handshake: &Handshake, _: &str, auth: &Value) -> Result<Admission, Refusal> {
        let refusal = |reason| Refusal {
            message: self.contract.refusal(&reason),
            passing: reason == Refused::Unavailable,
        };
        let claim = self.contract.claimed_user(&handshake.query);
        let key = self.recovery.as_ref().filter(|_| handshake.eio >= 4);
        let returning = key.and_then(|key| key.returning(auth));
        let proven = match (self.proof(handshake, auth).await, claim) {
            // Proof may come with the upgrade; until then the socket is told nothing.
            (Err(Refused::NoProof), Claim::User(user)) if handshake.may_upgrade() => {
                if returning.as_ref().is_none_or(|returning| returning.user != user) {
                    return Ok(self.unproven(key, user));
                }
                self.proof_in_time(handshake, auth).await
            }
            (proof, _) => proof,
        };
        let proven = proven.map_err(|reason| {
            audit_refused(handshake, reason.code());
            refusal(reason)
        })?;
        let chat = &self.gateway.chat;
        if let Some(returning) = returning.filter(|returning| returning.user == proven.user)
            && let Some(missed) = self.missed(&returning).await.map_err(refusal)?
        {
            let pid = auth.get("pid").and_then(Value::as_str).map(str::to_owned);
            let membership = self.hub.join(proven, returning.device);
            let catch_up = Some(CatchUp { told: returning.seen, missed });
            return Ok(admission(pid, true, Kept::Joined { proven, membership, catch_up }));
        }
        // Before the CONNECT answer: what is accepted once the client has that, it gets.
        let membership = self.hub.join(proven, chat.new_device());
        let pid = key.map(|key| key.pid(proven.user, membership.device, Some(&membership.joined_at)));
        Ok(admission(pid, false, Kept::Joined { proven, membership, catch_up: None }))
    }

    /// What is over soon is boxed: a waiting connection costs as much memory as its future has room for.
    async fn serve(&self, connection: Connection) {
        let Some(mut owner) = Box::pin(self.owner(connection)).await else { return };
        let (user, outbox) = (owner.proven.user, owner.outbox.clone());
        let session = owner.proven.session.map(|session| session.id);
        let subject = Subject { address: Some(owner.address), user: Some(user), session, account: None };
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
            Err(Ended::Flooded) => {
                record(Act::Limit, Outcome::Refused, ending::FLOOD, subject);
                outbox.because(ending::FLOOD);
                outbox.disconnect(true);
            }
            Err(Ended::SessionOver(why)) => {
                record(Act::SessionEnd, Outcome::Allowed, why, subject);
                outbox.because(ending::LOG_IN_OVER);
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
    /// It may not stay, and why.
    SessionOver(&'static str),
    Flooded,
    Failed(ChatError),
}

impl From<Dropped> for Ended {
    fn from(dropped: Dropped) -> Self {
        match dropped {
            Dropped::Overflowed => Self::Overflowed,
            Dropped::Over(Over::SessionEnded) => Self::SessionOver("session_ended"),
            Dropped::Over(Over::AccountGone) => Self::SessionOver("account_gone"),
        }
    }
}

/// What is kept between the answer to CONNECT and the owner's start.
enum Kept {
    /// Proven, and in the hub.
    Joined { proven: Proven, membership: Membership, catch_up: Option<CatchUp> },
    /// Not proven: not in the hub, whoever it is. What comes for it from this place on is replayed when it is.
    Unproven { device: DeviceId, since: Cursor },
}

/// What a device is told before it goes on live.
struct CatchUp {
    /// Up to where it has been told.
    told: Cursor,
    /// What it has missed since, as far as it has been read.
    missed: Missed,
}

impl CatchUp {
    fn since(place: Cursor) -> Self {
        Self { told: place.clone(), missed: Missed { entries: vec![], read: place } }
    }
}

fn admission(pid: Option<String>, recovered: bool, kept: Kept) -> Admission {
    Admission { pid, recovered, kept: Some(Box::new(kept)), recovery_offset: None }
}

impl Connections {
    /// A socket that is not proven yet. Its `pid` names a device that nobody else knows; where in the log it is stays here,
    /// because that tells how much others write.
    fn unproven(&self, key: Option<&RecoveryKey>, user: UserId) -> Admission {
        let device = self.gateway.chat.new_device();
        let pid = key.map(|key| key.pid(user, device, None));
        admission(pid, false, Kept::Unproven { device, since: self.hub.seen() })
    }

    /// What a device missed, if that can be replayed to it.
    ///
    /// # Errors
    /// When that cannot be said now: the device is to come again, rather than to miss something.
    async fn missed(&self, returning: &Returning) -> Result<Option<Missed>, Refused> {
        let Returning { user, device, seen } = returning;
        let known = async {
            let missed = self.gateway.chat.missed(*user, *device, seen).await?;
            if missed.is_some() {
                // Another node may have told it more than this one has read yet.
                self.hub.reached(seen).await;
            }
            Ok::<_, ChatError>(missed)
        };
        match timeout(RESUME_WITHIN, known).await {
            Ok(Ok(missed)) => Ok(missed),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a returning device is sent away for now");
                Err(Refused::Unavailable)
            }
            Err(_) => Err(Refused::Unavailable),
        }
    }

    /// Waits, within bounds, until some request of this connection proves who it is.
    async fn proof_in_time(&self, handshake: &Handshake, auth: &Value) -> Result<Proven, Refused> {
        let deadline = Instant::now() + self.proof_timeout;
        let mut credentials = handshake.credentials();
        loop {
            credentials.borrow_and_update();
            match self.proof(handshake, auth).await {
                Err(Refused::NoProof) if handshake.may_upgrade() => {}
                proof => return proof,
            }
            // They come from the handshake, which is there.
            if timeout_at(deadline, credentials.changed()).await.is_err() {
                return Err(Refused::NoProof);
            }
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

    /// The same for a socket that was answered already: what it sends meanwhile is held. `None`: it was refused or is gone.
    async fn wait_for_proof(
        &self,
        connection: &mut Connection,
        held: &mut VecDeque<Unread>,
    ) -> Option<Proven> {
        let reason = {
            let proof = self.proof_in_time(&connection.handshake, &connection.auth);
            tokio::pin!(proof);
            loop {
                tokio::select! {
                    proof = &mut proof => match proof {
                        Ok(proven) => return Some(proven),
                        Err(reason) => break reason,
                    },
                    event = connection.inbox.unread() => {
                        held.push_back(event?);
                        let bytes: usize = held.iter().map(Unread::bytes).sum();
                        let fits = held.len() <= self.held_len_max && bytes <= HELD_BYTES_MAX;
                        if !fits || held.iter().any(Unread::is_binary) {
                            break Refused::NoProof;
                        }
                    }
                }
            }
        };
        self.refuse(connection, held, reason);
        None
    }

    /// The last look whether somebody may stay, once the hub knows them: whatever ends after it, the hub is told of.
    async fn may_stay(&self, proven: Proven) -> Result<(), Refused> {
        match self.gateway.chat.over(&[proven]).await {
            Ok(over) => match over.first() {
                None => Ok(()),
                Some((_, Over::SessionEnded)) => Err(Refused::BadProof),
                Some((_, Over::AccountGone)) => Err(Refused::UserGone),
            },
            Err(error) => {
                tracing::warn!(%error, "a socket is sent away for now");
                Err(Refused::Unavailable)
            }
        }
    }

    fn refuse(&self, connection: &Connection, held: &mut VecDeque<Unread>, reason: Refused) {
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
        let kept = connection.admission.kept.take()?.downcast::<Kept>().ok()?;
        // First it can be found, then it is looked whether it may stay: no log-out comes between unseen.
        let (proven, membership, catch_up) = match *kept {
            Kept::Joined { proven, membership, catch_up } => (proven, membership, catch_up),
            Kept::Unproven { device, since } => {
                let proven = self.wait_for_proof(&mut connection, &mut held).await?;
                (proven, self.hub.join(proven, device), Some(CatchUp::since(since)))
            }
        };
        if let Err(reason) = self.may_stay(proven).await {
            self.refuse(&connection, &mut held, reason);
            return None;
        }
        let Some(place) = self.users.enter(proven.user) else {
            audit_refused(&connection.handshake, ending::TOO_MANY_SOCKETS);
            connection.outbox.because(ending::TOO_MANY_SOCKETS);
            connection.outbox.disconnect(true);
            return None;
        };
        Some(Owner {
            shared: self,
            proven,
            address: connection.handshake.peer_address,
            device: membership.device,
            base_url: self.gateway.base_url(&connection.handshake.base_url),
            recovers: connection.admission.pid.is_some(),
            catch_up,
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
    address: IpAddr,
    device: DeviceId,
    base_url: String,
    /// Whether the client was given a `pid`: then every event ends with its place in the log.
    recovers: bool,
    catch_up: Option<CatchUp>,
    /// Among the sockets of its user.
    place: UserSocket,
    events: Window,
    refused_count: u32,
    outage: Outage,
    membership: Membership,
    /// Events that came before the proof.
    held: VecDeque<Unread>,
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
                dropped = &mut self.membership.dropped => return Err(dropped.map_or(Ended::Overflowed, Ended::from)),
                told = self.membership.queue.recv() => self.tell(told.ok_or(Ended::Overflowed)?)?,
                event = self.inbox.recv() => self.handle(event.ok_or(Ended::ByClient)?).await?,
                () = sleep_until(expiry) => return Err(Ended::SessionOver("expired")),
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
        for unread in std::mem::take(&mut self.held) {
            self.still_here()?;
            let event = self.inbox.read(unread).ok_or(Ended::ByClient)?;
            self.handle(event).await?;
        }
        Ok(())
    }

    /// Replays what the device missed, up to where it joined: what came since waits in its queue.
    async fn catch_up(&mut self) -> Result<(), Ended> {
        let joined_at = self.membership.joined_at.clone();
        let Some(CatchUp { mut told, mut missed }) = self.catch_up.take() else { return Ok(()) };
        let patience = Instant::now() + self.shared.stall_after;
        loop {
            for entry in missed.entries.iter().filter(|entry| joined_at.covers(entry.position)) {
                told.advance(entry.position);
                self.emit_patiently(self.message(entry), &told.to_string()).await?;
            }
            if missed.read.covers_all(&joined_at) {
                return Ok(());
            }
            let chat = &self.shared.gateway.chat;
            let more = chat.resume(self.proven.user, self.device, &missed.read, &joined_at);
            let more = timeout_at(patience, more).await.map_err(|_| Ended::Overflowed)?;
            missed = more.map_err(Ended::Failed)?;
        }
    }

    /// Fails when the device was dropped from the hub, for what takes longer than an event.
    fn still_here(&mut self) -> Result<(), Ended> {
        match self.membership.dropped.try_recv() {
            Ok(dropped) => Err(dropped.into()),
            Err(TryRecvError::Closed) => Err(Ended::Overflowed),
            Err(TryRecvError::Empty) => Ok(()),
        }
    }

    fn tell(&self, told: Told) -> Result<(), Ended> {
        match told {
            Told::Message(told) => self.sent(self.send(self.message(&told.entry), &told.seen)),
            Told::Online(announcement) => self.sent(self.announce(&announcement)),
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
    async fn emit_patiently(&mut self, event: OutEvent, seen: &str) -> Result<(), Ended> {
        const PAUSE: Duration = Duration::from_millis(10);
        let patience = Instant::now() + self.shared.stall_after;
        while Instant::now() < patience {
            self.still_here()?;
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
