//! The configuration: small structs, read once, a section a file. Each field's documentation names its variable and
//! default; `.env.example` and `.env.docker` list them all (held by `tests/env_files.rs`).

mod address;
mod auth;
mod dotenv;
mod files;
mod http;
mod kafka;
mod limits;
mod listener;
mod mongodb;
mod node;
mod redis;
mod s3;
mod secret_strength;
mod settings;
mod storage;
#[cfg(test)]
mod tests_of_all;
mod wire;

use tracing_subscriber::EnvFilter;

pub use auth::{Auth, TrustQueryUser};
pub use http::{Host, Http};
pub use kafka::{Kafka, Sasl, SaslMechanism};
pub use limits::Limits;
pub use listener::Listener;
pub use mongodb::{Mongodb, ReadPreference};
pub use node::{Node, OPS_PORT};
pub use redis::Redis;
pub use s3::S3;
pub use settings::Settings;
pub use storage::Storage;
pub use wire::{Transports, Wire};

/// Everything the process is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// `NODE_ENV=production`: refuses what is only fit for development. Default: development.
    pub production: bool,
    /// `SOCKEYE_CONTRACT`: whose frontend is served, `direct` or `direct-v1`. Default `direct`.
    pub contract: ContractName,
    /// `SOCKEYE_LOG`: what is logged, as a tracing filter. Default `info`.
    pub log_filter: String,
    /// `SOCKEYE_LOG_FORMAT`: `pretty`, `json` or `auto` (JSON in production). Default `auto`.
    pub log_json: bool,
    pub http: Http,
    pub listener: Listener,
    pub auth: Auth,
    pub wire: Wire,
    pub limits: Limits,
    pub storage: Storage,
    pub node: Node,
    pub kafka: Option<Kafka>,
    pub mongodb: Option<Mongodb>,
    pub redis: Option<Redis>,
    pub s3: Option<S3>,
    /// What an operator should look at, a sentence each, without values.
    pub warnings: Vec<String>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything, in one process.
    All,
    /// Serves clients.
    Gateway,
    /// Stores what the log has.
    Worker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractName {
    Direct,
    DirectV1,
}

impl Config {
    /// # Errors
    /// Everything that is wrong, a sentence each.
    pub fn read(settings: Settings) -> Result<Self, Vec<String>> {
        let config = Self::from_settings(&settings);
        let problems = settings.into_problems();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Reads with defaults in place of what is wrong; the problems stay in `settings`.
    pub fn from_settings(settings: &Settings) -> Self {
        let production = settings.choice(
            "NODE_ENV",
            false,
            &[("development", false), ("test", false), ("production", true)],
        );
        let contract = settings.choice(
            "SOCKEYE_CONTRACT",
            ContractName::Direct,
            &[("direct", ContractName::Direct), ("direct-v1", ContractName::DirectV1)],
        );
        let mut config = Self {
            production,
            contract,
            log_filter: settings.read("SOCKEYE_LOG", "info".to_owned(), log_filter),
            log_json: settings.choice(
                "SOCKEYE_LOG_FORMAT",
                production,
                &[("auto", production), ("json", true), ("pretty", false)],
            ),
            http: Http::from_settings(settings, production),
            listener: Listener::from_settings(settings),
            auth: Auth::from_settings(settings, production),
            wire: Wire::from_settings(settings),
            limits: Limits::from_settings(settings, production),
            storage: Storage::from_settings(settings),
            node: Node::from_settings(settings, production),
            kafka: Kafka::from_settings(settings),
            mongodb: Mongodb::from_settings(settings),
            redis: Redis::from_settings(settings),
            s3: S3::from_settings(settings),
            warnings: vec![],
        };
        config.refuse_halves(settings);
        config.refuse_one_port_for_two(settings);
        config.warnings = settings.warnings();
        config
    }

    /// What keeps this configuration from the role, a sentence each.
    pub fn unfit_for(&self, role: Role) -> Vec<String> {
        let (command, needs_redis) = match role {
            Role::All => return vec![],
            Role::Gateway => ("serve", true),
            Role::Worker => ("work", false),
        };
        let missing = [
            ("KAFKA_BROKERS", self.kafka.is_none(), "all processes share one log"),
            ("MONGODB_URI", self.mongodb.is_none(), "all processes share one store"),
            ("REDIS_URL", needs_redis && self.redis.is_none(), "gateways tell each other who is online"),
            (
                "JWT_SECRET",
                needs_redis && self.auth.jwt_secret.is_none(),
                "all gateways know each other's tokens",
            ),
        ];
        let missing = missing.into_iter().filter(|(_, missing, _)| *missing);
        missing.map(|(name, _, why)| format!("{name} must be set for `sockeye {command}`: {why}")).collect()
    }

    fn refuse_one_port_for_two(&self, settings: &Settings) {
        if self.http.port != 0 && self.node.ops_port == Some(self.http.port) {
            settings.problem(
                "SERVER_PORT (or PORT) and SOCKEYE_OPS_PORT are the same: clients and operators are served on ports of \
                 their own",
            );
        }
    }

    /// Half a cluster would lose or hide something.
    fn refuse_halves(&self, settings: &Settings) {
        if self.kafka.is_some() && self.mongodb.is_none() {
            settings.problem(
                "KAFKA_BROKERS is set, but MONGODB_URI is not: a shared log needs a shared store. Set MONGODB_URI, or unset \
                 KAFKA_BROKERS to run with the embedded log and store",
            );
        }
        if self.redis.is_some() && self.kafka.is_none() {
            settings.problem(
                "REDIS_URL is set, but KAFKA_BROKERS is not: Redis joins the nodes of a cluster, which share a log. Set \
                 KAFKA_BROKERS, or unset REDIS_URL to run a single process",
            );
        }
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    let understood = EnvFilter::try_new(text).map(|_| text.to_owned());
    understood.map_err(|_| "is a filter such as info, or info,sockeye=debug".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_a_laptop() {
        let config = Config::read(Settings::default()).unwrap();
        assert!(!config.production);
        assert_eq!(config.contract, ContractName::Direct);
        assert_eq!(config.http.port, 5000);
        assert_eq!(config.auth.trust_query_user, TrustQueryUser::Off);
    }

    #[test]
    fn half_a_cluster_is_refused() {
        for (half, wanted) in [
            (&[("KAFKA_BROKERS", "127.0.0.1:9092")][..], "MONGODB_URI"),
            (&[("REDIS_URL", "redis://127.0.0.1")], "KAFKA_BROKERS"),
            (&[("KAFKA_TOPIC", "chat")], "KAFKA_BROKERS"),
            (&[("KAFKA_USERNAME", "us-er")], "KAFKA_PASSWORD"),
            (&[("SOCKEYE_KAFKA_TLS_CA", "/ca.pem")], "SOCKEYE_KAFKA_TLS"),
            (&[("SOCKEYE_S3_ENDPOINT", "http://127.0.0.1")], "SOCKEYE_S3_BUCKET"),
        ] {
            let problems = Config::read(Settings::from_pairs(half.iter().copied())).unwrap_err();
            assert!(problems[0].contains(wanted), "{problems:?}");
            assert!(!problems[0].contains("127.0.0.1") && !problems[0].contains("us-er"), "values stay out");
        }
        let mongodb_alone = Settings::from_pairs([("MONGODB_URI", "mongodb://127.0.0.1/chat")]);
        assert!(Config::read(mongodb_alone).unwrap().unfit_for(Role::All).is_empty());
    }

    #[test]
    fn roles_of_a_cluster_need_all_that_is_shared() {
        let config = Config::read(Settings::default()).unwrap();
        assert_eq!(config.unfit_for(Role::Gateway).len(), 4);
        assert_eq!(config.unfit_for(Role::Worker).len(), 2);
        let cluster = Settings::from_pairs([
            ("KAFKA_BROKERS", "127.0.0.1:9092"),
            ("MONGODB_URI", "mongodb://127.0.0.1/chat"),
            ("REDIS_URL", "redis://127.0.0.1"),
            ("JWT_SECRET", STRONG),
        ]);
        let config = Config::read(cluster).unwrap();
        assert!(config.unfit_for(Role::Gateway).is_empty() && config.unfit_for(Role::Worker).is_empty());
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let config = Config::read(Settings::from_pairs([
            ("KAFKA_BROKERS", "127.0.0.1:9092"),
            ("KAFKA_USERNAME", "us-er"),
            ("KAFKA_PASSWORD", "se-cret"),
            ("MONGODB_URI", "mongodb://us-er:se-cret@127.0.0.1/chat"),
            ("REDIS_URL", "redis://:se-cret@127.0.0.1"),
            ("JWT_SECRET", "se-cret-2nQx7LmZpR4"),
            ("JWT_SECRET_PREVIOUS", "se-cret-3nQx7LmZpR4"),
            ("SOCKEYE_S3_BUCKET", "media"),
            ("SOCKEYE_S3_ACCESS_KEY", "us-er"),
            ("SOCKEYE_S3_SECRET_KEY", "se-cret"),
        ]));
        let text = format!("{:?}", config.unwrap());
        assert!(!text.contains("se-cret") && !text.contains("us-er"), "{text}");
    }

    const STRONG: &str = "kT9v-2nQx7LmZpR4-w8Yc1HsBd5GjVf3Ea";
    const TEMPLATE: &str = "your-super-secret-jwt-key-change-in-production";

    #[test]
    fn production_needs_a_strong_secret() {
        for weak in [None, Some("secret"), Some("kT9v-2nQx7LmZpR4"), Some(TEMPLATE)] {
            let mut pairs = vec![("NODE_ENV", "production")];
            pairs.extend(weak.map(|secret| ("JWT_SECRET", secret)));
            let problems = Config::read(Settings::from_pairs(pairs)).unwrap_err();
            assert!(problems.iter().any(|p| p.starts_with("JWT_SECRET")), "{weak:?}: {problems:?}");
            assert!(problems[0].contains("openssl rand -base64 32"), "it says how to make one: {problems:?}");
            assert!(!problems[0].contains(TEMPLATE), "and not what it is: {problems:?}");
        }
        let strong = [("NODE_ENV", "production"), ("JWT_SECRET", STRONG)];
        let config = Config::read(Settings::from_pairs(strong)).unwrap();
        assert!(config.auth.secret_warnings(true, false).is_empty());
    }

    #[test]
    fn a_weak_secret_of_an_existing_database_is_let_in_and_not_forgotten() {
        for name in ["JWT_SECRET", "JWT_SECRET_PREVIOUS"] {
            let with = |allowed| {
                let secret = ("JWT_SECRET", if name == "JWT_SECRET" { TEMPLATE } else { STRONG });
                let mut pairs =
                    vec![("NODE_ENV", "production"), secret, ("SOCKEYE_ALLOW_WEAK_SECRET", allowed)];
                pairs.extend((name != "JWT_SECRET").then_some((name, TEMPLATE)));
                Config::read(Settings::from_pairs(pairs))
            };
            assert!(with("off").unwrap_err()[0].starts_with(name));
            let warnings = with("on").unwrap().auth.secret_warnings(true, true);
            assert!(warnings.len() == 1 && warnings[0].starts_with(name), "{warnings:?}");
        }
    }

    #[test]
    fn a_weak_secret_in_development_is_warned_of_where_others_can_connect() {
        let config = Config::read(Settings::from_pairs([("JWT_SECRET", "a")])).unwrap();
        assert_eq!(config.auth.secret_warnings(false, false).len(), 1);
        assert!(config.auth.secret_warnings(false, true).is_empty());
        assert!(Config::read(Settings::default()).unwrap().auth.secret_warnings(false, false).is_empty());
    }

    #[test]
    fn previous_secrets_are_few() {
        let with = |previous| {
            Config::read(Settings::from_pairs([("JWT_SECRET", STRONG), ("JWT_SECRET_PREVIOUS", previous)]))
        };
        assert_eq!(with("one, two").unwrap().auth.jwt_secrets_previous, ["one", "two"]);
        let problems = with("one,two,three").unwrap_err();
        assert!(
            problems[0].starts_with("JWT_SECRET_PREVIOUS") && !problems[0].contains("three"),
            "{problems:?}"
        );
    }

    #[test]
    fn trusting_claims_in_production_must_be_spelled_out() {
        let with = |trust| {
            Config::read(Settings::from_pairs([
                ("NODE_ENV", "production"),
                ("JWT_SECRET", STRONG),
                ("SOCKEYE_TRUST_QUERY_USER", trust),
            ]))
        };
        assert!(with("loopback").is_err());
        assert!(with("always").is_ok());
        assert!(with("off").is_ok());
    }
}
