//! Request bodies that were answered before they were read. Without their rest taken off the connection it is cut, and a
//! client that is still sending sees a broken connection instead of the answer.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    middleware::Next,
    response::Response,
};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

/// How long the rest of a body may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// Of a route without a bound of its own, bytes that are read and thrown away.
const DRAIN_BYTES_MIN: usize = 1024 * 1024;
/// Of others, times the largest body that they take.
const DRAIN_FACTOR: usize = 4;

/// How much of an unread body is read and thrown away: of a log-in little, of what may be a picture more.
#[derive(Debug, Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// For a route that takes bodies of up to `bytes_max`.
    pub(super) fn raise_for(&self, bytes_max: usize) {
        self.0.fetch_max(bytes_max.saturating_mul(DRAIN_FACTOR), Ordering::Relaxed);
    }
}

/// Reads some of what a handler leaves of its request's body, beside the answer.
pub(super) async fn drain(mut request: Request, next: Next) -> Response {
    let allowance = Allowance(Arc::new(AtomicUsize::new(DRAIN_BYTES_MIN)));
    request.extensions_mut().insert(allowance.clone());
    next.run(request.map(|body| Body::new(Drained { body: Some(body), allowance }))).await
}

struct Drained {
    /// `None` once it has ended.
    body: Option<Body>,
    allowance: Allowance,
}

impl http_body::Body for Drained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| !http_body::Body::is_end_stream(body)) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut left = self.allowance.0.load(Ordering::Relaxed);
        runtime.spawn(tokio::time::timeout(DRAIN_TIME_MAX, async move {
            while let Some(Ok(frame)) = body.frame().await {
                let len = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(len) {
                    Some(rest) => left = rest,
                    None => return,
                }
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use axum::{Extension, Router, middleware::from_fn, routing::post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Much more than socket buffers hold.
    const BODY_LEN: usize = 8_000_000;

    #[tokio::test]
    async fn a_client_that_is_still_sending_gets_its_answer() {
        let router = Router::new()
            .route(
                "/",
                post(async |Extension(allowance): Extension<Allowance>, _: Body| {
                    allowance.raise_for(BODY_LEN / DRAIN_FACTOR);
                    "enough"
                }),
            )
            .layer(from_fn(drain));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        tokio::spawn(async move { axum::serve(listener, router).await });
        // One that reads nothing before everything is sent.
        let mut client = tokio::net::TcpStream::connect(address).await.expect("a connection");
        for _ in 0..2 {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY_LEN}\r\n\r\n");
            client.write_all(head.as_bytes()).await.expect("a send");
            client.write_all(&vec![b'x'; BODY_LEN]).await.expect("a send");
            let mut answer = Vec::new();
            while !answer.ends_with(b"enough") {
                assert_ne!(client.read_buf(&mut answer).await.expect("a read"), 0, "cut off");
            }
        }
    }
}
