//! The message log in Kafka: one topic, a conversation's records in one partition.

mod admin;
mod consumer;
mod context;
mod end;
mod inbox;
mod options;
mod poller;
mod producer;
mod record;
mod tail;
mod trace;

use std::sync::{Arc, atomic::Ordering};

use async_trait::async_trait;
use rdkafka::{error::KafkaError, message::OwnedHeaders};
use sockeye_core::{
    message::Record,
    ports::{Appended, LogConsumer, LogError, LogTail, MessageLog},
    position::{Cursor, Position},
};

pub use self::{
    admin::{KafkaAdmin, KafkaDescription, KafkaTopic},
    options::{KafkaLogOptions, KafkaSasl, KafkaSaslMechanism, KafkaTls},
};
use self::{
    consumer::Consumer,
    end::End,
    producer::{Letter, Producer},
    tail::Tail,
};
use crate::workers::{Rejected, Workers};

/// Readers being opened or closed at a time.
const OPENING_LEN_MAX: usize = 64;

/// A [`MessageLog`] in Kafka (docs/decisions/0030). Records are keyed by conversation and confirmed by all in-sync replicas.
/// The topic must exist: [`KafkaAdmin::migrate`] creates it. Dropping the value joins its threads, and gives up what was
/// not confirmed yet.
pub struct KafkaLog {
    options: Arc<KafkaLogOptions>,
    producer: Arc<Producer>,
    end: End,
    trace: trace::Trace,
    /// For what blocks while a reader is opened.
    opening: Arc<Workers<()>>,
}

/// The settings do not make a client. Nothing of this depends on whether Kafka can be reached.
#[derive(Debug, thiserror::Error)]
#[error("Kafka: {0}")]
pub struct KafkaOpenError(String);

impl KafkaLog {
    /// Does not wait for Kafka: while it cannot be reached, the port's methods say so.
    ///
    /// # Errors
    /// Settings that contradict each other, and files of certificates that cannot be read.
    pub fn open(options: KafkaLogOptions) -> Result<Self, KafkaOpenError> {
        let failed = |error: KafkaError| KafkaOpenError(context::words(&error));
        let opening = Workers::start("kafka-open", vec![(), ()], OPENING_LEN_MAX, |()| ())
            .map_err(|error| KafkaOpenError(error.to_string()))?;
        Ok(Self {
            producer: Arc::new(Producer::new(&options).map_err(failed)?),
            end: End::start(&options).map_err(failed)?,
            trace: trace::Trace::new(&options.node),
            opening: Arc::new(opening),
            options: Arc::new(options),
        })
    }
}

#[async_trait]
impl MessageLog for KafkaLog {
    async fn append(&self, record: &Record) -> Result<Appended, LogError> {
        let key = record.message.conversation.key();
        let payload = record::write(record, self.options.public_url.as_deref()).map_err(unavailable)?;
        let parent = self.trace.parent(record.message.id);
        let headers = trace::headers(OwnedHeaders::new_with_capacity(2), &parent, &self.options.node);
        let letter = Letter {
            topic: &self.options.topic,
            key: Some(key.as_bytes()),
            payload: Some(&payload),
            headers,
        };
        let position = self.producer.send(letter).await?;
        // A partition that was added meanwhile: whoever asks for the end from now on must hear of it.
        self.end.partitions.fetch_max(position.partition + 1, Ordering::AcqRel);
        tracing::debug!(message = %record.message.id, traceparent = parent, "appended");
        Ok(Appended { position, first: None })
    }

    async fn end(&self) -> Result<Cursor, LogError> {
        self.end.ask().await
    }

    async fn tail(&self, after: &Cursor) -> Result<Box<dyn LogTail>, LogError> {
        Ok(Box::new(Tail::open(&self.options, &self.opening, after).await?))
    }

    async fn consumer(&self) -> Result<Box<dyn LogConsumer>, LogError> {
        let consumer = Consumer::open(&self.options, &self.producer, &self.opening).await?;
        Ok(Box::new(consumer))
    }
}

fn unavailable(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
    LogError::Unavailable(reason.into())
}

fn rejected(error: Rejected) -> LogError {
    unavailable(error)
}

/// `None` for what librdkafka says instead of a place.
fn position(partition: i32, offset: i64) -> Option<Position> {
    Some(Position { partition: u32::try_from(partition).ok()?, offset: u64::try_from(offset).ok()? })
}
