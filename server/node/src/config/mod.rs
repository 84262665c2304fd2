//! The configuration: small structs, read once, a section a file. Each field's documentation names its variable and
//! default; `.env.example` and `.env.docker` list them all (held by `tests/env_files.rs`).

mod auth;
mod http;
mod limits;
mod settings;
mod storage;
mod wire;

pub use auth::{Auth, TrustQueryUser};
pub use http::Http;
pub use limits::Limits;
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
    /// `SOCKEYE_SHUTDOWN_MS`: how long a stop may take before it becomes hard. Default 10 s.
    pub shutdown_ms: u64,
    pub http: Http,
    pub auth: Auth,
    pub wire: Wire,
    pub limits: Limits,
    pub storage: Storage,
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
        refuse_cluster(settings);
        Self {
            production,
            contract,
            log_filter: settings.text("SOCKEYE_LOG").unwrap_or_else(|| "info".to_owned()),
            log_json: settings.choice(
                "SOCKEYE_LOG_FORMAT",
                production,
                &[("auto", production), ("json", true), ("pretty", false)],
            ),
            shutdown_ms: settings.millis("SOCKEYE_SHUTDOWN_MS", 10_000),
            http: Http::from_settings(settings, production),
            auth: Auth::from_settings(settings, production),
            wire: Wire::from_settings(settings),
            limits: Limits::from_settings(settings, production),
            storage: Storage::from_settings(settings),
        }
    }
}

/// Starting with an empty embedded store where somebody configured their database would look like lost data.
fn refuse_cluster(settings: &Settings) {
    for name in ["KAFKA_BROKERS", "MONGODB_URI", "REDIS_URL"] {
        if settings.text(name).is_some() {
            settings.problem(format!(
                "{name} is set, but this version runs embedded only: unset it to start with the embedded log and store"
            ));
        }
    }
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
    fn a_configured_database_is_not_ignored() {
        let settings = Settings::from_pairs([("MONGODB_URI", "mongodb://127.0.0.1/chat")]);
        let problems = Config::read(settings).unwrap_err();
        assert!(problems[0].contains("MONGODB_URI"), "{problems:?}");
        assert!(!problems[0].contains("127.0.0.1"), "values stay out of messages");
    }

    #[test]
    fn production_needs_a_strong_secret() {
        for weak in [None, Some("secret"), Some("short"), Some("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")] {
            let mut pairs = vec![("NODE_ENV", "production")];
            pairs.extend(weak.map(|secret| ("JWT_SECRET", secret)));
            let problems = Config::read(Settings::from_pairs(pairs)).unwrap_err();
            assert!(problems.iter().any(|p| p.starts_with("JWT_SECRET")), "{weak:?}: {problems:?}");
        }
        let strong = [("NODE_ENV", "production"), ("JWT_SECRET", "kT9v-2nQx7LmZpR4")];
        assert!(Config::read(Settings::from_pairs(strong)).is_ok());
    }

    #[test]
    fn trusting_claims_in_production_must_be_spelled_out() {
        let with = |trust| {
            Config::read(Settings::from_pairs([
                ("NODE_ENV", "production"),
                ("JWT_SECRET", "kT9v-2nQx7LmZpR4"),
                ("SOCKEYE_TRUST_QUERY_USER", trust),
            ]))
        };
        assert!(with("loopback").is_err());
        assert!(with("always").is_ok());
        assert!(with("off").is_ok());
    }
}
