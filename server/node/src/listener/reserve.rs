//! Who gets no seat is heard in a small reserve: one request with a short head, answered 503, or 200 when a health check
//! asks. It cannot be filled up for good: who comes takes the place of who came first.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::ConnectInfo,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpStream, task::AbortHandle, time::timeout};
use tower::ServiceExt;

/// Connections in the reserve.
pub(super) const PLACES: usize = 16;

/// Everything: a health check takes milliseconds.
const SERVED_WITHIN: Duration = Duration::from_secs(2);

const HEAD_BYTES_MAX: usize = 8192;

/// The places of one server.
#[derive(Default)]
pub(super) struct Reserve(Arc<Mutex<Places>>);

#[derive(Default)]
struct Places {
    next: u64,
    /// The oldest first.
    taken: VecDeque<(u64, AbortHandle)>,
}

impl Reserve {
    /// Serves a connection that got no seat, in place of the oldest one here when all places are taken.
    pub(super) fn hear(&self, tcp: TcpStream, peer: SocketAddr, router: Router) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.taken.len() >= PLACES
            && let Some((_, oldest)) = places.taken.pop_front()
        {
            oldest.abort();
        }
        let number = places.next;
        places.next += 1;
        let leave = Leave { places: self.0.clone(), number };
        let task = tokio::spawn(async move {
            let _leave = leave;
            // Either way the connection is closed then.
            let _ = timeout(SERVED_WITHIN, serve(tcp, peer, router)).await;
        });
        // The task cannot leave before: that takes the lock.
        places.taken.push_back((number, task.abort_handle()));
    }
}

struct Leave {
    places: Arc<Mutex<Places>>,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.taken.retain(|(number, _)| *number != self.number);
    }
}

async fn serve(tcp: TcpStream, peer: SocketAddr, router: Router) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move {
            let mut response = match request.uri().path() {
                "/healthz" => {
                    router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
                }
                _ => refused(),
            };
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_header_size(HEAD_BYTES_MAX).max_buf_size(HEAD_BYTES_MAX);
    if let Err(error) = http.header_read_timeout(None).serve_connection(TokioIo::new(tcp), service).await {
        tracing::trace!(%error, "connection ended");
    }
}

fn refused() -> Response {
    let body = json!({
        "success": false,
        "code": "too_many_connections",
        "message": "There are too many connections, try again later",
    });
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("10"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(body)).into_response()
}
