//! Appends: bounded, each confirmed by all in-sync replicas or failed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};
use sockeye_core::{ports::LogError, position::Position};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    KafkaLogOptions,
    context::{self, Brokers},
    unavailable,
};

/// What is to be sent.
pub(super) struct Letter<'a> {
    pub topic: &'a str,
    pub key: Option<&'a [u8]>,
    pub payload: Option<&'a [u8]>,
    pub headers: OwnedHeaders,
}

pub(super) struct Producer {
    options: KafkaLogOptions,
    deadline: Duration,
    len_max: usize,
    places: Arc<Semaphore>,
    current: Mutex<Arc<Client>>,
}

type Client = ThreadedProducer<Context>;

impl Producer {
    pub(super) fn new(options: &KafkaLogOptions) -> Result<Self, KafkaError> {
        let len_max = options.queue_len_max.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            deadline: Duration::from_millis(options.deadline_ms),
            len_max,
            places: Arc::new(Semaphore::new(len_max)),
            current: Mutex::new(Arc::new(client(options)?)),
            options: options.clone(),
        })
    }

    /// Where it is, once it is there.
    pub(super) async fn send(&self, letter: Letter<'_>) -> Result<Position, SendError> {
        // The place is given back when Kafka or the deadline has decided, even if the caller went away before.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(SendError::Queue);
        };
        metrics::gauge!("sockeye_log_appends_waiting")
            .set((self.len_max - self.places.available_permits()) as f64);
        let (answer, answered) = oneshot::channel();
        let mut record =
            BaseRecord::with_opaque_to(letter.topic, Box::new(Delivery { answer, _place: place }))
                .headers(letter.headers);
        record.key = letter.key;
        record.payload = letter.payload;
        self.client().map_err(SendError::Kafka)?.send(record).map_err(|(error, _)| SendError::of(error))?;
        match tokio::time::timeout(self.deadline, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(SendError::Kafka(KafkaError::Canceled)),
            Err(_) => Err(SendError::Deadline),
        }
    }

    /// The client, a new one when the last one gave up: an idempotent producer that is no longer sure of its order says
    /// so, and never sends again.
    fn client(&self) -> Result<Arc<Client>, KafkaError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let gave_up = match current.client().fatal_error() {
            Some((_, reason)) => Some(reason),
            None => current.client().context().brokers.lost().then(|| "it knows no broker any more".into()),
        };
        if let Some(reason) = gave_up {
            tracing::warn!(reason, "the Kafka producer gave up; starting another one");
            *current = Arc::new(client(&self.options)?);
        }
        Ok(Arc::clone(&current))
    }
}

/// Why a record was not confirmed. It may be in the log nevertheless, except for `Queue` and `TooLarge`.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("too many appends are under way")]
    Queue,
    #[error("Kafka did not confirm in time")]
    Deadline,
    #[error("Kafka refuses a record as large as this one")]
    TooLarge,
    #[error("{}", context::words(.0))]
    Kafka(KafkaError),
}

impl SendError {
    fn of(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Self::Queue,
            Some(RDKafkaErrorCode::MessageTimedOut) => Self::Deadline,
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Self::TooLarge,
            _ => Self::Kafka(error),
        }
    }
}

impl From<SendError> for LogError {
    fn from(error: SendError) -> Self {
        unavailable(error)
    }
}

fn client(options: &KafkaLogOptions) -> Result<Client, KafkaError> {
    use rdkafka::config::FromClientConfigAndContext;
    Client::from_config_and_context(&options.producer(), Context::default())
}

struct Delivery {
    answer: oneshot::Sender<Result<Position, SendError>>,
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Context {
    brokers: Brokers,
}

impl ClientContext for Context {
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

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Box<Delivery>) {
        let outcome = match result {
            Ok(message) => super::position(message.partition(), message.offset())
                // Kafka recognised a repeat of an old batch and no longer knows where it is.
                .ok_or(SendError::Kafka(KafkaError::NoMessageReceived)),
            Err((error, _)) => Err(SendError::of(error.clone())),
        };
        // Nobody to answer: the caller went away or gave up at the deadline.
        let _ = delivery.answer.send(outcome);
    }
}
