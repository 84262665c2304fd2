//! Where the log ends: one question to the brokers answers all who asked before it was put.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use sockeye_core::{
    ports::LogError,
    position::{Cursor, Position},
};
use tokio::sync::oneshot;

use super::{
    KafkaLogOptions,
    context::{self, Quiet, Watched},
    unavailable,
};

/// Callers waiting for one answer.
const WAITING_LEN_MAX: usize = 10_000;
/// How old the number of partitions may be.
const COUNT_AGE_MAX: Duration = Duration::from_secs(30);
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(100);
/// librdkafka's own news are looked at this often when nobody asks.
const SERVE_EVERY: Duration = Duration::from_secs(1);

type Answer = oneshot::Sender<Result<Cursor, Arc<str>>>;

/// A thread that asks, and its queue: who comes while a question is under way waits for the next one.
pub(super) struct End {
    queue: Option<SyncSender<Answer>>,
    thread: Option<JoinHandle<()>>,
    answer_after: Duration,
    /// At least as many partitions as this exist.
    pub partitions: Arc<AtomicU32>,
}

impl End {
    pub(super) fn start(options: &KafkaLogOptions) -> Result<Self, KafkaError> {
        let consumer = BaseConsumer::from_config_and_context(&options.client(), Quiet::default())?;
        let (queue, waiting) = sync_channel(WAITING_LEN_MAX);
        let partitions = Arc::new(AtomicU32::new(0));
        let asker = Asker {
            config: options.client(),
            consumer,
            topic: options.topic.clone(),
            partitions: Arc::clone(&partitions),
            counted_at: None,
            answer_after: options.answer_after(),
        };
        let thread = Builder::new()
            .name("kafka-end".into())
            .spawn(move || asker.run(&waiting))
            .map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        let answer_after = options.answer_after();
        Ok(Self { queue: Some(queue), thread: Some(thread), answer_after, partitions })
    }

    pub(super) async fn ask(&self) -> Result<Cursor, LogError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(|| unavailable("the log was closed"))?;
        queue.try_send(answer).map_err(|error| match error {
            TrySendError::Full(_) => unavailable("too many wait for the log's end"),
            TrySendError::Disconnected(_) => unavailable("the log was closed"),
        })?;
        match tokio::time::timeout(self.answer_after, answered).await {
            Ok(Ok(outcome)) => outcome.map_err(|reason| unavailable(reason.to_string())),
            Ok(Err(_)) => Err(unavailable("the question for the log's end was lost")),
            Err(_) => Err(unavailable("Kafka did not say in time where the log ends")),
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

struct Asker {
    config: ClientConfig,
    consumer: BaseConsumer<Quiet>,
    topic: String,
    partitions: Arc<AtomicU32>,
    counted_at: Option<Instant>,
    answer_after: Duration,
}

impl Asker {
    fn run(mut self, waiting: &Receiver<Answer>) {
        loop {
            match waiting.recv_timeout(SERVE_EVERY) {
                Ok(first) => {
                    let mut callers = vec![first];
                    callers.extend(waiting.try_iter().take(WAITING_LEN_MAX));
                    callers.retain(|caller| !caller.is_closed());
                    if !callers.is_empty() {
                        self.answer(callers);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look_after_client();
        }
    }

    fn look_after_client(&mut self) {
        // There is nothing to read; this logs what librdkafka has to say.
        let _ = self.consumer.poll(Duration::ZERO);
        if self.consumer.context().brokers().lost() {
            match BaseConsumer::from_config_and_context(&self.config, Quiet::default()) {
                Ok(consumer) => self.consumer = consumer,
                Err(error) => tracing::warn!(%error, "there is no other Kafka client"),
            }
        }
    }

    /// Tries until the first caller gives up.
    fn answer(&mut self, callers: Vec<Answer>) {
        let until = Instant::now() + self.answer_after;
        let outcome = loop {
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            match self.query(left) {
                Ok(end) => break Ok(end),
                Err(error) => {
                    // Leaders may have moved, and the topic may be another one.
                    self.counted_at = None;
                    if Instant::now() + RETRY_AFTER >= until || callers.iter().all(Answer::is_closed) {
                        break Err(Arc::<str>::from(error.as_str()));
                    }
                    std::thread::sleep(RETRY_AFTER);
                    self.look_after_client();
                }
            }
        };
        for caller in callers {
            // Callers that gave up meanwhile.
            let _ = caller.send(outcome.clone());
        }
    }

    fn query(&mut self, timeout: Duration) -> Result<Cursor, String> {
        self.count(timeout)?;
        let count = self.partitions.load(Ordering::Acquire);
        ends(&self.consumer, &self.topic, count, timeout)
    }

    fn count(&mut self, timeout: Duration) -> Result<(), String> {
        if self.counted_at.is_some_and(|at| at.elapsed() < COUNT_AGE_MAX) {
            return Ok(());
        }
        let count = partition_count(&self.consumer, &self.topic, timeout)?;
        self.partitions.store(count, Ordering::Release);
        self.counted_at = Some(Instant::now());
        Ok(())
    }
}

/// The last offset of every partition that ever had one, in one request to each broker.
pub(super) fn ends<C: rdkafka::consumer::ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: u32,
    timeout: Duration,
) -> Result<Cursor, String> {
    let asked = (0..partitions).filter_map(|partition| i32::try_from(partition).ok());
    let list = offsets(consumer, topic, asked, Offset::End, timeout)?;
    Ok(list.into_iter().filter_map(|next| before(next.partition, next.offset)).collect())
}

/// The entry before `next`, when there is one.
pub(super) fn before(partition: u32, next: u64) -> Option<Position> {
    Some(Position { partition, offset: next.checked_sub(1)? })
}

/// The offset that comes next at the `which` end of these partitions.
pub(super) fn offsets<C: rdkafka::consumer::ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: impl IntoIterator<Item = i32>,
    which: Offset,
    timeout: Duration,
) -> Result<Vec<Position>, String> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition, which).map_err(|error| context::words(&error))?;
    }
    let list = consumer.offsets_for_times(list, timeout).map_err(|error| context::words(&error))?;
    list.elements()
        .iter()
        .map(|element| {
            element.error().map_err(|error| context::words(&error))?;
            let Offset::Offset(offset) = element.offset() else {
                return Err(format!("Kafka does not say where partition {} is", element.partition()));
            };
            super::position(element.partition(), offset).ok_or_else(|| "a negative offset".into())
        })
        .collect()
}

/// The offset that comes next for the group, in those of these partitions where it committed any.
pub(super) fn committed<C: rdkafka::consumer::ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: impl IntoIterator<Item = i32>,
    timeout: Duration,
) -> Result<Vec<Position>, String> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, partition);
    }
    let list = consumer.committed_offsets(list, timeout).map_err(|error| context::words(&error))?;
    let mut nexts = vec![];
    for element in list.elements() {
        element.error().map_err(|error| context::words(&error))?;
        if let Offset::Offset(offset) = element.offset() {
            nexts.extend(super::position(element.partition(), offset));
        }
    }
    Ok(nexts)
}

/// How many partitions a topic has.
pub(super) fn partition_count<C: rdkafka::consumer::ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
) -> Result<u32, String> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout).map_err(|error| context::words(&error))?;
    let count = metadata.topics().iter().find(|found| found.name() == topic).map_or(0, |found| {
        // A topic with an error (mostly: there is none) has no partitions.
        found.partitions().len()
    });
    match u32::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("there is no topic {topic} in Kafka: `sockeye migrate` creates it")),
    }
}
