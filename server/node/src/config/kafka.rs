use std::{fmt, path::PathBuf};

use super::Settings;

/// The message log of a cluster. Present when `KAFKA_BROKERS` is set.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// `KAFKA_BROKERS`: `host:port` pairs joined by commas.
    pub brokers: String,
    /// `KAFKA_TOPIC`. Default `chat-messages`.
    pub topic: String,
    /// `KAFKA_GROUP`: the workers' consumer group. Default `chat-messages`, the original backend's, so that what it stored is
    /// not stored again (contract direct-v1, section 8).
    pub group: String,
    /// `KAFKA_USERNAME`, `KAFKA_PASSWORD` and `SOCKEYE_KAFKA_SASL`. Default: none.
    pub sasl: Option<Sasl>,
    /// `SOCKEYE_KAFKA_TLS`: whether connections are encrypted. Default off.
    pub tls: bool,
    /// `SOCKEYE_KAFKA_TLS_CA`: a PEM file of the authorities to trust. Default: the system's.
    pub tls_ca: Option<PathBuf>,
    /// `SOCKEYE_KAFKA_PARTITIONS`: of a topic that is created. Default 12.
    pub partitions: u32,
    /// `SOCKEYE_KAFKA_REPLICATION`: copies of a topic that is created. Default: the brokers'.
    pub replication: Option<u16>,
}

#[derive(Clone)]
pub struct Sasl {
    pub username: String,
    pub password: String,
    /// `SOCKEYE_KAFKA_SASL`: `plain`, `scram-sha-256` or `scram-sha-512`. Default `plain`, as the original backend.
    pub mechanism: SaslMechanism,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

impl Kafka {
    pub(super) fn from_settings(settings: &Settings) -> Option<Self> {
        let mechanism = settings.choice(
            "SOCKEYE_KAFKA_SASL",
            SaslMechanism::Plain,
            &[
                ("plain", SaslMechanism::Plain),
                ("scram-sha-256", SaslMechanism::ScramSha256),
                ("scram-sha-512", SaslMechanism::ScramSha512),
            ],
        );
        let sasl = match (settings.text("KAFKA_USERNAME"), settings.text("KAFKA_PASSWORD")) {
            (Some(username), Some(password)) => Some(Sasl { username, password, mechanism }),
            (None, None) => None,
            _ => {
                settings.problem("KAFKA_USERNAME and KAFKA_PASSWORD go together: set both or none");
                None
            }
        };
        let topic = settings.text("KAFKA_TOPIC");
        let group = settings.text("KAFKA_GROUP");
        let tls = settings.switch("SOCKEYE_KAFKA_TLS", false);
        let tls_ca = settings.text("SOCKEYE_KAFKA_TLS_CA").map(PathBuf::from);
        let partitions = settings.parse("SOCKEYE_KAFKA_PARTITIONS", 12);
        let replication =
            settings.read("SOCKEYE_KAFKA_REPLICATION", None, |text| text.parse().map(Some).map_err(number));
        if tls_ca.is_some() && !tls {
            settings.problem("SOCKEYE_KAFKA_TLS_CA is set, but SOCKEYE_KAFKA_TLS is not on");
        }
        let Some(brokers) = settings.text("KAFKA_BROKERS") else {
            if sasl.is_some() || topic.is_some() || tls {
                settings.problem(
                    "KAFKA_TOPIC, KAFKA_USERNAME or SOCKEYE_KAFKA_TLS is set, but KAFKA_BROKERS is not: set it to the \
                     brokers' addresses (host:port,host:port), or unset the others to run with the embedded log",
                );
            }
            return None;
        };
        let default = || "chat-messages".to_owned();
        Some(Self {
            brokers,
            topic: topic.unwrap_or_else(default),
            group: group.unwrap_or_else(default),
            sasl,
            tls,
            tls_ca,
            partitions,
            replication,
        })
    }
}

fn number(error: std::num::ParseIntError) -> String {
    error.to_string()
}
