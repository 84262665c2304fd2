//! Looks regularly at what nobody can count: how far behind something is, how long queues are, who answers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use metrics::{Gauge, gauge};
use sockeye_core::{
    Chat,
    ports::{MessageLog, Store},
    position::Cursor,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Health, Metrics};
use crate::gateway::hub::Hub;

const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Until samples of histograms are gathered, each takes 16 bytes.
const GATHER_EVERY: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Fills the gauges that are sampled.
pub struct Sampler {
    pub metrics: Metrics,
    pub health: Health,
    pub log: Arc<dyn MessageLog>,
    /// Of a process that stores.
    pub store: Option<Arc<dyn Store>>,
    /// Of a process that delivers.
    pub delivered: Option<Delivered>,
}

/// What a process delivers with.
pub struct Delivered {
    pub hub: Arc<Hub>,
    pub chat: Arc<Chat>,
}

impl Sampler {
    /// Runs until `stop`.
    ///
    /// # Errors
    /// None: what does not answer is asked again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.gather() => {}
            () = self.sample() => {}
        }
        Ok(())
    }

    async fn gather(&self) {
        let mut turns = every(GATHER_EVERY);
        loop {
            turns.tick().await;
            self.metrics.gather();
        }
    }

    async fn sample(&self) {
        let mut turns = every(SAMPLE_EVERY);
        let stored = self.store.as_deref().map(|store| (store, gauge!("sockeye_store_lag_messages")));
        let delivered = self.delivered.as_ref().map(|delivered| (delivered, Gauges::new()));
        loop {
            turns.tick().await;
            self.health.check().await;
            if let Some((delivered, gauges)) = &delivered {
                gauges.queue_longest.set(delivered.hub.queue_longest() as f64);
                if let Ok(Ok(users)) = timeout(ANSWER_WITHIN, delivered.chat.online()).await {
                    gauges.users_online.set(users.len() as f64);
                }
            }
            // While there is no answer the last lag stands; `sockeye_port_up` says why.
            let Ok(Ok(end)) = timeout(ANSWER_WITHIN, self.log.end()).await else { continue };
            if let Some((delivered, gauges)) = &delivered {
                gauges.lag.set(behind(&delivered.hub.seen(), &end) as f64);
            }
            if let Some((store, lag)) = &stored
                && let Ok(Ok(stored)) = timeout(ANSWER_WITHIN, store.stored()).await
            {
                lag.set(behind(&stored, &end) as f64);
            }
        }
    }
}

struct Gauges {
    lag: Gauge,
    queue_longest: Gauge,
    users_online: Gauge,
}

impl Gauges {
    fn new() -> Self {
        Self {
            lag: gauge!("sockeye_delivery_lag_messages"),
            queue_longest: gauge!("sockeye_device_queue_longest"),
            users_online: gauge!("sockeye_users_online"),
        }
    }
}

/// Entries up to `end` that `seen` has not seen, over all partitions. Of a partition not begun all entries there ever were:
/// how many of them the log still has is not known here.
fn behind(seen: &Cursor, end: &Cursor) -> u64 {
    let of_partition = end.iter().map(|end| match seen.offset(end.partition) {
        Some(seen) => end.offset.saturating_sub(seen),
        None => end.offset.saturating_add(1),
    });
    of_partition.fold(0, u64::saturating_add)
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut turns = interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_the_sum_over_partitions_and_never_negative() {
        let lag = |seen: &str, end: &str| behind(&seen.parse().unwrap(), &end.parse().unwrap());
        assert_eq!(lag("0:5,1:9", "0:7,1:9"), 2);
        assert_eq!(lag("0:5", "0:5,3:1"), 2, "entries 0 and 1 of a partition not begun");
        assert_eq!(lag("0:7", "0:5"), 0, "read after the end was asked for");
        assert_eq!(lag("", ""), 0);
    }
}
