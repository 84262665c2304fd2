//! In front of the engine: checks every Engine.IO request as the Node server does, keeps track of sessions,
//! and mends what the engine does not do.

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::{BoxFuture, Either};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service};

use super::{
    answer::{self, Answer, RequestError},
    bundle,
    config::WireConfig,
    engine::{Engine, Requests, TowerEngine},
    handshake::Handshake,
    meters::ending,
    polling,
    query::{Eio, EngineQuery, TransportName},
    session::{AddressSlot, Bounds, Registry, Session, Tether},
    stream::WireStream,
    upgrade,
};

/// How long a draining server waits for one client to take what is queued for it and its CLOSE.
const DRAIN_LINGER: Duration = Duration::from_secs(1);

/// The verification layer over one engine. [`Wire`](super::Wire) is a gate over `socketioxide`; a bare
/// `engineioxide` server is put behind one with [`Gate::new`].
pub struct Gate {
    pub(crate) config: WireConfig,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) requests: Requests,
    registry: Arc<Registry>,
    draining: AtomicBool,
}

impl Gate {
    /// Puts the gate in front of an Engine.IO service built with [`WireConfig::engine_io`]. The service must
    /// not emit to a session before the client has sent something.
    pub fn new<S, B, E>(config: WireConfig, service: S) -> Arc<Self>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>
            + Service<(Box<WireStream>, Request<()>), Response = (), Error = E>
            + Clone
            + Send
            + Sync
            + 'static,
        <S as Service<Request<Full<Bytes>>>>::Future: Send,
        <S as Service<(Box<WireStream>, Request<()>)>>::Future: Future<Output = Result<(), E>> + Send,
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: fmt::Debug,
        E: fmt::Display,
    {
        Arc::new(Self {
            requests: Requests::new(&config.path),
            engine: Arc::new(TowerEngine(service)),
            registry: Arc::default(),
            draining: AtomicBool::new(false),
            config,
        })
    }

    /// The layer to mount: requests under the configured path are answered here, all others pass untouched.
    pub fn layer(self: &Arc<Self>) -> WireLayer {
        WireLayer(self.clone())
    }

    /// Open sessions.
    pub fn connection_count(&self) -> usize {
        self.registry.len()
    }

    /// Refuses new sessions (503) and closes all open ones, evenly spread over the given time, so that clients
    /// reconnect elsewhere without a stampede. Returns when all are gone; one whose client does not take its CLOSE
    /// is cut off a second later.
    pub async fn close(&self, spread_over: Duration) {
        self.draining.store(true, Ordering::Release);
        let sessions = self.registry.all();
        let pause = spread_over / u32::try_from(sessions.len().max(1)).unwrap_or(u32::MAX);
        for session in &sessions {
            session.because(ending::STOPPING);
            session.close_within(DRAIN_LINGER);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        for session in sessions {
            session.ended.cancelled().await;
        }
    }

    fn owns(&self, path: &str) -> bool {
        path.strip_prefix(self.config.path.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    async fn answer(self: Arc<Self>, request: Request<Body>) -> Answer {
        if let Some(file) = bundle::find(&self.config.path, request.uri().path()) {
            return bundle::answer(file, request.method(), request.headers());
        }
        let query = EngineQuery::parse(request.uri().query().unwrap_or_default());
        let upgrade = upgrade::is_websocket_upgrade(&request);
        match self.verify(&request, &query, upgrade) {
            Ok(Verified::Known(session)) => {
                session.handshake.note_credentials(request.headers());
                if upgrade {
                    return upgrade::take_over(self, request, session);
                }
                match *request.method() {
                    Method::GET => polling::poll(&self, session).await,
                    Method::POST => polling::post(&self, session, request).await,
                    _ => RequestError::BadRequest.answer(),
                }
            }
            Ok(Verified::New { eio, slot }) if upgrade => upgrade::open(self, request, query, eio, slot),
            Ok(Verified::New { eio, slot }) => {
                let (parts, _) = request.into_parts();
                polling::open(&self, &parts, query, eio, slot).await
            }
            Err(Refused::Request(error)) => error.answer(),
            Err(Refused::Draining) => draining(),
        }
    }

    /// The checks of the Node server's `verify`, in its order.
    fn verify(
        &self,
        request: &Request<Body>,
        query: &EngineQuery,
        upgrade: bool,
    ) -> Result<Verified, Refused> {
        let allowed = self.config.transports;
        let transport = match query.transport {
            Some(TransportName::Polling) if allowed.polling => TransportName::Polling,
            Some(TransportName::Websocket) if allowed.websocket => TransportName::Websocket,
            _ => return Err(RequestError::UnknownTransport.into()),
        };
        if let Some(sid) = &query.sid {
            let session = self.registry.get(sid).ok_or(RequestError::UnknownSid)?;
            let expected = if upgrade || session.is_websocket() {
                TransportName::Websocket
            } else {
                TransportName::Polling
            };
            // A plain request to a session on WebSocket is a mismatch too, whatever it calls itself.
            if transport != expected || (!upgrade && session.is_websocket()) {
                return Err(RequestError::BadRequest.into());
            }
            // As on the Node server, whatever is not revision 4 counts as 3 here.
            if query.eio.unwrap_or(Eio::V3) != session.eio {
                return Err(RequestError::BadRequest.into());
            }
            self.verify_page(request)?;
            return Ok(Verified::Known(session));
        }
        if request.method() != Method::GET {
            return Err(RequestError::BadHandshakeMethod.into());
        }
        if (transport == TransportName::Websocket) != upgrade {
            return Err(RequestError::BadRequest.into());
        }
        self.verify_page(request)?;
        let eio = match query.eio {
            Some(Eio::V3) if !self.config.allow_eio3 => None,
            eio => eio,
        };
        let eio = eio.ok_or(RequestError::UnsupportedProtocol)?;
        if self.draining.load(Ordering::Acquire) {
            return Err(Refused::Draining);
        }
        let address = self.config.callers.address(request.headers(), request.extensions());
        let slot = self
            .registry
            .claim_address(address, self.config.connections_per_address_max)
            .ok_or(RequestError::Forbidden)?;
        Ok(Verified::New { eio, slot })
    }

    fn verify_page(&self, request: &Request<Body>) -> Result<(), RequestError> {
        let allowed = self.config.callers.may_call(request.headers(), request.extensions());
        if allowed { Ok(()) } else { Err(RequestError::Forbidden) }
    }

    /// Opens a session in the engine. Every session starts as a polling one: that way the engine's quirks
    /// (it pings at once instead of after the first interval) are dealt with in one place.
    pub(crate) async fn open_session(
        &self,
        parts: &http::request::Parts,
        query: EngineQuery,
        eio: Eio,
        transport: TransportName,
        slot: AddressSlot,
    ) -> Result<Arc<Session>, Answer> {
        let callers = &self.config.callers;
        let address = callers.address(&parts.headers, &parts.extensions);
        let base_url = callers.base_url(&parts.headers, &parts.extensions);
        let may_upgrade = transport == TransportName::Polling && self.config.transports.websocket;
        let (base64_only, parameters) = (query.base64_only, query.parameters);
        let handshake =
            Handshake::new(&parts.headers, parameters, eio.number(), address, base_url, may_upgrade);
        let bounds = Bounds {
            linger: self.config.write_stall_after,
            inbound_queue_len_max: self.config.inbound_queue_len_max,
        };
        let (engine, requests, registry) =
            (self.engine.clone(), self.requests.clone(), self.registry.clone());
        let handshake = Arc::new(handshake);
        let session = Session::new(handshake, eio, engine, requests, bounds, registry, slot);
        let tether = Tether::new(session.clone());
        let opened = self.engine.http(self.requests.open(eio, base64_only, tether)).await;
        let Some(sid) = opened_sid(&opened) else {
            tracing::error!(status = %opened.status(), "the engine did not open a session");
            return Err(answer::empty(StatusCode::INTERNAL_SERVER_ERROR));
        };
        self.registry.insert(sid, &session);
        if self.draining.load(Ordering::Acquire) {
            session.because(ending::STOPPING);
            session.kill(); // `close` may have counted the open sessions before this one
            return Err(draining());
        }
        if eio == Eio::V4 && !self.take_first_ping(&session).await {
            session.because(ending::FAILED);
            session.kill();
            return Err(answer::empty(StatusCode::INTERNAL_SERVER_ERROR));
        }
        Ok(session)
    }

    /// The engine pings as soon as a session is open; the Node server waits for the first interval, and so do
    /// clients that count. This ping is taken and answered in the client's place.
    async fn take_first_ping(&self, session: &Session) -> bool {
        let ping = self.engine.http(self.requests.poll(session.eio, session.sid())).await;
        let pong = Bytes::from_static(b"3");
        let taken = self.engine.http(self.requests.post(session.eio, session.sid(), None, pong)).await;
        let as_expected = ping.body().as_ref() == b"2" && taken.status() == StatusCode::OK;
        if !as_expected {
            tracing::error!("the engine did not start with a ping");
        }
        as_expected
    }

    /// The OPEN packet (type included), as the Node server writes it.
    pub(crate) fn open_packet(&self, session: &Session, transport: TransportName) -> String {
        let upgrades = if transport == TransportName::Polling && self.config.transports.websocket {
            "[\"websocket\"]"
        } else {
            "[]"
        };
        format!(
            "0{{\"sid\":\"{}\",\"upgrades\":{upgrades},\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            session.sid(),
            self.config.ping_interval.as_millis(),
            self.config.ping_timeout.as_millis(),
            self.config.max_payload_bytes,
        )
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("config", &self.config).finish_non_exhaustive()
    }
}

enum Verified {
    Known(Arc<Session>),
    New { eio: Eio, slot: AddressSlot },
}

enum Refused {
    Request(RequestError),
    Draining,
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

fn draining() -> Answer {
    let body = "{\"code\":4,\"message\":\"Server is shutting down, reconnect\"}";
    answer::json(StatusCode::SERVICE_UNAVAILABLE, body.into())
}

fn opened_sid(answer: &Answer) -> Option<String> {
    let body = std::str::from_utf8(answer.body()).ok()?;
    let (_, json) = body.split_once('{')?;
    let open: serde_json::Value = serde_json::from_str(&format!("{{{json}")).ok()?;
    open.get("sid")?.as_str().map(str::to_owned)
}

/// See [`Gate::layer`].
#[derive(Debug, Clone)]
pub struct WireLayer(Arc<Gate>);

impl<S> Layer<S> for WireLayer {
    type Service = WireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WireService { gate: self.0.clone(), inner }
    }
}

/// See [`Gate::layer`].
#[derive(Debug, Clone)]
pub struct WireService<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S> Service<Request<Body>> for WireService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.gate.owns(request.uri().path()) {
            return Either::Left(self.inner.call(request));
        }
        let gate = self.gate.clone();
        Either::Right(Box::pin(async move { Ok(gate.answer(request).await.map(Body::from)) }))
    }
}
