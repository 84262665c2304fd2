//! Of what processes a server under test consists. `SOCKEYE_TEST_SHAPE=cluster` makes every story one of a cluster, over the
//! servers that `scripts/services` names in the environment.

use super::text_setting;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One process, nothing else needed.
    Embedded,
    /// Two gateways and a worker over Kafka, MongoDB and Redis.
    Cluster,
}

impl Shape {
    pub fn chosen() -> Self {
        match text_setting("SOCKEYE_TEST_SHAPE").as_deref() {
            None | Some("" | "embedded") => Self::Embedded,
            Some("cluster") => Self::Cluster,
            Some(other) => panic!("SOCKEYE_TEST_SHAPE is embedded or cluster, not {other:?}"),
        }
    }

    /// The settings that all processes of one server share, `name` being of this server only.
    pub fn settings(self, name: &str) -> Vec<(&'static str, String)> {
        if self == Self::Embedded {
            return vec![];
        }
        vec![
            ("KAFKA_BROKERS", service("SOCKEYE_TEST_KAFKA_BROKERS")),
            ("KAFKA_TOPIC", name.to_owned()),
            ("KAFKA_GROUP", name.to_owned()),
            ("SOCKEYE_KAFKA_PARTITIONS", "3".to_owned()),
            ("SOCKEYE_KAFKA_REPLICATION", "1".to_owned()),
            ("MONGODB_URI", with_database(&service("SOCKEYE_TEST_MONGODB_URI"), name)),
            ("REDIS_URL", service("SOCKEYE_TEST_REDIS_URL")),
            ("SOCKEYE_REDIS_PREFIX", name.to_owned()),
            ("JWT_SECRET", "3pQ-8Zk-w8Yc1HsBd5GjVf3EaTn6Rm2Ux".to_owned()),
        ]
    }
}

/// For stories about what only one process with its own data directory has; says why, once, when there is none.
#[must_use]
pub fn embedded_only(why: &str) -> bool {
    let skip = Shape::chosen() == Shape::Cluster;
    if skip {
        println!("embedded only: {why}");
    }
    skip
}

fn service(name: &str) -> String {
    text_setting(name).unwrap_or_else(|| panic!("{name} is not set: scripts/services run -- ..."))
}

fn with_database(uri: &str, database: &str) -> String {
    let (servers, options) = uri.split_once('?').unwrap_or((uri, ""));
    format!("{}/{database}?{options}", servers.trim_end_matches('/'))
}
