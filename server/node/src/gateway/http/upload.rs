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
                if u128::from(self.window_bytes) < least {
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

    const PACE: Pace = Pace {
        answer_within: Duration::from_secs(15),
        bytes_per_second_min: 1000,
        window: Duration::from_secs(10),
        body_within: Duration::from_secs(600),
    };

    /// The status of a request whose body comes in `chunks` of `len` bytes, a `pause` before each, and whose handler works
    /// for `work` afterwards; and the time it took.
    async fn ask(chunks: usize, len: usize, pause: Duration, work: Duration) -> (StatusCode, Duration) {
        let handler = async move |body: Body| {
            let whole = body.collect().await.map(|body| body.to_bytes().len());
            tokio::time::sleep(work).await;
            whole.map_or(StatusCode::BAD_REQUEST, |whole| {
                assert_eq!(whole, chunks * len);
                StatusCode::CREATED
            })
        };
        let router = Router::new().route("/", post(handler)).layer(from_fn_with_state(PACE, in_time));
        let chunks = stream::iter(0..chunks).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, io::Error>(Bytes::from(vec![b'x'; len]))
        });
        let request = Request::post("/").body(Body::from_stream(chunks)).expect("a request");
        let began = Instant::now();
        let status = router.oneshot(request).await.expect("an answer").status();
        (status, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_slowly_and_steadily_arrives() {
        let (status, took) = ask(100, 20_000, Duration::from_secs(3), Duration::ZERO).await;
        assert_eq!(status, StatusCode::CREATED);
        assert!(took > PACE.answer_within * 10, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_and_so_is_one_that_stops_after_a_good_beginning() {
        let (status, took) = ask(1_000_000, 1, Duration::from_millis(100), Duration::ZERO).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert!(took <= PACE.window * 2, "{took:?}");
        let (status, took) = ask(2, 5_000_000, Duration::from_secs(3_600), Duration::ZERO).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert!(took <= PACE.window * 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_not_take_for_ever_whatever_its_speed() {
        let (status, took) = ask(1_000_000, 2_000, Duration::from_secs(1), Duration::ZERO).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert!(took >= PACE.body_within && took < PACE.body_within + PACE.window, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ours_has_its_own_time_after_the_body() {
        let (status, _) = ask(10, 20_000, Duration::from_secs(3), Duration::from_secs(14)).await;
        assert_eq!(status, StatusCode::CREATED);
        let (status, took) = ask(10, 20_000, Duration::from_secs(3), Duration::from_secs(60)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(took >= Duration::from_secs(30) + PACE.answer_within, "{took:?}");
        assert!(took < Duration::from_secs(60), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_nobody_waits_for_gives_no_time() {
        let router = Router::new()
            .route("/", post(async |_: Body| std::future::pending::<()>().await))
            .layer(from_fn_with_state(PACE, in_time));
        let body = Body::from_stream(stream::pending::<Result<Bytes, io::Error>>());
        let began = Instant::now();
        let request = Request::post("/").body(body).expect("a request");
        assert_eq!(
            router.oneshot(request).await.expect("an answer").status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(began.elapsed().as_secs(), PACE.answer_within.as_secs());
    }
}
