//! The settings of a cluster: everything fresh, on servers that run already.

use crate::errors::Failure;

/// What all processes of one cluster share.
#[derive(Debug)]
pub(super) struct Settings {
    /// Names topic, consumer group, database and prefix.
    name: String,
    brokers: String,
    mongodb_uri: String,
    redis_url: String,
    secret: String,
}

impl Settings {
    pub(super) fn new(addresses: Option<[&str; 3]>, secret: String, name: String) -> Result<Self, Failure> {
        let [brokers, mongodb_uri, redis_url] = addresses.ok_or_else(|| {
            Failure::Setup(
                "a cluster needs --kafka-brokers, --mongodb-uri and --redis-url: `bench/run.sh --cluster` starts all"
                    .to_owned(),
            )
        })?;
        Ok(Self {
            mongodb_uri: with_database(mongodb_uri, &name),
            brokers: brokers.to_owned(),
            redis_url: redis_url.to_owned(),
            name,
            secret,
        })
    }

    /// The environment of the process `node`.
    pub(super) fn env(&self, node: &str) -> [(&'static str, String); 8] {
        [
            ("KAFKA_BROKERS", self.brokers.clone()),
            ("KAFKA_TOPIC", self.name.clone()),
            ("KAFKA_GROUP", self.name.clone()),
            ("MONGODB_URI", self.mongodb_uri.clone()),
            ("REDIS_URL", self.redis_url.clone()),
            ("SOCKEYE_REDIS_PREFIX", self.name.clone()),
            ("SOCKEYE_NODE_NAME", format!("{}-{node}", self.name)),
            ("JWT_SECRET", self.secret.clone()),
        ]
    }
}

/// The address with another database: `mongodb://hosts[/database][?options]`.
fn with_database(uri: &str, database: &str) -> String {
    let (place, options) = uri.split_once('?').map_or((uri, None), |(place, options)| (place, Some(options)));
    let hosts_from = place.find("://").map_or(0, |at| at + 3);
    let hosts_until = place[hosts_from..].find('/').map_or(place.len(), |at| hosts_from + at);
    let options = options.map_or_else(String::new, |options| format!("?{options}"));
    format!("{}/{database}{options}", &place[..hosts_until])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_a_database_into_an_address() {
        for (uri, expected) in [
            ("mongodb://a:1,b:2/?replicaSet=r", "mongodb://a:1,b:2/new?replicaSet=r"),
            ("mongodb://a:1/old?x=/y", "mongodb://a:1/new?x=/y"),
            ("mongodb://a:1", "mongodb://a:1/new"),
            ("mongodb+srv://u:p@a?x=1", "mongodb+srv://u:p@a/new?x=1"),
        ] {
            assert_eq!(with_database(uri, "new"), expected, "{uri}");
        }
    }
}
