//! `sockeye doctor`: what is configured, what of it can be reached, what is wrong, and what to do about it.

use std::{fmt::Display, fs, path::Path, process::ExitCode, time::Duration};

use sockeye_adapters::{
    log::kafka::KafkaAdmin,
    redis::{Redis, RedisOptions},
};
use sockeye_core::ports::Entropy;
use tokio::time::timeout;

use super::adapters::{kafka_options, open_mongo, s3};
use crate::{
    clock::SystemEntropy,
    config::{Config, ContractName, Http, Role},
    private,
};

/// A server that says nothing for this long is not reachable.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

const NO_PUBLIC_URL: &str = "SOCKEYE_PUBLIC_URL is not set: pictures are stored by name, which another backend on this \
    database could not show.";

/// Prints its findings; fails when something does not work.
pub async fn run(config: Config) -> ExitCode {
    let mut report = Report::default();
    configuration(&config, &mut report);
    kafka(&config, &mut report).await;
    mongodb(&config, &mut report).await;
    redis(&config, &mut report).await;
    media(&config, &mut report).await;
    if report.failures == 0 {
        println!("Nothing is wrong.");
        return ExitCode::SUCCESS;
    }
    println!("{} found that must be mended.", report.failures);
    ExitCode::FAILURE
}

/// Prints a finding a line.
#[derive(Default)]
struct Report {
    failures: usize,
}

impl Report {
    fn ok(&mut self, part: &str, fact: impl Display) {
        println!("  ok    {part:<14}{fact}");
    }

    fn warn(&mut self, part: &str, concern: impl Display) {
        println!("  warn  {part:<14}{concern}");
    }

    fn fail(&mut self, part: &str, failure: impl Display) {
        self.failures += 1;
        println!("  FAIL  {part:<14}{failure}");
    }
}

fn configuration(config: &Config, report: &mut Report) {
    const PART: &str = "configuration";
    let contract = match config.contract {
        ContractName::Direct => "direct",
        ContractName::DirectV1 => "direct-v1",
    };
    let mode = if config.production { "production" } else { "development" };
    report.ok(PART, format_args!("Sockeye {}, contract {contract}, {mode}.", env!("CARGO_PKG_VERSION")));
    for warning in config.warnings.iter().chain(&config.odd_files()) {
        report.warn(PART, warning);
    }
    for warning in config.auth.secret_warnings(config.production, config.http.host.is_loopback()) {
        report.warn(PART, warning);
    }
    report.ok(PART, proxies(&config.http));
    report.ok(PART, pages(&config.http));
    let unfit = [Role::Gateway, Role::Worker].map(|role| config.unfit_for(role));
    if config.kafka.is_none() {
        report.ok(PART, "One process: `sockeye` (the embedded log).");
        return;
    }
    for (command, unfit) in ["serve", "work"].iter().zip(unfit) {
        match unfit.is_empty() {
            true => report.ok(PART, format_args!("Fit for `sockeye {command}`.")),
            false => unfit.iter().for_each(|missing| report.warn(PART, missing)),
        }
    }
}

/// Whose word about clients' addresses is taken: an operator sees at once what does not fit.
fn proxies(http: &Http) -> String {
    if http.proxy_hops == 0 {
        return "No proxy in front: X-Forwarded headers are ignored (SOCKEYE_TRUST_PROXY_HOPS=0).".to_owned();
    }
    let networks: Vec<String> = http.trusted_proxies.iter().map(ToString::to_string).collect();
    format!(
        "Proxies in front: {} (SOCKEYE_TRUST_PROXY_HOPS); X-Forwarded headers are believed from {} \
         (SOCKEYE_TRUSTED_PROXIES), and from nobody else.",
        http.proxy_hops,
        networks.join(", ")
    )
}

fn pages(http: &Http) -> String {
    let origins: Vec<&str> = http.origins.iter().chain(&http.public_url).map(String::as_str).collect();
    if origins.is_empty() {
        return "Pages that may call with cookies: its own (more with CORS_ORIGINS).".to_owned();
    }
    format!("Pages that may call with cookies: its own, {}.", origins.join(", "))
}

async fn kafka(config: &Config, report: &mut Report) {
    const PART: &str = "Kafka";
    let Some(kafka) = &config.kafka else { return };
    let admin = match KafkaAdmin::open(kafka_options(config, kafka, Role::Gateway)) {
        Ok(admin) => admin,
        Err(error) => return report.fail(PART, error),
    };
    match timeout(ANSWER_WITHIN, admin.describe()).await {
        Ok(Ok(found)) => {
            found.facts.iter().for_each(|fact| report.ok(PART, fact));
            found.warnings.iter().for_each(|warning| report.warn(PART, warning));
            if kafka.sasl.is_some() {
                let (topic, group) = (&kafka.topic, &kafka.group);
                report.warn(
                    PART,
                    format_args!(
                        "Writing was not tried, as it would leave something. Where access lists are in force, the account needs \
                         Describe, DescribeConfigs, Read and Write on {topic} and {topic}.dead-letter, Read on the group \
                         {group}, and Create for `sockeye migrate`."
                    ),
                );
            }
            if found.topic.is_none() {
                report.fail(PART, format_args!("There is no topic {}: run `sockeye migrate`.", kafka.topic));
            }
        }
        Ok(Err(error)) => report.fail(PART, format_args!("{error}. Check KAFKA_BROKERS, user and TLS.")),
        Err(_) => report.fail(PART, "no answer. Check KAFKA_BROKERS, and that this machine may connect."),
    }
}

async fn mongodb(config: &Config, report: &mut Report) {
    const PART: &str = "MongoDB";
    let dir = &config.storage.data_dir;
    let Some(mongodb) = &config.mongodb else { return directory("store", dir, report) };
    let store = match open_mongo(config, mongodb).await {
        Ok(store) => store,
        Err(error) => return report.fail(PART, error),
    };
    let described = timeout(ANSWER_WITHIN, store.describe()).await;
    store.close().await;
    match described {
        Ok(Ok(found)) => {
            let set = found.replica_set.as_deref().unwrap_or("none");
            report.ok(
                PART,
                format_args!(
                    "Version {}, database {}, replica set {set}; about {} users and {} messages.",
                    found.version, found.database, found.users_len, found.messages_len
                ),
            );
            for member in &found.members {
                report.ok(PART, format_args!("{} is {}.", member.address, member.state));
            }
            found.problems.iter().for_each(|problem| report.fail(PART, problem));
            if config.http.public_url.is_none() {
                report.warn(PART, NO_PUBLIC_URL);
            }
        }
        Ok(Err(error)) => report.fail(PART, format_args!("{error}. Check MONGODB_URI.")),
        Err(_) => report.fail(PART, "no answer. Check MONGODB_URI, and that this machine may connect."),
    }
}

async fn redis(config: &Config, report: &mut Report) {
    const PART: &str = "Redis";
    let Some(settings) = &config.redis else { return };
    let entropy: &dyn Entropy = &SystemEntropy;
    let mut options = RedisOptions::new(&settings.url);
    options.prefix.clone_from(&settings.prefix);
    "doctor".clone_into(&mut options.node_name);
    let redis = match Redis::start(options, entropy) {
        Ok(redis) => redis,
        Err(error) => return report.fail(PART, error),
    };
    let tried = async {
        redis.connected().await;
        redis.try_out().await
    };
    match timeout(ANSWER_WITHIN, tried).await {
        Ok(Ok(found)) => {
            let version = found.version.as_deref().unwrap_or("unknown");
            if found.problems.is_empty() {
                report.ok(
                    PART,
                    format_args!("Version {version}: presence, limits and events between nodes work."),
                );
            }
            found.problems.iter().for_each(|problem| report.fail(PART, problem));
        }
        Ok(Err(error)) => report.fail(PART, format_args!("{error}. Check REDIS_URL.")),
        Err(_) => {
            let why = redis.why_away().unwrap_or_else(|| "no answer".to_owned());
            report.fail(PART, format_args!("{why}. Check REDIS_URL, and that this machine may connect."));
        }
    }
}

async fn media(config: &Config, report: &mut Report) {
    const PART: &str = "pictures";
    match s3(config) {
        Ok(None) => directory(PART, &config.storage.data_dir, report),
        Ok(Some(s3)) => match timeout(ANSWER_WITHIN, s3.check()).await {
            Ok(Ok(())) => report.ok(PART, "The S3 bucket answers."),
            Ok(Err(error)) => report.fail(PART, format_args!("{error}. Check SOCKEYE_S3_*.")),
            Err(_) => report.fail(PART, "S3 does not answer. Check SOCKEYE_S3_ENDPOINT."),
        },
        Err(error) => report.fail(PART, error),
    }
}

/// Whether files can be made there.
fn directory(part: &str, dir: &Path, report: &mut Report) {
    let probe = dir.join(".doctor");
    let made =
        fs::create_dir_all(dir).and_then(|()| fs::write(&probe, b"")).and_then(|()| fs::remove_file(&probe));
    match made {
        Ok(()) => {
            report.ok(part, format_args!("In {}.", dir.display()));
            if private::is_open(dir) {
                report.warn(
                    part,
                    "Others on this machine can look into SOCKEYE_DATA_DIR; a start closes it, if it may.",
                );
            }
        }
        Err(error) => report.fail(part, format_args!("{}: {error}. Check SOCKEYE_DATA_DIR.", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn whose_word_is_taken_is_said() {
        let http = |pairs: &[(&'static str, &'static str)]| {
            Config::from_settings(&Settings::from_pairs(pairs.iter().copied())).http
        };
        assert!(proxies(&http(&[])).contains("are ignored"));
        let named = proxies(&http(&[("SOCKEYE_TRUSTED_PROXIES", "203.0.113.7, 10.1.0.0/16")]));
        assert!(named.contains("in front: 1") && named.contains("203.0.113.7/32, 10.1.0.0/16"), "{named}");
        let production = pages(&http(&[("NODE_ENV", "production")]));
        assert!(production.contains("its own (more"), "{production}");
        let listed = pages(&http(&[("CORS_ORIGINS", "null"), ("SOCKEYE_PUBLIC_URL", "https://chat.test")]));
        assert!(listed.contains("its own, null, https://chat.test."), "{listed}");
    }
}
