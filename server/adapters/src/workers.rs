//! A few threads for blocking work, behind a bounded queue.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use tokio::sync::oneshot;

/// Why work was not done, or its result is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("too much work waits already")]
    Full,
    #[error("the work failed unexpectedly")]
    Lost,
}

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Threads that each own a state `S` (a database connection, say) and take work from one queue. Dropping the value
/// finishes what waits and joins the threads.
pub(crate) struct Workers<S> {
    queue: Option<SyncSender<Job<S>>>,
    threads: Vec<JoinHandle<()>>,
}

impl<S: Send + 'static> Workers<S> {
    /// One thread per state. `after` runs on the thread after each piece of work, when its caller has the answer already.
    pub(crate) fn start(
        name: &str,
        states: Vec<S>,
        queue_len_max: usize,
        after: fn(&mut S),
    ) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(queue_len_max.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        let mut workers = Self { queue: Some(queue), threads: Vec::with_capacity(states.len()) };
        for (nth, state) in states.into_iter().enumerate() {
            let jobs = Arc::clone(&jobs);
            let thread =
                Builder::new().name(format!("{name}-{nth}")).spawn(move || work(&jobs, state, after))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Does `job` on one of the threads. When the caller goes away before the work began, it is not done.
    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T, Rejected>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job<S> = Box::new(move |state| {
            if !answer.is_closed() {
                // The caller may have gone meanwhile; then nobody wants the answer.
                let _ = answer.send(job(state));
            }
        });
        let queue = self.queue.as_ref().ok_or(Rejected::Lost)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Rejected::Full,
            TrySendError::Disconnected(_) => Rejected::Lost,
        })?;
        answered.await.map_err(|_| Rejected::Lost)
    }
}

fn work<S>(jobs: &Mutex<Receiver<Job<S>>>, mut state: S, after: fn(&mut S)) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic costs its caller an error and is reported by the panic hook; the thread lives on.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            job(&mut state);
            after(&mut state);
        }));
    }
}

impl<S> Drop for Workers<S> {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // Work's panics are caught above, so there is nothing in the result.
            let _ = thread.join();
        }
    }
}

impl<S> fmt::Debug for Workers<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[tokio::test]
    async fn over_the_bound_is_refused_and_what_waits_is_done() {
        let workers = Workers::start("test", vec![0u32], 1, |_| ()).unwrap();
        let (open, gate) = channel::<()>();
        let (began, begun) = oneshot::channel();
        let first = workers.run(move |n| {
            began.send(()).unwrap();
            gate.recv().unwrap();
            *n += 1;
            *n
        });
        tokio::pin!(first);
        tokio::select! { biased; _ = &mut first => panic!("the gate is closed"), began = begun => began.unwrap() }
        let second = workers.run(|n| {
            *n += 1;
            *n
        });
        tokio::pin!(second);
        assert!(futures_poll(second.as_mut()).await.is_none());
        assert_eq!(workers.run(|n| *n).await, Err(Rejected::Full));
        open.send(()).unwrap();
        assert_eq!(first.await, Ok(1));
        assert_eq!(second.await, Ok(2));
    }

    #[tokio::test]
    async fn a_panic_costs_only_its_caller() {
        let workers = Workers::start("test", vec![()], 4, |()| ()).unwrap();
        let failed: Result<(), _> = workers.run(|()| panic!("on purpose")).await;
        assert_eq!(failed, Err(Rejected::Lost));
        assert_eq!(workers.run(|()| 7).await, Ok(7));
    }

    async fn futures_poll<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
