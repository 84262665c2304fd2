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
    config::{Config, ContractName, Role},
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
    for warning in config.auth.secret_warnings(config.production, config.http.host.is_loopback()) {
        report.warn(PART, warning);
    }
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
    let redis = match Redis::start(RedisOptions::new(&settings.url), entropy) {
        Ok(redis) => redis,
        Err(error) => return report.fail(PART, error),
    };
    let version = async {
        redis.connected().await;
        redis.version().await
    };
    match timeout(ANSWER_WITHIN, version).await {
        Ok(Ok(version)) => report.ok(PART, format_args!("Version {version}.")),
        Ok(Err(error)) => report.fail(PART, format_args!("{error}. Check REDIS_URL.")),
        Err(_) => report.fail(PART, "no answer. Check REDIS_URL, and that this machine may connect."),
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
        Ok(()) => report.ok(part, format_args!("In {}.", dir.display())),
        Err(error) => report.fail(part, format_args!("{}: {error}. Check SOCKEYE_DATA_DIR.", dir.display())),
    }
}
