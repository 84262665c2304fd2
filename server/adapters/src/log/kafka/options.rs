//! Where Kafka is, and how its clients are tuned.

use std::{fmt, path::PathBuf, time::Duration};

use rdkafka::ClientConfig;

/// Of [`KafkaLog`](super::KafkaLog) and [`KafkaAdmin`](super::KafkaAdmin).
#[derive(Debug, Clone)]
pub struct KafkaLogOptions {
    /// `host:port` pairs joined by commas, to begin with; the brokers tell the rest.
    pub brokers: String,
    pub topic: String,
    /// The workers' consumer group.
    pub group: String,
    /// This process among the others: in logs of brokers, and in the header `sockeye-node` of records.
    pub node: String,
    /// Static membership (KIP-345), for workers whose name stays the same over a restart: one that comes back within
    /// `session_ms` gets its partitions back, and nobody else is disturbed. Two processes must not share a name. Without
    /// it, a worker that stops hands its partitions over at once.
    pub instance: Option<String>,
    pub sasl: Option<KafkaSasl>,
    pub tls: Option<KafkaTls>,
    /// Where consumers of the topic reach pictures we keep, as `https://host` without a slash at the end.
    pub public_url: Option<String>,
    /// An append is confirmed within this time, or fails.
    pub deadline_ms: u64,
    /// How long records wait for others to be sent together with. They also wait while five requests are under way.
    pub linger_ms: u64,
    /// Appends under way.
    pub queue_len_max: usize,
    /// Bytes of appends under way.
    pub queue_bytes_max: usize,
    /// Every other question to Kafka is answered within this time, or fails.
    pub answer_after_ms: u64,
    /// After this time of silence a worker is taken for dead, and others get its partitions.
    pub session_ms: u64,
    /// How often a worker looks whether every partition is some worker's. One that is nobody's twice in a row is shared anew.
    pub coverage_every_ms: u64,
    /// Entries read ahead, per reader.
    pub ahead_len_max: usize,
    /// Bytes read ahead, per reader: half of them by librdkafka, half decoded.
    pub ahead_bytes_max: usize,
    /// Of a topic that is created.
    pub partitions: u32,
    /// Copies of a topic that is created; the brokers' default when not given.
    pub replication: Option<u16>,
}

impl KafkaLogOptions {
    /// The defaults, for a cluster that asks for no password and no encryption.
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topic: topic.into(),
            group: group.into(),
            node: "sockeye".into(),
            instance: None,
            sasl: None,
            tls: None,
            public_url: None,
            deadline_ms: 10_000,
            linger_ms: 0,
            queue_len_max: 10_000,
            queue_bytes_max: 64 << 20,
            answer_after_ms: 5_000,
            session_ms: 15_000,
            coverage_every_ms: 5_000,
            ahead_len_max: 10_000,
            ahead_bytes_max: 32 << 20,
            partitions: 12,
            replication: None,
        }
    }

    /// Where entries go that cannot be read.
    pub fn dead_letter_topic(&self) -> String {
        format!("{}.dead-letter", self.topic)
    }

    pub(super) fn answer_after(&self) -> Duration {
        Duration::from_millis(self.answer_after_ms)
    }

    /// What every client has in common: how it connects, and how soon it notices that it is not connected. A network that
    /// silently swallows everything is noticed after `SILENCE_MS`, and when it is back, a new connection is made within
    /// `CONNECT_MS` and a second.
    pub(super) fn client(&self) -> ClientConfig {
        const SILENCE_MS: &str = "6000";
        const CONNECT_MS: &str = "3000";
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("sockeye-{}", self.node))
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("socket.timeout.ms", SILENCE_MS)
            .set("socket.connection.setup.timeout.ms", CONNECT_MS)
            .set("api.version.request.timeout.ms", CONNECT_MS)
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "1000")
            .set("retry.backoff.ms", "100")
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("log.connection.close", "false")
            .set("statistics.interval.ms", super::context::STATISTICS_MS.to_string())
            .set("allow.auto.create.topics", "false");
        self.secure(&mut config);
        config
    }

    fn secure(&self, config: &mut ClientConfig) {
        let protocol = match (&self.sasl, &self.tls) {
            (None, None) => "plaintext",
            (None, Some(_)) => "ssl",
            (Some(_), None) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(sasl) = &self.sasl {
            config
                .set("sasl.mechanism", sasl.mechanism.name())
                .set("sasl.username", &sasl.username)
                .set("sasl.password", &sasl.password);
        }
        if let Some(tls) = &self.tls {
            // OpenSSL is built in and does not know where this system keeps its authorities: "probe" looks.
            let ca = tls.ca_file.as_ref().map_or("probe".into(), |file| file.to_string_lossy());
            config.set("ssl.ca.location", ca);
        }
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // What every client library reads without an addition: others consume the topic too.
            .set("compression.type", "gzip")
            .set("linger.ms", self.linger_ms.to_string())
            .set("message.timeout.ms", self.deadline_ms.max(self.linger_ms + 1).to_string())
            .set("request.timeout.ms", self.deadline_ms.clamp(1, 5_000).to_string())
            .set("retry.backoff.max.ms", "1000")
            // As Java's clients do, so that theirs and ours agree on a conversation's partition.
            .set("partitioner", "murmur2_random")
            // Brokers have the last word; an entry that is set aside is larger than it was.
            .set("message.max.bytes", "2000000")
            .set("queue.buffering.max.messages", self.queue_len_max.max(1).to_string())
            .set("queue.buffering.max.kbytes", (self.queue_bytes_max / 1024).max(1).to_string());
        config
    }

    /// Of readers; the group is named also where only its coordinator could be asked.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            // Somebody else's unfinished transaction must not hold up what we acknowledged.
            .set("isolation.level", "read_uncommitted")
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", "500")
            .set("fetch.error.backoff.ms", "100")
            .set("fetch.queue.backoff.ms", "20")
            .set("queued.min.messages", self.ahead_len_max.max(1).to_string())
            .set("queued.max.messages.kbytes", (self.ahead_bytes_max / 2048).max(1).to_string());
        config
    }

    pub(super) fn consumer(&self) -> ClientConfig {
        let mut config = self.reader();
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_ms.to_string())
            .set("heartbeat.interval.ms", (self.session_ms / 5).clamp(1, 3_000).to_string())
            // Ours polls by itself every second, whatever becomes of what it read. It waits for a commit at most for a
            // session.
            .set("max.poll.interval.ms", (2 * self.session_ms).to_string());
        if let Some(instance) = &self.instance {
            config.set("group.instance.id", instance);
        }
        config
    }
}

/// How a client says who it is.
#[derive(Clone)]
pub struct KafkaSasl {
    pub mechanism: KafkaSaslMechanism,
    pub username: String,
    pub password: String,
}

impl fmt::Debug for KafkaSasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSasl").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaSaslMechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

impl KafkaSaslMechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Encryption, with the brokers' certificates checked.
#[derive(Debug, Clone, Default)]
pub struct KafkaTls {
    /// Authorities to trust, in PEM; the system's when not given.
    pub ca_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_stay_out_of_debug_output() {
        let mut options = KafkaLogOptions::new("127.0.0.1:9092", "topic", "group");
        let mechanism = KafkaSaslMechanism::ScramSha512;
        options.sasl = Some(KafkaSasl { mechanism, username: "us-er".into(), password: "pass-word".into() });
        let text = format!("{options:?}");
        assert!(!text.contains("pass-word") && !text.contains("us-er"), "{text}");
    }

    #[test]
    fn librdkafka_knows_every_setting() {
        let mut options = KafkaLogOptions::new("127.0.0.1:9092", "topic", "group");
        options.instance = Some("worker-0".into());
        for config in [options.client(), options.producer(), options.reader(), options.consumer()] {
            config.create_native_config().unwrap();
        }
    }
}
