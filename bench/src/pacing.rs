//! When a sender sends: at times fixed beforehand (open loop), or when answers come (closed loop).

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use crate::args::Load;
use crate::errors::Failure;

/// One message to be sent, and when it should be: latencies count from there, so that a slow server cannot hide
/// its slowness by slowing the tool down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) intended: Instant,
}

/// Where a connection's orders come from.
#[derive(Debug)]
pub(crate) enum Plan {
    Idle,
    Paced(mpsc::Receiver<Order>),
    Closed { permits: Arc<Semaphore>, budget: Arc<Budget> },
}

impl Plan {
    /// The next order, as soon as it is due; `None` when there will be none. Cancel-safe. Never ready when idle.
    pub(crate) async fn next(&mut self) -> Option<Order> {
        match self {
            Self::Idle => std::future::pending().await,
            Self::Paced(orders) => orders.recv().await,
            Self::Closed { permits, budget } => {
                permits.acquire().await.ok()?.forget();
                budget.take().then(|| Order { intended: Instant::now() })
            }
        }
    }

    /// What an acknowledgement releases, in closed loop.
    pub(crate) fn permits(&self) -> Option<Arc<Semaphore>> {
        match self {
            Self::Closed { permits, .. } => Some(Arc::clone(permits)),
            _ => None,
        }
    }
}

/// What may still be sent by all senders of a closed loop together.
#[derive(Debug)]
pub(crate) struct Budget {
    until: OnceLock<Instant>,
    messages: AtomicI64,
}

impl Budget {
    fn take(&self) -> bool {
        self.until.get().is_some_and(|until| Instant::now() < *until)
            && self.messages.fetch_sub(1, Ordering::Relaxed) > 0
    }
}

/// Starts all senders' plans at once.
#[derive(Debug)]
pub(crate) enum Starter {
    Paced { orders: Vec<mpsc::Sender<Order>>, total: u64, every: Duration },
    Closed { permits: Vec<Arc<Semaphore>>, budget: Arc<Budget>, in_flight: u32, seconds: u64 },
}

/// The plans of `load.senders` senders, and what starts them.
pub(crate) fn plans(load: &Load) -> (Vec<Plan>, Starter) {
    let senders = 0..load.senders;
    if load.rate == 0 {
        let messages = load.messages.and_then(|messages| i64::try_from(messages).ok()).unwrap_or(i64::MAX);
        let budget = Arc::new(Budget { until: OnceLock::new(), messages: AtomicI64::new(messages) });
        let permits: Vec<_> = senders.map(|_| Arc::new(Semaphore::new(0))).collect();
        let plan = |permits: &Arc<Semaphore>| Plan::Closed {
            permits: Arc::clone(permits),
            budget: Arc::clone(&budget),
        };
        let plans = permits.iter().map(plan).collect();
        return (
            plans,
            Starter::Closed { permits, budget, in_flight: load.in_flight, seconds: load.seconds },
        );
    }
    let planned = u64::from(load.rate).saturating_mul(load.seconds);
    let total = load.messages.map_or(planned, |messages| messages.min(planned));
    // Room for everything a sender will ever be told to send: a connection that stands still must not delay the
    // clock of the others.
    let orders_max =
        usize::try_from(total.div_ceil(u64::from(load.senders)).max(1)).unwrap_or(Semaphore::MAX_PERMITS);
    let (orders, plans) = senders
        .map(|_| mpsc::channel(orders_max.min(Semaphore::MAX_PERMITS)))
        .map(|(order, orders)| (order, Plan::Paced(orders)))
        .unzip();
    (plans, Starter::Paced { orders, total, every: Duration::from_secs(1) / load.rate })
}

impl Starter {
    /// Lets the senders go. Open loop runs on a thread of its own: the async timer's millisecond would show in the
    /// latencies.
    pub(crate) fn start(self) -> Result<(), Failure> {
        match self {
            Self::Closed { permits, budget, in_flight, seconds } => {
                budget.until.get_or_init(|| Instant::now() + Duration::from_secs(seconds));
                for permits in permits {
                    permits.add_permits(in_flight as usize);
                }
            }
            Self::Paced { orders, total, every } => {
                let pace = move || pace(&orders, total, every);
                thread::Builder::new()
                    .name("pace".to_owned())
                    .spawn(pace)
                    .map_err(Failure::io("starting the clock"))?;
            }
        }
        Ok(())
    }
}

fn pace(orders: &[mpsc::Sender<Order>], total: u64, every: Duration) {
    let start = Instant::now();
    let mut intended = start;
    for (_, sender) in (0..total).zip(orders.iter().cycle()) {
        thread::sleep(intended.saturating_duration_since(Instant::now()));
        // A sender whose connection is gone has reported that itself.
        let _closed = sender.try_send(Order { intended });
        intended += every;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn load(more: &[&str]) -> Load {
        let args = Args::try_parse_from(["bench", "send"].iter().chain(more)).expect("valid arguments");
        let Command::Send(one) = args.command else { panic!("send was asked for") };
        one.load()
    }

    #[tokio::test]
    async fn paced_orders_are_dealt_in_turn_at_the_rate() {
        let (mut plans, starter) = plans(&load(&["--senders", "2", "--rate", "1000", "--messages", "5"]));
        starter.start().expect("a thread");
        let mut intended = [Vec::new(), Vec::new()];
        for (plan, intended) in plans.iter_mut().zip(&mut intended) {
            while let Some(order) = plan.next().await {
                intended.push(order.intended);
            }
        }
        let [first, second] = intended;
        assert_eq!((first.len(), second.len()), (3, 2));
        assert_eq!(second[0] - first[0], Duration::from_millis(1));
        assert_eq!(first[2] - first[0], Duration::from_millis(4));
    }

    #[tokio::test]
    async fn closed_loop_waits_for_answers_and_ends_with_the_budget() {
        let (mut plans, starter) = plans(&load(&["--senders", "1", "--rate", "0", "--messages", "2"]));
        let plan = &mut plans[0];
        let permits = plan.permits().expect("closed loop");
        starter.start().expect("started");
        assert!(plan.next().await.is_some());
        assert_eq!(permits.available_permits(), 0, "one in flight, so the next waits for an answer");
        permits.add_permits(2);
        assert!(plan.next().await.is_some());
        assert!(plan.next().await.is_none(), "two messages were to be sent");
    }
}
