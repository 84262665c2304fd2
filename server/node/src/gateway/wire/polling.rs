//! HTTP long-polling (Engine.IO protocol, "HTTP long-polling").

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::{
    answer::{self, Answer, RequestError},
    eio3,
    gate::Gate,
    meters::ending,
    payload::{self, Encoding, Packet},
    query::{Eio, EngineQuery, TransportName},
    session::{AddressSlot, Session},
};

/// A body that is too large is read to its end up to this many times the limit, so that the connection
/// survives the refusal.
const DRAIN_FACTOR: usize = 4;

/// Requests of one client come over several connections, and several threads serve those: what was sent first
/// may be seen second, if only just. This long a poll or a CLOSE packet waits for what overtakes it otherwise.
const OVERTAKEN_BY: Duration = Duration::from_millis(20);

/// A poll that finds a WebSocket probing gives it this long to take over before it takes packets away.
const PROBE_SETTLES_IN: Duration = Duration::from_millis(15);

/// Opens a session.
pub(crate) async fn open(
    gate: &Gate,
    parts: &http::request::Parts,
    query: EngineQuery,
    eio: Eio,
    slot: AddressSlot,
) -> Answer {
    match gate.open_session(parts, query, eio, TransportName::Polling, slot).await {
        Ok(session) => {
            let packet = gate.open_packet(&session, TransportName::Polling);
            answer::payload(eio.payload(&packet).into(), false)
        }
        Err(refusal) => refusal,
    }
}

/// A GET: waits for packets to the client.
pub(crate) async fn poll(gate: &Gate, session: Arc<Session>) -> Answer {
    let request = gate.requests.poll(session.eio, session.sid());
    let Some(_busy) = session.begin_poll() else {
        // The engine ends the session and the first poll with a CLOSE packet, and refuses this one.
        return gate.engine.http(request).await;
    };
    let abort = CloseOnDrop::new(&session);
    // What is queued before the closing has to go out with or before the CLOSE packet.
    let closing = session.closing.is_cancelled();
    let (begun, probing) = (Instant::now(), session.is_probing());
    if probing {
        tokio::time::sleep(PROBE_SETTLES_IN).await;
        if session.is_websocket() {
            abort.disarm();
            return RequestError::BadRequest.answer(); // sent after the upgrade packet, seen before it
        }
    }
    let released = async {
        tokio::time::sleep(OVERTAKEN_BY).await;
        session.release_poll.notified().await;
    };
    let polled = tokio::select! {
        biased;
        // Without the runtime's interference "pending" means that nothing is queued.
        polled = tokio::task::unconstrained(gate.engine.http(request)) => polled,
        () = session.closing.cancelled() => {
            abort.disarm();
            session.end_engine_session().await;
            return answer::payload(session.eio.payload("1").into(), false);
        }
        // Dropping the engine's half loses nothing: it takes packets only when it can answer with them.
        () = released => {
            abort.disarm();
            return answer::payload(session.eio.payload("6").into(), false);
        }
    };
    abort.disarm();
    if probing && session.is_websocket() && begun.elapsed() < OVERTAKEN_BY {
        return RequestError::BadRequest.answer(); // the same, only later
    }
    if closing && polled.status() == StatusCode::OK {
        session.end_engine_session().await;
    }
    finish(&session, polled, closing)
}

/// Exchanges what is to be exchanged in the payload, and appends CLOSE if the server wants the client gone.
fn finish(session: &Session, polled: Answer, closing: bool) -> Answer {
    if polled.status() != StatusCode::OK {
        if polled.body() == RequestError::UnknownSid.answer().body() {
            session.end();
        }
        return polled;
    }
    let binary =
        polled.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/octet-stream");
    let mut body = polled.into_body();
    body = match session.eio {
        Eio::V4 if session.exchange().any() => {
            let exchanged = std::str::from_utf8(&body).ok().and_then(|body| session.exchange().payload(body));
            exchanged.map_or(body, Bytes::from)
        }
        Eio::V4 => body,
        Eio::V3 => eio3::mend(body, binary, session.exchange()),
    };
    if closing && !binary {
        let separator = if session.eio == Eio::V4 && !body.is_empty() { "\x1e" } else { "" };
        body = [&body[..], separator.as_bytes(), session.eio.payload("1").as_bytes()].concat().into();
    }
    answer::payload(body, binary)
}

/// A POST: packets from the client.
pub(crate) async fn post(gate: &Gate, session: Arc<Session>, request: Request<Body>) -> Answer {
    let Some(_busy) = session.begin_post() else {
        session.because(ending::PROTOCOL);
        session.kill();
        return answer::empty(StatusCode::BAD_REQUEST);
    };
    let abort = CloseOnDrop::new(&session);
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    if session.eio == Eio::V4 && content_type.is_some_and(|value| value == "application/octet-stream") {
        session.because(ending::PROTOCOL);
        return answer::empty(StatusCode::BAD_REQUEST); // binary payloads ended with EIO=3
    }
    let body = tokio::select! {
        body = read(body, gate.config.max_payload_bytes) => body,
        () = session.ended.cancelled() => Err(Unread::Broken),
    };
    match body {
        Ok(body) => {
            let left = session.eio.closes(&body);
            if left && tokio::time::timeout(OVERTAKEN_BY, session.poll_begun()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await; // until the engine has it, too
            }
            let answered = feed(gate, &session, content_type, body).await;
            let accepted = answered.status() == StatusCode::OK;
            // What is no payload ends the session, unless a WebSocket took it over in the meantime.
            if accepted || session.is_websocket() {
                abort.disarm();
            }
            if left && accepted {
                session.end();
            }
            if accepted { answer::payload(answered.into_body(), false) } else { answered }
        }
        Err(Unread::TooLarge { to_its_end }) => {
            abort.disarm(); // the Node server keeps the session too
            let mut refused = answer::empty(StatusCode::PAYLOAD_TOO_LARGE);
            if !to_its_end {
                refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            refused
        }
        Err(Unread::Broken) => answer::empty(StatusCode::BAD_REQUEST),
    }
}

/// Hands packets to the engine as there is room for them. The client's heartbeats wait with them, or behind this
/// POST, so it is vouched for meanwhile.
async fn feed(
    gate: &Gate,
    session: &Arc<Session>,
    content_type: Option<&HeaderValue>,
    body: Bytes,
) -> Answer {
    let encoding = match session.eio {
        Eio::V4 => Encoding::V4,
        Eio::V3 if content_type.is_some_and(|value| value == "application/octet-stream") => {
            Encoding::V3Binary
        }
        Eio::V3 => Encoding::V3Text,
    };
    let to_engine = async |body| {
        gate.engine.http(gate.requests.post(session.eio, session.sid(), content_type, body)).await
    };
    let Some(mut packets) = payload::split(&body, encoding) else { return to_engine(body).await };
    if let Some(close) = packets.iter().position(Packet::is_close) {
        packets.truncate(close + 1);
    }
    let mut rest = &packets[..];
    loop {
        let room = tokio::select! {
            biased;
            room = session.backlog.wait_for_room() => room,
            () = session.ended.cancelled() => return RequestError::UnknownSid.answer(),
            () = tokio::time::sleep(gate.config.vouch_every()) => {
                let alive = session.eio.payload(session.eio.heartbeat()).into();
                gate.engine.http(gate.requests.post(session.eio, session.sid(), None, alive)).await;
                continue;
            }
        };
        let (now, later) = rest.split_at(rest.len().min(room));
        let answered = to_engine(payload::join(now, encoding)).await;
        if later.is_empty() || answered.status() != StatusCode::OK {
            return answered;
        }
        rest = later;
    }
}

enum Unread {
    TooLarge { to_its_end: bool },
    Broken,
}

async fn read(mut body: Body, max: usize) -> Result<Bytes, Unread> {
    let mut whole = BytesMut::new();
    let mut len = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        len = len.saturating_add(data.len());
        if len <= max {
            whole.extend_from_slice(&data);
        } else if len > max.saturating_mul(DRAIN_FACTOR) {
            return Err(Unread::TooLarge { to_its_end: false });
        }
    }
    if len > max { Err(Unread::TooLarge { to_its_end: true }) } else { Ok(whole.freeze()) }
}

/// Closes the session unless disarmed: the client went away in the middle of a request (the server drops the
/// future then), or sent what a client must not send.
struct CloseOnDrop<'a>(Option<&'a Arc<Session>>);

impl<'a> CloseOnDrop<'a> {
    fn new(session: &'a Arc<Session>) -> Self {
        Self(Some(session))
    }

    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.0 {
            session.because(ending::LOST);
            session.kill();
        }
    }
}
