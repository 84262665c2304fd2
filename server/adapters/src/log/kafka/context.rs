//! What librdkafka has to say.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};
use serde::Deserialize;

/// Of clients that only ask, or follow.
#[derive(Default)]
pub(super) struct Quiet {
    brokers: Brokers,
}

impl Watched for Quiet {
    fn brokers(&self) -> &Brokers {
        &self.brokers
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.brokers.note(statistics);
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// A client that tells whether it still knows any broker.
pub(super) trait Watched {
    fn brokers(&self) -> &Brokers;
}

/// Whether a client knows brokers. Told by a broker that just then takes all brokers for dead, librdkafka forgets all of
/// them, and never asks the first ones again (its issue 5301): such a client is to be replaced.
#[derive(Default)]
pub(super) struct Brokers {
    without: AtomicU32,
}

/// librdkafka's statistics come this often.
pub(super) const STATISTICS_MS: u64 = 2_000;
/// So often in a row they must name no broker: librdkafka may be between two lists.
const WITHOUT_MAX: u32 = 2;

#[derive(Deserialize)]
struct Described {
    brokers: HashMap<String, DescribedBroker>,
}

#[derive(Deserialize)]
struct DescribedBroker {
    source: String,
}

impl Brokers {
    pub(super) fn lost(&self) -> bool {
        self.without.load(Ordering::Acquire) >= WITHOUT_MAX
    }

    fn known(statistics: &[u8]) -> bool {
        // What is not understood says nothing.
        serde_json::from_slice::<Described>(statistics).map_or(true, |described| {
            let sources = described.brokers.values().map(|broker| broker.source.as_str());
            sources.into_iter().any(|source| matches!(source, "configured" | "learned"))
        })
    }

    pub(super) fn note(&self, statistics: &[u8]) {
        if Self::known(statistics) {
            self.without.store(0, Ordering::Release);
        } else {
            self.without.fetch_add(1, Ordering::AcqRel);
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_forgot_all_brokers_is_recognised() {
        let logical =
            r#""GroupCoordinator":{"source":"logical","state":"UP"},":0/internal":{"source":"internal"}"#;
        let without = format!(r#"{{"name":"x","brokers":{{{logical}}}}}"#);
        let with =
            format!(r#"{{"brokers":{{{logical},"a:1/bootstrap":{{"source":"configured","nodeid":-1}}}}}}"#);
        let brokers = Brokers::default();
        for (statistics, lost) in [(&without, false), (&with, false), (&without, false), (&without, true)] {
            brokers.note(statistics.as_bytes());
            assert_eq!(brokers.lost(), lost);
        }
        brokers.note(b"what is not understood says nothing");
        assert!(!brokers.lost());
    }
}
