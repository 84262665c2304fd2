//! One Engine.IO session as the gate sees it, and the registry of all of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    backlog::Backlog,
    connect_answer::ConnectAnswers,
    engine::{Engine, Requests},
    exchange::Exchange,
    handshake::Handshake,
    meters::{self, Meters, Open, ending},
    query::Eio,
    shared::SharedQueue,
    stream::Control,
};

/// The gate's half of a session. The engine's half keeps it alive through a [`Tether`].
pub(crate) struct Session {
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) eio: Eio,
    /// CONNECT answers that still have to be completed on their way out.
    pub(crate) answers: ConnectAnswers,
    /// Shared events whose markers are on their way out.
    pub(crate) shared: SharedQueue,
    /// Events that wait for their owners.
    pub(crate) backlog: Arc<Backlog>,
    /// Ends a waiting poll with a NOOP packet.
    pub(crate) release_poll: Notify,
    poll_begun: Notify,
    /// Set when the server wants the client gone; a polling client is told with its next poll.
    pub(crate) closing: CancellationToken,
    /// Set when the engine has let go of the session.
    pub(crate) ended: CancellationToken,
    sid: OnceLock<String>,
    transport: Mutex<Transport>,
    /// Its place in the count of open connections, from when it can be found until it has ended.
    counted: Mutex<Option<Open>>,
    /// Why it ends; who knows first says so.
    ending: OnceLock<&'static str>,
    /// Killed: to clients it does not exist any more, even while the engine is still letting go of it.
    killed: AtomicBool,
    polling: AtomicBool,
    posting: AtomicBool,
    engine: Arc<dyn Engine>,
    requests: Requests,
    linger: Duration,
    registry: Arc<Registry>,
    slot: Mutex<Option<AddressSlot>>,
}

/// The bounds of one session.
pub(crate) struct Bounds {
    /// How long a closing session waits for its client.
    pub(crate) linger: Duration,
    /// Events that may wait for their owners before reading pauses.
    pub(crate) inbound_queue_len_max: usize,
}

enum Transport {
    Polling,
    /// A WebSocket is probing; polling goes on until it takes over.
    Probing,
    WebSocket(Arc<Control>),
}

impl Session {
    pub(crate) fn new(
        handshake: Arc<Handshake>,
        eio: Eio,
        engine: Arc<dyn Engine>,
        requests: Requests,
        bounds: Bounds,
        registry: Arc<Registry>,
        slot: AddressSlot,
    ) -> Arc<Self> {
        Arc::new(Self {
            handshake,
            eio,
            answers: ConnectAnswers::default(),
            shared: SharedQueue::default(),
            backlog: Backlog::new(bounds.inbound_queue_len_max),
            release_poll: Notify::new(),
            poll_begun: Notify::new(),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            sid: OnceLock::new(),
            transport: Mutex::new(Transport::Polling),
            counted: Mutex::new(None),
            ending: OnceLock::new(),
            killed: AtomicBool::new(false),
            polling: AtomicBool::new(false),
            posting: AtomicBool::new(false),
            engine,
            requests,
            linger: bounds.linger,
            registry,
            slot: Mutex::new(Some(slot)),
        })
    }

    /// The Engine.IO session id: a secret of this client. Empty until the session is open.
    pub(crate) fn sid(&self) -> &str {
        self.sid.get().map_or("", String::as_str)
    }

    /// What is exchanged in outgoing packets.
    pub(crate) fn exchange(&self) -> Exchange<'_> {
        Exchange { answers: &self.answers, shared: &self.shared }
    }

    pub(crate) fn is_websocket(&self) -> bool {
        matches!(*locked(&self.transport), Transport::WebSocket(_))
    }

    pub(crate) fn is_probing(&self) -> bool {
        matches!(*locked(&self.transport), Transport::Probing)
    }

    /// Reserves the session for one probing WebSocket; `None` if it has a WebSocket or another one is probing.
    pub(crate) fn begin_probe(self: &Arc<Self>) -> Option<Probe> {
        let mut transport = locked(&self.transport);
        if !matches!(*transport, Transport::Polling) {
            return None;
        }
        *transport = Transport::Probing;
        Some(Probe(self.clone()))
    }

    pub(crate) fn set_websocket(&self, control: Arc<Control>) {
        *locked(&self.transport) = Transport::WebSocket(control);
        if let Some(counted) = &mut *locked(&self.counted) {
            *counted = self.registry.meters.on_websocket();
        }
        self.handshake.upgraded();
    }

    /// Claims the one place for a waiting poll.
    pub(crate) fn begin_poll(self: &Arc<Self>) -> Option<Busy> {
        let claimed = Busy::claim(self, |session| &session.polling);
        self.poll_begun.notify_waiters();
        claimed
    }

    /// Waits for a poll that is on its way, unless one is waiting already.
    pub(crate) async fn poll_begun(&self) {
        let begun = self.poll_begun.notified();
        if !self.polling.load(Ordering::Acquire) {
            begun.await;
        }
    }

    /// Claims the one place for a POST.
    pub(crate) fn begin_post(self: &Arc<Self>) -> Option<Busy> {
        Busy::claim(self, |session| &session.posting)
    }

    /// Notes why the session is about to end, unless that was known before.
    pub(crate) fn because(&self, reason: &'static str) {
        // The first word counts: closing a session makes other reasons to.
        let _ = self.ending.set(reason);
    }

    /// Closes the transport after what is queued has been sent, as far as the client takes it.
    pub(crate) fn close(self: &Arc<Self>) {
        if !self.closing.is_cancelled() {
            self.close_within(self.linger);
        }
    }

    /// The same, with another bound on how long the client is waited for.
    pub(crate) fn close_within(self: &Arc<Self>, linger: Duration) {
        self.closing.cancel();
        if let Transport::WebSocket(control) = &*locked(&self.transport) {
            control.close();
        }
        let session = self.clone();
        spawn(async move {
            if tokio::time::timeout(linger, session.ended.cancelled()).await.is_err() {
                session.kill();
            }
        });
    }

    /// Closes at once; what is queued is lost. For clients that broke the protocol, overflowed or vanished.
    pub(crate) fn kill(self: &Arc<Self>) {
        self.killed.store(true, Ordering::Release);
        self.closing.cancel();
        if let Transport::WebSocket(control) = &*locked(&self.transport) {
            control.kill();
        }
        // Over WebSocket, too: the engine may be in the middle of its upgrade, where it does not read.
        let session = self.clone();
        spawn(async move { session.end_engine_session().await });
    }

    /// The WebSocket handed to the engine is closed. If that was half-way through its upgrade, the engine has
    /// not ended the session; otherwise it refuses the request to.
    pub(crate) fn websocket_gone(self: &Arc<Self>) {
        if !self.ended.is_cancelled() {
            let session = self.clone();
            spawn(async move { session.end_engine_session().await });
        }
    }

    /// The engine has let go of the session, or is certain to. Uncounts it; may be called again.
    pub(crate) fn end(&self) {
        self.registry.remove(self.sid());
        locked(&self.counted).take();
        locked(&self.slot).take();
        self.ended.cancel();
    }

    /// Makes the engine forget a polling session, as if the client had sent a CLOSE packet.
    pub(crate) async fn end_engine_session(&self) {
        let body = self.eio.payload("1").into();
        self.engine.http(self.requests.post(self.eio, self.sid(), None, body)).await;
        self.end();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("handshake", &self.handshake).finish_non_exhaustive()
    }
}

/// Holds the place of the WebSocket that probes. Dropped, the session goes on with polling, unless the WebSocket
/// took over.
pub(crate) struct Probe(Arc<Session>);

impl Drop for Probe {
    fn drop(&mut self) {
        let mut transport = locked(&self.0.transport);
        if matches!(*transport, Transport::Probing) {
            *transport = Transport::Polling;
        }
    }
}

/// Holds the place of the poll or POST in progress.
pub(crate) struct Busy {
    session: Arc<Session>,
    flag: fn(&Session) -> &AtomicBool,
}

impl Busy {
    fn claim(session: &Arc<Session>, flag: fn(&Session) -> &AtomicBool) -> Option<Self> {
        let claimed =
            flag(session).compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        claimed.then(|| Self { session: session.clone(), flag })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        (self.flag)(&self.session).store(false, Ordering::Release);
    }
}

/// Travels with the opening request into the engine, which keeps it at least as long as the session. (Longer
/// for a session that never joined a namespace: `socketioxide` holds it until its connect time-out. Where the
/// gate itself sees a session end it does not wait for this.)
#[derive(Clone)]
pub(crate) struct Tether(Arc<TetherEnd>);

struct TetherEnd(Arc<Session>);

impl Tether {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self(Arc::new(TetherEnd(session)))
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.0.0
    }
}

impl Drop for TetherEnd {
    fn drop(&mut self) {
        self.0.end();
        // Not before: its sockets are gone by now, and have said why.
        if !self.0.sid().is_empty() {
            meters::ended(self.0.ending.get().copied().unwrap_or(ending::OTHER)).increment(1);
        }
    }
}

/// All open sessions of one gate.
#[derive(Default)]
pub(crate) struct Registry {
    sessions: Mutex<HashMap<String, Weak<Session>>>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    open: AtomicUsize,
    pub(crate) meters: Meters,
}

impl Registry {
    pub(crate) fn get(&self, sid: &str) -> Option<Arc<Session>> {
        let session = locked(&self.sessions).get(sid)?.upgrade()?;
        (!session.killed.load(Ordering::Acquire)).then_some(session)
    }

    /// Makes a session findable under the id the engine gave it.
    pub(crate) fn insert(&self, sid: String, session: &Arc<Session>) {
        if session.sid.set(sid.clone()).is_ok()
            && locked(&self.sessions).insert(sid, Arc::downgrade(session)).is_none()
        {
            self.open.fetch_add(1, Ordering::Relaxed);
            *locked(&session.counted) = Some(self.meters.opened());
        }
        if session.ended.is_cancelled() {
            session.end(); // it ended before it could be found
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        locked(&self.sessions).values().filter_map(Weak::upgrade).collect()
    }

    /// Counts one more session of this address, up to `max`. Without a known address there is no limit.
    pub(crate) fn claim_address(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<AddressSlot> {
        if address.is_unspecified() {
            return Some(AddressSlot(None));
        }
        let address = counted(address);
        let mut addresses = locked(&self.addresses);
        let count = addresses.get(&address).copied().unwrap_or(0);
        if count >= max {
            self.meters.over_address_limit();
            return None;
        }
        addresses.insert(address, count + 1);
        Some(AddressSlot(Some((self.clone(), address))))
    }

    fn remove(&self, sid: &str) {
        if locked(&self.sessions).remove(sid).is_some() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What stands for one client: of an IPv6 address the /64, which is the least that a subscriber is given.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// One counted session of an address; uncounted when dropped.
pub(crate) struct AddressSlot(Option<(Arc<Registry>, IpAddr)>);

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let Some((registry, address)) = &self.0 else { return };
        let mut addresses = locked(&registry.addresses);
        if let Some(count) = addresses.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(address);
            }
        }
    }
}

/// Locks a mutex whose holders do not panic; if one ever did, the value is still whole (single assignments).
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spawns unless the runtime is gone already: sessions are dropped with it.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}
