//! How long a request may take. What its client takes to send its body is measured by progress, so that a large picture
//! arrives over a slow line; the rest, which is ours, by the clock.
//!
//! Long polls are not here: the wire answers them before.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::reply;

/// The bounds of a request.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// For everything but the wait for the body.
    pub answer_within: Duration,
    /// Over every [`window`](Self::window) of waiting.
    pub bytes_per_second_min: u32,
    pub window: Duration,
    /// All the waiting for one body.
    pub body_within: Duration,
}

/// Answers 408 when the body does not come, 503 when the answer does not.
pub(super) async fn in_time(State(pace): State<Pace>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let waits = Arc::new(Waits::default());
    let request = request.map(|body| {
        if http_body::Body::is_end_stream(&body) { body } else { Paced::around(body, pace, waits.clone()) }
    });
    let mut answer = std::pin::pin!(next.run(request));
    let mut timer = std::pin::pin!(sleep_until(began + pace.answer_within));
    loop {
        tokio::select! {
            response = &mut answer => {
                return if waits.lock().too_slow { too_slow() } else { response };
            }
            () = &mut timer => {
                let deadline = began + pace.answer_within + waits.lock().until(Instant::now());
                if Instant::now() < deadline {
                    timer.as_mut().reset(deadline);
                    continue;
                }
                tracing::error!(limit = ?pace.answer_within, "request given up");
                let why = "This takes too long, try again";
                return reply::refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why);
            }
        }
    }
}

fn too_slow() -> Response {
    let why = "The request came too slowly";
    let mut response = reply::refusal(StatusCode::REQUEST_TIMEOUT, "body_too_slow", why);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What a request waited for its client.
#[derive(Debug, Default)]
struct Waits(Mutex<Waited>);

#[derive(Debug, Default, Clone, Copy)]
struct Waited {
    so_far: Duration,
    /// Since when it waits now.
    since: Option<Instant>,
    too_slow: bool,
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, Waited> {
        // No change of it can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waited {
    fn until(&self, now: Instant) -> Duration {
        self.so_far + self.since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Instant) {
        self.so_far = self.until(now);
        self.since = None;
    }
}

/// A body that fails when its client sends too slowly.
struct Paced {
    body: Body,
    pace: Pace,
    waits: Arc<Waits>,
    /// What had been waited when the window began, and the bytes that came since.
    window_from: Duration,
    window_bytes: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn around(body: Body, pace: Pace, waits: Arc<Waits>) -> Body {
        Body::new(Self { body, pace, waits, window_from: Duration::ZERO, window_bytes: 0, timer: None })
    }

    /// Ready when the client is too slow.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let waited = {
                let mut waits = self.waits.lock();
                waits.begin(now);
                waits.until(now)
            };
            if waited >= self.pace.body_within {
                return Poll::Ready(());
            }
            if waited >= self.window_from + self.pace.window {
                let least = self.pace.window.as_millis() * u128::from(self.pace.bytes_per_second_min) / 1000;
                // Nothing at all is too slow, however short the window.
                if u128::from(self.window_bytes) < least.max(1) {
                    return Poll::Ready(());
                }
                (self.window_from, self.window_bytes) = (waited, 0);
            }
            let left = (self.window_from + self.pace.window).min(self.pace.body_within) - waited;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(now + left)));
            timer.as_mut().reset(now + left);
            ready!(timer.as_mut().poll(cx));
        }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            ready!(this.poll_too_slow(cx));
            let mut waits = this.waits.lock();
            waits.end(Instant::now());
            waits.too_slow = true;
            let error = io::Error::new(io::ErrorKind::TimedOut, "the client sends too slowly");
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        };
        this.waits.lock().end(Instant::now());
        if let Some(Ok(frame)) = &frame {
            this.window_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Paced {
    /// Whoever gives a body up does not wait for it any more.
    fn drop(&mut self) {
        self.waits.lock().end(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware::from_fn_with_state, routing::post};
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    /// Everything is short but the window, which a busy machine must not make a test miss.
    const PACE: Pace = Pace {
        answer_within: Duration::from_millis(300),
        bytes_per_second_min: 1,
        window: Duration::from_secs(30),
        body_within: Duration::from_secs(60),
    };
    const IMPATIENT: Pace = Pace { window: Duration::from_millis(100), ..PACE };
    const NEVER: Duration = Duration::from_secs(3_600);

    /// The status of a request whose body comes in chunks of so many bytes, each after a pause, and whose handler works for
    /// `work` afterwards.
    async fn ask(pace: Pace, chunks: Vec<(usize, Duration)>, work: Duration) -> StatusCode {
        let len: usize = chunks.iter().map(|(len, _)| len).sum();
        let handler = move |body: Body| async move {
            let whole = body.collect().await.map(|body| body.to_bytes().len());
            tokio::time::sleep(work).await;
            whole.map_or(StatusCode::BAD_REQUEST, |whole| {
                assert_eq!(whole, len);
                StatusCode::CREATED
            })
        };
        let router = Router::new().route("/", post(handler)).layer(from_fn_with_state(pace, in_time));
        let chunks = stream::iter(chunks).then(|(len, pause)| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, io::Error>(Bytes::from(vec![b'x'; len]))
        });
        let request = Request::post("/").body(Body::from_stream(chunks)).expect("a request");
        router.oneshot(request).await.expect("an answer").status()
    }

    #[tokio::test]
    async fn a_body_that_comes_slowly_and_steadily_arrives() {
        // A second, where an answer has less than a third of one.
        let steady = vec![(20_000, Duration::from_millis(20)); 50];
        assert_eq!(ask(PACE, steady, Duration::ZERO).await, StatusCode::CREATED);
    }

    #[tokio::test]
    async fn a_body_that_drips_is_given_up() {
        let dripping = vec![(1, Duration::from_millis(1)); 1_000_000];
        let pace = Pace { bytes_per_second_min: 1_000_000, ..IMPATIENT };
        assert_eq!(ask(pace, dripping, Duration::ZERO).await, StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn a_body_that_stops_is_given_up_however_well_it_began() {
        let stopping = vec![(5_000_000, Duration::ZERO), (1, NEVER)];
        assert_eq!(ask(IMPATIENT, stopping, Duration::ZERO).await, StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn a_body_may_not_take_for_ever_whatever_its_speed() {
        let endless = vec![(2_000, Duration::from_millis(5)); 1_000_000];
        let pace = Pace { body_within: Duration::from_millis(500), ..PACE };
        assert_eq!(ask(pace, endless, Duration::ZERO).await, StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn what_is_ours_has_its_own_time_after_the_body() {
        let steady = || vec![(20_000, Duration::from_millis(20)); 50];
        assert_eq!(ask(PACE, steady(), Duration::from_millis(1)).await, StatusCode::CREATED);
        assert_eq!(ask(PACE, steady(), NEVER).await, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn a_body_nobody_waits_for_gives_no_time() {
        let router = Router::new()
            .route("/", post(async |_: Body| std::future::pending::<()>().await))
            .layer(from_fn_with_state(PACE, in_time));
        let body = Body::from_stream(stream::pending::<Result<Bytes, io::Error>>());
        let request = Request::post("/").body(body).expect("a request");
        let status = router.oneshot(request).await.expect("an answer").status();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
