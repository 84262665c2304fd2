//! A member of the workers' group: which partitions are its own, where the group is in them, and its commits.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
};
use sockeye_core::{ports::LogError, position::Cursor};

use super::{
    super::{
        KafkaLogOptions,
        context::{self, Brokers, Watched},
        end::{before, committed, offsets},
        inbox::Inbox,
        poller::{Chores, Poller},
        rejected, unavailable,
    },
    advance,
    coverage::Coverage,
};
use crate::workers::Workers;

/// Commits that wait for the one under way.
const COMMITTING_LEN_MAX: usize = 16;
const LOCATE_AGAIN_AFTER: Duration = Duration::from_secs(1);

type Client = BaseConsumer<Shares>;

pub(super) struct Member {
    pub(super) inbox: Arc<Inbox>,
    // First to stop: it asks by the client that the others close.
    _coverage: Coverage,
    /// Commits wait for Kafka on a thread of their own.
    committing: Workers<Arc<Client>>,
    answer_after: Duration,
    _poller: Poller,
}

impl Member {
    pub(super) fn join(options: &KafkaLogOptions) -> Result<Self, LogError> {
        let failed = |error: KafkaError| unavailable(context::words(&error));
        let inbox = Arc::new(Inbox::new(options.ahead_len_max, options.ahead_bytes_max / 2));
        let shares = Shares {
            inbox: Arc::downgrade(&inbox),
            topic: options.topic.clone(),
            committing: Mutex::new(()),
            brokers: Brokers::default(),
        };
        let client = Arc::new(Client::from_config_and_context(&options.consumer(), shares).map_err(failed)?);
        client.subscribe(&[&options.topic]).map_err(failed)?;
        let locating = Locating {
            inbox: Arc::clone(&inbox),
            topic: options.topic.clone(),
            timeout: options.answer_after(),
            not_before: Instant::now(),
        };
        let states = vec![Arc::clone(&client)];
        let committing =
            Workers::start("kafka-commit", states, COMMITTING_LEN_MAX, |_| ()).map_err(unavailable)?;
        let coverage = Coverage::watch(Arc::clone(&client), options).map_err(unavailable)?;
        let poller =
            Poller::start("kafka-consumer", client, Arc::clone(&inbox), locating).map_err(unavailable)?;
        Ok(Self {
            inbox,
            _coverage: coverage,
            committing,
            answer_after: options.answer_after(),
            _poller: poller,
        })
    }

    /// Returns when Kafka confirmed. What was given up at the deadline is committed with the next, or when its partition
    /// goes.
    pub(super) async fn commit(&self, done: &Cursor) -> Result<(), LogError> {
        if !self.note(done) {
            return Ok(());
        }
        let job = |client: &mut Arc<Client>| client.context().commit(client, None);
        match tokio::time::timeout(self.answer_after, self.committing.run(job)).await {
            Ok(outcome) => outcome.map_err(rejected)?.map_err(|error| unavailable(context::words(&error))),
            Err(_) => Err(unavailable("Kafka did not confirm a commit in time")),
        }
    }

    /// Notes what is to be committed: never more than was given out. Whether there is any.
    fn note(&self, done: &Cursor) -> bool {
        let mut state = self.inbox.lock();
        for mut position in done.iter() {
            let Some(&given) = state.given.get(&position.partition) else { continue };
            position.offset = position.offset.min(given);
            advance(&mut state.done, position);
        }
        let state = &*state;
        state.done.iter().any(|(partition, done)| {
            state.owned.contains(partition) && state.committed.get(partition).is_none_or(|last| last < done)
        })
    }
}

/// Asks where the group is in new partitions: what was committed, or was dropped from the log, need not be waited for.
struct Locating {
    inbox: Arc<Inbox>,
    topic: String,
    timeout: Duration,
    not_before: Instant,
}

impl Chores<Shares> for Locating {
    const KEEP_RAW: bool = true;

    fn run(&mut self, client: &Client) {
        let partitions = self.inbox.lock().unlocated.clone();
        if partitions.is_empty() || Instant::now() < self.not_before {
            return;
        }
        match self.locate(client, &partitions) {
            Ok(()) => self.inbox.notify(),
            Err(reason) => {
                tracing::debug!(reason, "where the group is was not found out yet");
                self.not_before = Instant::now() + LOCATE_AGAIN_AFTER;
            }
        }
    }
}

impl Locating {
    fn locate(&self, client: &Client, partitions: &BTreeSet<u32>) -> Result<(), String> {
        let asked = || partitions.iter().filter_map(|&partition| i32::try_from(partition).ok());
        let mut nexts = committed(client, &self.topic, asked(), self.timeout)?;
        nexts.extend(offsets(client, &self.topic, asked(), Offset::Beginning, self.timeout)?);
        let mut state = self.inbox.lock();
        for next in nexts {
            // It may have gone again meanwhile.
            if state.owned.contains(&next.partition)
                && let Some(last) = before(next.partition, next.offset)
            {
                advance(&mut state.through, last);
            }
        }
        state.unlocated.retain(|partition| !partitions.contains(partition));
        Ok(())
    }
}

/// Told by librdkafka, on the polling thread, which partitions come and go.
pub(super) struct Shares {
    /// The client that holds this outlives the member by the time it takes to leave the group.
    inbox: Weak<Inbox>,
    topic: String,
    /// Held while a commit is under way: a partition is given away only after it.
    committing: Mutex<()>,
    brokers: Brokers,
}

impl Watched for Shares {
    fn brokers(&self) -> &Brokers {
        &self.brokers
    }
}

impl Shares {
    /// Commits what is done: in `partitions`, or in all that are owned when it is called. Waits for Kafka.
    fn commit(&self, client: &Client, partitions: Option<&BTreeSet<u32>>) -> Result<(), KafkaError> {
        let Some(inbox) = self.inbox.upgrade() else { return Ok(()) };
        let _committing = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let done: Cursor = {
            let state = inbox.lock();
            let new = state.done.iter().filter(|&(partition, done)| {
                partitions.unwrap_or(&state.owned).contains(partition)
                    && state.committed.get(partition).is_none_or(|last| last < done)
            });
            new.filter_map(|(&partition, done)| before(partition, done + 1)).collect()
        };
        let mut list = TopicPartitionList::new();
        for position in done.iter() {
            // Both come from Kafka, which counts with these types.
            let (Ok(partition), Ok(next)) =
                (i32::try_from(position.partition), i64::try_from(position.offset + 1))
            else {
                continue;
            };
            list.add_partition_offset(&self.topic, partition, Offset::Offset(next))?;
        }
        if list.count() > 0 {
            client.commit(&list, CommitMode::Sync)?;
            let mut state = inbox.lock();
            done.iter().for_each(|position| advance(&mut state.committed, position));
        }
        Ok(())
    }

    fn gain(&self, partitions: BTreeSet<u32>) {
        let Some(inbox) = self.inbox.upgrade() else { return };
        let mut state = inbox.lock();
        state.done.retain(|partition, _| !partitions.contains(partition));
        state.owned.extend(&partitions);
        state.unlocated.extend(partitions);
    }

    fn lose(&self, client: &Client, partitions: &BTreeSet<u32>) {
        let Some(inbox) = self.inbox.upgrade() else { return };
        // First: nothing more of them is given out. What was given out may still be stored; the next owner stores it again.
        inbox.lock().disown(partitions);
        if !client.assignment_lost()
            && let Err(error) = self.commit(client, Some(partitions))
        {
            tracing::debug!(%error, "partitions were given away without a last commit");
        }
        let mut state = inbox.lock();
        state.done.retain(|partition, _| !partitions.contains(partition));
        state.committed.retain(|partition, _| !partitions.contains(partition));
    }
}

impl ClientContext for Shares {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        context::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::report(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.brokers.note(statistics);
    }
}

impl ConsumerContext for Shares {
    fn pre_rebalance(&self, client: &Client, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                tracing::info!(partitions = ?partitions(list), "partitions were assigned to this worker");
                self.gain(partitions(list));
            }
            Rebalance::Revoke(list) => {
                tracing::info!(partitions = ?partitions(list), "partitions were taken from this worker");
                self.lose(client, &partitions(list));
            }
            Rebalance::Error(error) => tracing::warn!(%error, "the group could not be rebalanced"),
        }
    }
}

fn partitions(list: &TopicPartitionList) -> BTreeSet<u32> {
    list.elements().iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect()
}
