//! WebSocket requests: the HTTP part, the probe, and the hand-over to the engine.
//!
//! The probe (`2probe`, `3probe`, `5`) happens here, not in the engine: there, a WebSocket that probes stops
//! polling and heartbeats at once and for good, so one that never completes leaves a dead session behind. The
//! engine gets the stream when the client has said `5`, with the probe played back to it.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    answer::{self, Answer, RequestError},
    frames::{self, CLOSE, PING, PONG, TEXT},
    gate::Gate,
    meters::ending,
    query::{Eio, EngineQuery, TransportName},
    session::{AddressSlot, Session},
    stream::{Control, Patience, WireStream},
};

/// How often a waiting poll is released while a WebSocket probes: the client lets it run out before it says `5`.
const RELEASE_POLL_EVERY: Duration = Duration::from_millis(30);

pub(crate) fn is_websocket_upgrade(request: &Request<Body>) -> bool {
    let has = |name, token: &str| {
        request
            .headers()
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    request.method() == Method::GET
        && has(header::UPGRADE, "websocket")
        && has(header::CONNECTION, "upgrade")
        && request.headers().contains_key(header::SEC_WEBSOCKET_KEY)
        && has(header::SEC_WEBSOCKET_VERSION, "13")
}

/// A WebSocket without a session id: opens a session.
pub(crate) fn open(
    gate: Arc<Gate>,
    mut request: Request<Body>,
    query: EngineQuery,
    eio: Eio,
    slot: AddressSlot,
) -> Answer {
    let Some((answer, upgraded)) = switch_protocols(&mut request) else {
        return RequestError::BadRequest.answer();
    };
    let (parts, _) = request.into_parts();
    tokio::spawn(async move {
        let Some(mut io) = when_upgraded(upgraded).await else { return };
        let Ok(session) = gate.open_session(&parts, query, eio, TransportName::Websocket, slot).await else {
            return;
        };
        let open =
            frames::server_frame(TEXT, gate.open_packet(&session, TransportName::Websocket).as_bytes());
        match tokio::time::timeout(gate.config.write_stall_after, io.write_all(&open)).await {
            Ok(Ok(())) => hand_over(&gate, io, session, Vec::new()),
            Ok(Err(_)) | Err(_) => {
                session.because(ending::LOST);
                session.kill();
            }
        }
    });
    answer
}

/// A WebSocket with the id of a known session: probes and takes over.
pub(crate) fn take_over(gate: Arc<Gate>, mut request: Request<Body>, session: Arc<Session>) -> Answer {
    let Some((answer, upgraded)) = switch_protocols(&mut request) else {
        return RequestError::BadRequest.answer();
    };
    // Reserved before the answer: requests that follow it find a session that is probing.
    let place = session.begin_probe();
    tokio::spawn(async move {
        let Some(mut io) = when_upgraded(upgraded).await else { return };
        if place.is_some() {
            match tokio::time::timeout(gate.config.upgrade_timeout, probe(&mut io, &session)).await {
                Ok(Some(rest)) => return hand_over(&gate, io, session, rest),
                // The session goes on with polling, as on the Node server.
                Ok(None) => tracing::debug!("a WebSocket gave up its upgrade"),
                Err(_) => tracing::debug!("a WebSocket did not complete its upgrade in time"),
            }
        }
        drop(place);
        let closed = async {
            io.write_all(&frames::server_frame(CLOSE, &[])).await?;
            io.shutdown().await
        };
        // Best effort: the connection is dropped either way.
        let _ = tokio::time::timeout(gate.config.write_stall_after, closed).await;
    });
    answer
}

/// Answers the client's probe until it says `5`; returns what it sent after that. `None`: it will not upgrade.
async fn probe(io: &mut TokioIo<Upgraded>, session: &Session) -> Option<Vec<u8>> {
    let mut received = Vec::new();
    let mut probed = false;
    let mut release = tokio::time::interval(RELEASE_POLL_EVERY);
    loop {
        while let Some(frame) = frames::take_client_frame(&mut received).ok()? {
            match (frame.opcode, frame.payload.as_slice()) {
                (TEXT, b"2probe") => {
                    io.write_all(&frames::server_frame(TEXT, b"3probe")).await.ok()?;
                    probed = true;
                }
                (TEXT, b"5") => return Some(received),
                (PING, payload) => io.write_all(&frames::server_frame(PONG, payload)).await.ok()?,
                (PONG, _) => {}
                _ => return None,
            }
        }
        tokio::select! {
            read = io.read_buf(&mut received) => if read.ok()? == 0 { return None },
            _ = release.tick(), if probed => session.release_poll.notify_waiters(),
            () = session.ended.cancelled() => return None,
            () = session.closing.cancelled() => return None,
        }
    }
}

fn hand_over(gate: &Gate, io: TokioIo<Upgraded>, session: Arc<Session>, rest: Vec<u8>) {
    let control = Arc::new(Control::default());
    let patience = Patience {
        write_stall_after: gate.config.write_stall_after,
        silence_max: gate.config.silence_max(),
        vouch_every: gate.config.vouch_every(),
    };
    let replay = [frames::client_text("2probe"), frames::client_text("5")].concat();
    let swallow_len = frames::server_frame(TEXT, b"3probe").len();
    let stream = WireStream::new(io, session.clone(), control.clone(), patience, replay, rest, swallow_len);
    session.set_websocket(control.clone());
    if session.closing.is_cancelled() {
        control.close();
    }
    let request = gate.requests.websocket(session.eio, session.sid());
    if let Err(error) = gate.engine.websocket(Box::new(stream), request) {
        tracing::error!(error, "the engine refused a WebSocket"); // dropping the stream ends the session
    }
}

fn switch_protocols(request: &mut Request<Body>) -> Option<(Answer, OnUpgrade)> {
    // Without this extension (HTTP/2, or a server that cannot upgrade) the upgrade would never resolve.
    request.extensions().get::<OnUpgrade>()?;
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
    let mut answer = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = first_subprotocol(request.headers()) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Some((answer, hyper::upgrade::on(request)))
}

/// A browser that offers some fails the connection when none is chosen. As on the Node server, the first one is.
fn first_subprotocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.as_bytes();
    let first = offered.split(|&byte| byte == b',').next()?.trim_ascii();
    HeaderValue::from_bytes(first).ok().filter(|first| !first.is_empty())
}

async fn when_upgraded(upgraded: OnUpgrade) -> Option<TokioIo<Upgraded>> {
    match upgraded.await {
        Ok(io) => Some(TokioIo::new(io)),
        Err(error) => {
            tracing::debug!(%error, "a connection ended before its upgrade");
            None
        }
    }
}
