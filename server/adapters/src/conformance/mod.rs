//! What every adapter of a port must do, as checks: one suite per port, written from the port's documentation.
//!
//! An adapter's test implements [`Fixture`] for the port and calls the suite's macro (`log_suite!` ...), which makes a test
//! of each check. A check that fails panics.

pub mod blobs;
pub mod bus;
pub mod limiter;
pub mod log;
pub mod passwords;
pub mod presence;
pub mod store;
pub mod tokens;
pub mod values;

use std::{pin::pin, sync::Arc, task::Poll};

use async_trait::async_trait;
use sockeye_core::{message::Entry, ports::MessageLog, position::Cursor};

/// An adapter of port `P` over data of its own, which is empty at first.
#[async_trait]
pub trait Fixture<P: ?Sized>: Send + Sync {
    /// The adapter. Called again, when everything that the last call gave was dropped, it is the next process over the
    /// same data.
    async fn open(&self) -> Arc<P>;
}

/// Makes a test of each check of a suite, each with a fixture of its own.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_checks {
    (@one [$($suite:tt)*], $fixture:expr, $check:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            $($suite)*::$check(&$fixture).await;
        }
    };
    ($suite:tt, $fixture:expr, [$($check:ident),* $(,)?]) => {
        $($crate::conformance_checks!(@one $suite, $fixture, $check);)*
    };
}

/// Whether a future is ready when it is asked once; `None` when it is not (it is then cancelled).
pub(crate) async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// All that is in a log, in order of the positions.
///
/// # Panics
/// When the log does not answer.
pub async fn everything(log: &dyn MessageLog) -> Vec<Entry> {
    let end = log.end().await.expect("end");
    let mut tail = log.tail(&Cursor::default()).await.expect("tail");
    let mut entries: Vec<Entry> = vec![];
    let mut seen = Cursor::default();
    while !seen.covers_all(&end) {
        let more = tail.next(100).await.expect("next");
        more.iter().for_each(|entry| seen.advance(entry.position));
        entries.extend(more);
    }
    entries.sort_by_key(|entry| entry.position);
    entries
}
