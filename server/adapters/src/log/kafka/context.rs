//! What librdkafka has to say.

use rdkafka::{
    ClientContext, Statistics,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};

/// Of clients that only ask.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }

    fn stats(&self, _: Statistics) {}
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// librdkafka repeats itself seldom, and names no passwords and no content.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => tracing::debug!(facility, "kafka: {text}"),
        RDKafkaLogLevel::Notice => tracing::info!(facility, "kafka: {text}"),
        _ => tracing::warn!(facility, "kafka: {text}"),
    }
}

pub(super) fn report(error: &KafkaError, reason: &str) {
    if passes(error) {
        tracing::debug!(%error, "kafka: {reason}");
    } else {
        tracing::warn!(%error, "kafka: {reason}");
    }
}

/// Whether librdkafka gets over it by itself, by connecting or asking again.
pub(super) fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::NetworkException
                | Code::BrokerNotAvailable
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::ReplicaNotAvailable
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::RebalanceInProgress
                | Code::PollExceeded
        )
    )
}

/// An error's own words, except where they would repeat a setting's value.
pub(super) fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, key, _) => format!("Kafka setting {key}: {reason}"),
        other => other.to_string(),
    }
}
