//! Start and stop: everything spawned is tracked, a stop is soft and then hard, and a background task that ends by itself
//! ends the process with a failure.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The process's background tasks.
pub struct Lifecycle {
    tasks: TaskTracker,
    /// Cancelled when the process should take on nothing new.
    stop: CancellationToken,
    failed: mpsc::Sender<String>,
    failures: mpsc::Receiver<String>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        let (failed, failures) = mpsc::channel(1);
        Self { tasks: TaskTracker::new(), stop: CancellationToken::new(), failed, failures }
    }
}

impl Lifecycle {
    /// Cancelled at a stop.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a task that is to last until the stop.
    pub fn spawn<E: Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let (stop, failed) = (self.stop.clone(), self.failed.clone());
        self.tasks.spawn(async move {
            let outcome = task.await;
            if stop.is_cancelled() {
                return;
            }
            let why = match outcome {
                Ok(()) => "ended by itself".to_owned(),
                Err(error) => error.to_string(),
            };
            // One failure is enough to stop; the channel holds it.
            let _ = failed.try_send(format!("{name}: {why}"));
        });
    }

    /// Waits for SIGTERM, SIGINT or a failure, runs `drain`, then waits for all tasks, for at most `deadline` altogether.
    ///
    /// # Errors
    /// The failure that caused the stop, or that some task did not end in time.
    pub async fn run(mut self, deadline: Duration, drain: impl Future<Output = ()>) -> Result<(), String> {
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let outcome = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            failure = self.failures.recv() => Err(failure.unwrap_or_default()),
        };
        tracing::info!(failed = outcome.as_ref().err(), "stopping");
        self.tasks.close();
        let stopped = timeout(deadline, async {
            drain.await;
            self.stop.cancel();
            self.tasks.wait().await;
        })
        .await;
        match stopped {
            Ok(()) => outcome,
            Err(_) => outcome.and(Err(format!("not stopped within {deadline:?}"))),
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("cannot listen for signals: {error}"))
}
