//! Follows all partitions, on this process's own account.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::{
    Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use sockeye_core::{
    message::Entry,
    ports::{LogError, LogTail, Unreadable},
    position::Cursor,
};

use super::{
    KafkaLogOptions,
    context::{self, Quiet},
    end::partition_count,
    inbox::{Failure, Inbox, Item, State},
    poller::{Chores, Poller},
    rejected, unavailable,
};
use crate::workers::Workers;

/// How soon partitions are noticed that were added to the topic.
const COUNT_EVERY: Duration = Duration::from_secs(30);
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Tail {
    options: Arc<KafkaLogOptions>,
    opening: Arc<Workers<()>>,
    /// What was returned.
    seen: Cursor,
    /// `None` after the client was of no more use, until the next try.
    follower: Option<Follower>,
}

struct Follower {
    inbox: Arc<Inbox>,
    _poller: Poller,
}

impl Tail {
    pub(super) async fn open(
        options: &Arc<KafkaLogOptions>,
        opening: &Arc<Workers<()>>,
        after: &Cursor,
    ) -> Result<Self, LogError> {
        let (options, opening) = (Arc::clone(options), Arc::clone(opening));
        let mut tail = Self { options, opening, seen: after.clone(), follower: None };
        tail.follower().await?;
        Ok(tail)
    }

    async fn follower(&mut self) -> Result<&Follower, LogError> {
        if self.follower.is_none() {
            let (options, after) = (Arc::clone(&self.options), self.seen.clone());
            let follower = self.opening.run(move |()| Follower::start(&options, &after)).await;
            self.follower = Some(follower.map_err(rejected)??);
        }
        self.follower.as_ref().ok_or_else(|| unavailable("not following"))
    }
}

#[async_trait]
impl LogTail for Tail {
    async fn next(&mut self, len_max: usize) -> Result<Vec<Entry>, LogError> {
        let inbox = Arc::clone(&self.follower().await?.inbox);
        loop {
            let taken = take(&mut inbox.lock(), len_max);
            match taken {
                Some(Taken::Entries(entries)) => {
                    entries.iter().for_each(|entry| self.seen.advance(entry.position));
                    inbox.taken();
                    return Ok(entries);
                }
                Some(Taken::Unreadable(unreadable)) => {
                    self.seen.advance(unreadable.position);
                    inbox.taken();
                    return Err(LogError::Unreadable(unreadable));
                }
                Some(Taken::Failure(failure)) => {
                    if failure.fatal {
                        tracing::warn!(failure.reason, "the log is followed by another client from here");
                        let follower = self.follower.take();
                        self.opening.run(move |()| drop(follower)).await.map_err(rejected)?;
                    }
                    return Err(unavailable(failure.reason));
                }
                None => inbox.news().await,
            }
        }
    }
}

enum Taken {
    Entries(Vec<Entry>),
    Unreadable(Unreadable),
    Failure(Failure),
}

fn take(state: &mut State, len_max: usize) -> Option<Taken> {
    let entries = state.take(len_max.max(1));
    if !entries.is_empty() {
        return Some(Taken::Entries(entries));
    }
    if let Some(Item::Unreadable(unreadable, _)) = state.pop() {
        return Some(Taken::Unreadable(unreadable));
    }
    state.failure.take().map(Taken::Failure)
}

impl Follower {
    /// Blocks while Kafka is asked how many partitions there are.
    fn start(options: &KafkaLogOptions, after: &Cursor) -> Result<Self, LogError> {
        let failed = |error: KafkaError| unavailable(context::words(&error));
        let consumer =
            BaseConsumer::from_config_and_context(&options.reader(), Quiet::default()).map_err(failed)?;
        let count =
            partition_count(&consumer, &options.topic, options.answer_after()).map_err(unavailable)?;
        consumer.assign(&places(&options.topic, 0..count, after).map_err(failed)?).map_err(failed)?;
        let inbox = Arc::new(Inbox::new(options.ahead_len_max, options.ahead_bytes_max / 2));
        let counting = Counting { topic: options.topic.clone(), count, counted_at: Instant::now() };
        let poller = Poller::start("kafka-tail", Arc::new(consumer), Arc::clone(&inbox), counting)
            .map_err(unavailable)?;
        Ok(Self { inbox, _poller: poller })
    }
}

/// Where reading starts in each of these partitions.
fn places(
    topic: &str,
    partitions: std::ops::Range<u32>,
    after: &Cursor,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        let next = after.offset(partition).and_then(|seen| i64::try_from(seen).ok()?.checked_add(1));
        let offset = next.map_or(Offset::Beginning, Offset::Offset);
        // A topic has fewer partitions than i32 can count.
        list.add_partition_offset(topic, i32::try_from(partition).unwrap_or(i32::MAX), offset)?;
    }
    Ok(list)
}

/// Looks for partitions that were added.
struct Counting {
    topic: String,
    count: u32,
    counted_at: Instant,
}

impl Chores<Quiet> for Counting {
    const KEEP_RAW: bool = false;

    fn run(&mut self, consumer: &BaseConsumer<Quiet>) {
        if self.counted_at.elapsed() < COUNT_EVERY {
            return;
        }
        self.counted_at = Instant::now();
        let count = match partition_count(consumer, &self.topic, COUNT_TIMEOUT) {
            Ok(count) => count,
            Err(reason) => return tracing::debug!(reason, "the topic's partitions were not counted"),
        };
        if count > self.count {
            let added = places(&self.topic, self.count..count, &Cursor::default())
                .and_then(|added| consumer.incremental_assign(&added));
            match added {
                Ok(()) => {
                    tracing::info!(from = self.count, to = count, "the topic has more partitions");
                    self.count = count;
                }
                Err(error) => tracing::warn!(%error, "new partitions are not followed yet"),
            }
        }
    }
}
