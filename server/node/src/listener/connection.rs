//! One connection with a seat, from its first byte to its last or to its change to another protocol.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    Bounds, HEAD_BYTES_MAX,
    instruments::{Cut, Instruments},
    pulse::{Phase, Pulse},
    socket::Socket,
};

/// At a stop, how long a head that has begun may take to become a request.
const LAST_HEAD_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) pulse: Arc<Pulse>,
    pub(super) peer: SocketAddr,
}

impl Connection {
    /// Returns when the connection is closed or, with an upgrade, handed over. After `stop` the request under way is the
    /// last.
    pub(super) async fn serve(
        self,
        router: Router,
        bounds: &Bounds,
        instruments: &Instruments,
        stop: CancellationToken,
    ) {
        let Self { socket, pulse, peer } = self;
        let beat = pulse.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            beat.busy();
            let pulse = beat.clone();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.clone().oneshot(request);
            async move {
                let response = answer.await.unwrap_or_else(|never: Infallible| match never {});
                Ok::<_, Infallible>(pulse.follow(response))
            }
        });
        let mut http = http1::Builder::new();
        // The pulse has a timer that tells an idle connection from a head that does not end; hyper's does not.
        http.header_read_timeout(None).max_header_size(HEAD_BYTES_MAX).max_buf_size(HEAD_BYTES_MAX);
        let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service).with_upgrades());
        let mut stopped = pin!(stop.cancelled());
        let mut stopping = false;
        let mut timer = pin!(sleep_until(Instant::now() + bounds.head_timeout));
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::trace!(%error, "connection ended");
                    }
                    return;
                }
                () = &mut stopped, if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                    timer.as_mut().reset(Instant::now() + LAST_HEAD_WITHIN);
                }
                () = &mut timer => {
                    let now = Instant::now();
                    match pulse.deadline(bounds) {
                        // A head may begin meanwhile, and has less time than a connection between two requests.
                        Some(deadline) if now < deadline && !stopping => {
                            timer.as_mut().reset(deadline.min(now + bounds.head_timeout));
                        }
                        Some(_) => {
                            if pulse.phase() == Phase::Head {
                                instruments.cut(Cut::Head);
                            }
                            return;
                        }
                        // Looked at again when the next deadline can be due at the earliest.
                        None => {
                            let earliest = bounds.head_timeout.min(bounds.idle_timeout);
                            timer.as_mut().reset(now + if stopping { LAST_HEAD_WITHIN } else { earliest });
                        }
                    }
                }
            }
        }
    }
}
