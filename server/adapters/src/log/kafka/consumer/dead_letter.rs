//! Entries that cannot be read, kept for an operator.

use rdkafka::{
    Message,
    message::{Header, OwnedHeaders, OwnedMessage},
};
use sockeye_core::ports::{LogError, Unreadable};

use super::super::{
    KafkaLogOptions,
    producer::{Letter, Producer, SendError},
};

/// Copies key, value and headers, and adds headers that say why and from where.
pub(super) async fn send(
    producer: &Producer,
    options: &KafkaLogOptions,
    raw: &OwnedMessage,
    unreadable: &Unreadable,
) -> Result<(), LogError> {
    let topic = options.dead_letter_topic();
    let letter = |payload| Letter {
        topic: &topic,
        key: raw.key(),
        payload,
        headers: headers(raw, unreadable, payload.is_none() && raw.payload().is_some()),
    };
    let sent = match producer.send(letter(raw.payload())).await {
        // With the headers it is larger than the original was. That one is still in its topic, at the place named.
        Err(SendError::TooLarge) => producer.send(letter(None)).await,
        other => other,
    };
    sent?;
    let (at, reason) = (unreadable.position, &unreadable.reason);
    tracing::warn!(partition = at.partition, offset = at.offset, reason, "an entry was set aside in {topic}");
    Ok(())
}

fn headers(raw: &OwnedMessage, unreadable: &Unreadable, without_value: bool) -> OwnedHeaders {
    let headers = raw.headers().cloned().unwrap_or_default();
    let Unreadable { position, reason } = unreadable;
    let mut headers = headers
        .insert(Header { key: "sockeye-reason", value: Some(reason) })
        .insert(Header { key: "sockeye-topic", value: Some(raw.topic()) })
        .insert(Header { key: "sockeye-partition", value: Some(&position.partition.to_string()) })
        .insert(Header { key: "sockeye-offset", value: Some(&position.offset.to_string()) });
    if without_value {
        headers = headers.insert(Header { key: "sockeye-value", value: Some("too large to be copied") });
    }
    headers
}
