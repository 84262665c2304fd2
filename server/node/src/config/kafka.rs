use std::{fmt, path::PathBuf};

use super::{
    Settings,
    address::{host_of, is_loopback},
};

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
    /// `SOCKEYE_KAFKA_PARTITIONS`: of a topic that is created, 1 to 100,000. Default 12.
    pub partitions: u32,
    /// `SOCKEYE_KAFKA_REPLICATION`: copies of a topic that is created, 1 to 100. Default: the brokers'.
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
        let sasl = match (settings.verbatim("KAFKA_USERNAME"), settings.verbatim("KAFKA_PASSWORD")) {
            (Some(username), Some(password)) => Some(Sasl { username, password, mechanism }),
            (None, None) => None,
            _ => {
                settings.problem("KAFKA_USERNAME and KAFKA_PASSWORD go together: set both or none");
                None
            }
        };
        let topic = settings.read("KAFKA_TOPIC", None, |text| topic(text).map(Some));
        let group = settings.text("KAFKA_GROUP");
        let tls = settings.switch("SOCKEYE_KAFKA_TLS", false);
        let tls_ca = settings.text("SOCKEYE_KAFKA_TLS_CA").map(PathBuf::from);
        let partitions = settings.bounded("SOCKEYE_KAFKA_PARTITIONS", 12, 1..=100_000);
        let replication = settings
            .text("SOCKEYE_KAFKA_REPLICATION")
            .map(|_| settings.bounded("SOCKEYE_KAFKA_REPLICATION", 1, 1..=100));
        if tls_ca.is_some() && !tls {
            settings.problem("SOCKEYE_KAFKA_TLS_CA is set, but SOCKEYE_KAFKA_TLS is not on");
        }
        let is_set = settings.text("KAFKA_BROKERS").is_some();
        let brokers = settings.read("KAFKA_BROKERS", None, |text| brokers(text).map(Some));
        let Some(brokers) = brokers else {
            if is_set {
                return None;
            }
            if sasl.is_some() || topic.is_some() || tls {
                settings.problem(
                    "KAFKA_TOPIC, KAFKA_USERNAME or SOCKEYE_KAFKA_TLS is set, but KAFKA_BROKERS is not: set it to the \
                     brokers' addresses (host:port,host:port), or unset the others to run with the embedded log",
                );
            }
            return None;
        };
        if let Some(sasl) = sasl.as_ref().filter(|_| !tls && !is_local(&brokers)) {
            settings.warning(match sasl.mechanism {
                SaslMechanism::Plain => {
                    "KAFKA_PASSWORD goes over the network in clear text, and all messages with it: set SOCKEYE_KAFKA_TLS=on, or \
                     use a network that nobody else is on"
                }
                SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512 => {
                    "KAFKA_PASSWORD is set, but SOCKEYE_KAFKA_TLS is not on: whoever can read the network sees all messages, and \
                     can guess at the password"
                }
            });
        }
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

/// With blanks and empty parts, as they come from templates.
fn brokers(text: &str) -> Result<String, String> {
    let mut parts = text.split(',').map(str::trim).filter(|part| !part.is_empty()).peekable();
    let some = parts.peek().is_some();
    if some && parts.all(is_broker) {
        return Ok(text.to_owned());
    }
    Err("is brokers' addresses joined by commas, host:port,host:port".to_owned())
}

fn is_broker(part: &str) -> bool {
    let address = without_scheme(part);
    let host = host_of(address);
    let port = address[host.len()..].strip_prefix(':');
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '%');
    !host.is_empty()
        && host.chars().all(is_host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_local(brokers: &str) -> bool {
    let parts = brokers.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| host_of(without_scheme(part))).all(is_loopback)
}

fn without_scheme(part: &str) -> &str {
    part.split_once("://").map_or(part, |(_, address)| address)
}

/// Room is left for the name of the dead letters' topic.
fn topic(text: &str) -> Result<String, String> {
    const NAME_LEN_MAX: usize = 220;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.len() <= NAME_LEN_MAX && !matches!(text, "." | "..") && text.bytes().all(is_name) {
        return Ok(text.to_owned());
    }
    Err(format!("is up to {NAME_LEN_MAX} letters, digits, dots, dashes and underscores"))
}
