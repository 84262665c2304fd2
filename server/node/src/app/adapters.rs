//! Which adapter is behind each port: the embedded ones, or the cluster's servers where they are configured.

use std::{fmt::Display, fs, path::Path, sync::Arc, time::Duration};

use sockeye_adapters::{
    auth::{Bcrypt, Jwt},
    blobs::{
        DirectoryBlobs,
        s3::{S3Blobs, S3Keys, S3Options},
    },
    bus::{
        LocalBus,
        redis::{RedisBus, RedisBusOptions},
    },
    limiter::{
        LocalLimiter,
        redis::{RedisLimiter, RedisLimiterOptions},
    },
    log::{
        embedded::{EmbeddedLog, EmbeddedLogOptions},
        kafka::{KafkaAdmin, KafkaLog, KafkaLogOptions, KafkaSasl, KafkaSaslMechanism, KafkaTls},
    },
    presence::{
        LocalPresence,
        redis::{RedisPresence, RedisPresenceOptions},
    },
    redis::{Redis, RedisOptions},
    store::{
        mongo::{MongoReadPreference, MongoSchema, MongoStore, MongoStoreOptions},
        sqlite::{SqliteStore, SqliteStoreOptions},
    },
};
use sockeye_core::{
    Ports,
    ports::{Blobs, Bus, Clock, Entropy, Limiter, MessageLog, Presence, Store},
};
use tokio::time::{Instant, sleep};

use crate::config::{Config, ContractName, Kafka, Mongodb, ReadPreference, Role, SaslMechanism};

/// Events on the local bus that a reader may be behind.
const BUS_LEN_MAX: usize = 4096;
/// Client addresses whose requests are counted.
const LIMITER_KEYS_MAX: usize = 100_000;
/// How long a log-in or sign-up may wait for its turn, in about.
const PASSWORD_WAIT_MS_MAX: u64 = 3_000;
/// Accounts that are looked at to learn what their passwords' hashes cost.
const HASH_SAMPLE_LEN: usize = 200;
/// How long a process that starts waits for its servers; then it fails, and whatever supervises it decides.
const SERVERS_WITHIN: Duration = Duration::from_secs(60);
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a process that stops tries to tell the others.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

/// What a worker needs, and a gateway first.
pub struct Storage {
    pub log: Arc<dyn MessageLog>,
    pub store: Arc<dyn Store>,
    /// The store, when it is MongoDB.
    mongo: Option<Arc<MongoStore>>,
}

/// What connects a gateway to its clients and to other gateways.
pub struct Company {
    pub bus: Arc<dyn Bus>,
    pub presence: Arc<dyn Presence>,
    pub limiter: Arc<dyn Limiter>,
    /// To be told when this gateway stops.
    others: Option<(Arc<RedisBus>, Arc<RedisPresence>)>,
}

impl Storage {
    /// Opens log and store, creates what is missing in them, and sees that they belong together. Waits a while for servers.
    ///
    /// # Errors
    /// A sentence.
    pub async fn open(config: &Config, role: Role, clock: Arc<dyn Clock>) -> Result<Self, String> {
        if config.node.migrate_on_start {
            for done in patiently("the servers", || migrate(config)).await? {
                tracing::info!("{done}");
            }
        }
        let dir = &config.storage.data_dir;
        let log: Arc<dyn MessageLog> = match &config.kafka {
            Some(kafka) => named("Kafka", KafkaLog::open(kafka_options(config, kafka, role)).map(Arc::new))?,
            None => {
                let options = EmbeddedLogOptions {
                    retention_ms: config.storage.log_retention_ms,
                    ..EmbeddedLogOptions::default()
                };
                named("the message log", EmbeddedLog::open(dir, clock.clone(), options).map(Arc::new))?
            }
        };
        let (store, mongo): (Arc<dyn Store>, _) = match &config.mongodb {
            Some(mongodb) => {
                let mongo = Arc::new(open_mongo(config, mongodb).await?);
                (mongo.clone(), Some(mongo))
            }
            None => {
                let options = SqliteStoreOptions::default();
                (named("the store", SqliteStore::open(dir, clock, options).map(Arc::new))?, None)
            }
        };
        let storage = Self { log, store, mongo };
        match storage.refuse_younger_log().await {
            Ok(()) => Ok(storage),
            Err(problem) => {
                storage.close().await;
                Err(problem)
            }
        }
    }

    /// When nobody asks any more.
    pub async fn close(&self) {
        if let Some(mongo) = &self.mongo {
            mongo.close().await;
        }
    }

    /// A log that is behind its store would give out places that are taken.
    async fn refuse_younger_log(&self) -> Result<(), String> {
        // In this order: others append and store meanwhile.
        let stored = patiently("the store", || self.store.stored()).await?;
        let end = patiently("the message log", || self.log.end()).await?;
        if end.covers_all(&stored) {
            return Ok(());
        }
        Err(format!(
            "the message log ends at {end}, but the store has it through {stored}: the log was replaced or restored from an \
             older backup. Restore both from the same backup, or start a new log under a new name (KAFKA_TOPIC)"
        ))
    }
}

impl Company {
    /// Does not wait for Redis: while it is away, a gateway serves its own clients.
    ///
    /// # Errors
    /// A sentence.
    pub fn open(config: &Config, entropy: &dyn Entropy) -> Result<Self, String> {
        let Some(redis) = Self::redis(config, entropy)? else {
            return Ok(Self {
                bus: Arc::new(LocalBus::new(BUS_LEN_MAX)),
                presence: Arc::new(LocalPresence::default()),
                limiter: Arc::new(LocalLimiter::new(LIMITER_KEYS_MAX)),
                others: None,
            });
        };
        let bus = Arc::new(RedisBus::start(redis.clone(), RedisBusOptions::default()));
        let presence =
            Arc::new(RedisPresence::start(redis.clone(), bus.clone(), RedisPresenceOptions::default()));
        Ok(Self {
            limiter: Arc::new(RedisLimiter::new(redis, RedisLimiterOptions::default())),
            bus: bus.clone(),
            presence: presence.clone(),
            others: Some((bus, presence)),
        })
    }

    /// A way to Redis, when there is one.
    ///
    /// # Errors
    /// A sentence.
    pub fn redis(config: &Config, entropy: &dyn Entropy) -> Result<Option<Redis>, String> {
        let Some(settings) = &config.redis else { return Ok(None) };
        let mut options = RedisOptions::new(&settings.url);
        options.prefix.clone_from(&settings.prefix);
        options.node_name = node_name(config);
        named("Redis", Redis::start(options, entropy)).map(Some)
    }

    /// Tells the other gateways that this one is gone.
    pub async fn leave(&self) {
        if let Some((bus, presence)) = &self.others {
            presence.leave().await;
            bus.flush(FAREWELL_WITHIN).await;
        }
    }
}

/// All ports of a gateway.
///
/// # Errors
/// A sentence.
pub async fn ports(
    config: &Config,
    storage: &Storage,
    company: &Company,
    secret: &str,
    user_claim: &'static str,
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
) -> Result<Ports, String> {
    let jwt = Jwt::new(secret.as_bytes(), config.auth.token_lifetime_ms, user_claim, entropy.clone())
        .with_previous(config.auth.jwt_secrets_previous.iter().map(String::as_bytes));
    Ok(Ports {
        log: storage.log.clone(),
        store: storage.store.clone(),
        bus: company.bus.clone(),
        presence: company.presence.clone(),
        limiter: company.limiter.clone(),
        blobs: blobs(config)?,
        passwords: Arc::new(passwords(config, storage, entropy.clone()).await?),
        tokens: Arc::new(jwt),
        clock,
        entropy,
    })
}

async fn passwords(config: &Config, storage: &Storage, entropy: Arc<dyn Entropy>) -> Result<Bcrypt, String> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let bcrypt = Bcrypt::new(config.auth.bcrypt_cost, threads, PASSWORD_WAIT_MS_MAX, entropy);
    let bcrypt = named("password hashing", bcrypt)?;
    let takes = bcrypt.hash_takes();
    let per_second = (threads as f64 / takes.as_secs_f64().max(1e-6)).max(1.0);
    tracing::info!("a log-in takes {} ms here, {per_second:.0} a second", takes.as_millis().max(1));
    // Asked again and again while the store is away: without an answer it could be told by the time which accounts exist.
    let hashes = patiently("the store", || storage.store.some_password_hashes(HASH_SAMPLE_LEN)).await?;
    bcrypt.level_with(&hashes);
    Ok(bcrypt)
}

fn blobs(config: &Config) -> Result<Arc<dyn Blobs>, String> {
    if let Some(s3) = s3(config)? {
        return Ok(Arc::new(s3));
    }
    let dir = &config.storage.data_dir;
    if config.redis.is_some() {
        tracing::warn!(
            dir = %dir.join("media").display(),
            "pictures are in a directory, which all gateways must share; or set SOCKEYE_S3_BUCKET"
        );
    }
    Ok(Arc::new(named("the media directory", DirectoryBlobs::open(dir))?))
}

/// The object storage, when one is configured.
///
/// # Errors
/// A sentence.
pub fn s3(config: &Config) -> Result<Option<S3Blobs>, String> {
    let Some(s3) = &config.s3 else { return Ok(None) };
    let keys = s3.keys.clone().map(|(access_key, secret_key)| S3Keys { access_key, secret_key });
    let options = S3Options {
        bucket: s3.bucket.clone(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        keys,
        prefix: s3.prefix.clone(),
        environment: s3.environment.clone(),
        ..S3Options::default()
    };
    named("S3", S3Blobs::new(options)).map(Some)
}

/// Creates what is missing in the servers: topics and indexes. What was done, a sentence each.
///
/// # Errors
/// A sentence that says what to do.
pub async fn migrate(config: &Config) -> Result<Vec<String>, String> {
    let mut done = vec![];
    if let Some(kafka) = &config.kafka {
        let admin = named("Kafka", KafkaAdmin::open(kafka_options(config, kafka, Role::Gateway)))?;
        done.extend(named("Kafka", admin.migrate().await)?);
    }
    if let Some(mongodb) = &config.mongodb {
        let store = open_mongo(config, mongodb).await?;
        let migrated = named("MongoDB", store.migrate().await);
        store.close().await;
        done.extend(migrated?);
    }
    Ok(done)
}

/// # Errors
/// A sentence.
pub async fn open_mongo(config: &Config, mongodb: &Mongodb) -> Result<MongoStore, String> {
    let schema = match config.contract {
        ContractName::Direct => MongoSchema::Direct,
        ContractName::DirectV1 => MongoSchema::DirectV1,
    };
    let mut options = MongoStoreOptions::new(mongodb.uri.clone(), schema);
    options.history_read = match mongodb.read_preference {
        ReadPreference::Primary => MongoReadPreference::Primary,
        ReadPreference::PrimaryPreferred => MongoReadPreference::PrimaryPreferred,
        ReadPreference::Secondary => MongoReadPreference::Secondary,
        ReadPreference::SecondaryPreferred => MongoReadPreference::SecondaryPreferred,
        ReadPreference::Nearest => MongoReadPreference::Nearest,
    };
    options.public_url.clone_from(&config.http.public_url);
    options.log_name =
        config.kafka.as_ref().map_or_else(|| "embedded".to_owned(), |kafka| kafka.topic.clone());
    named("MongoDB", MongoStore::open(options).await)
}

pub fn kafka_options(config: &Config, kafka: &Kafka, role: Role) -> KafkaLogOptions {
    let mut options = KafkaLogOptions::new(&kafka.brokers, &kafka.topic, &kafka.group);
    options.node = node_name(config);
    options.instance = config.node.name.clone().filter(|_| role != Role::Gateway);
    options.sasl = kafka.sasl.as_ref().map(|sasl| KafkaSasl {
        mechanism: match sasl.mechanism {
            SaslMechanism::Plain => KafkaSaslMechanism::Plain,
            SaslMechanism::ScramSha256 => KafkaSaslMechanism::ScramSha256,
            SaslMechanism::ScramSha512 => KafkaSaslMechanism::ScramSha512,
        },
        username: sasl.username.clone(),
        password: sasl.password.clone(),
    });
    options.tls = kafka.tls.then(|| KafkaTls { ca_file: kafka.tls_ca.clone() });
    options.public_url.clone_from(&config.http.public_url);
    options.partitions = kafka.partitions;
    options.replication = kafka.replication;
    options
}

/// What people call this process: its given name, else the machine's.
pub fn node_name(config: &Config) -> String {
    let machine = || fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).ok();
    let name = config.node.name.clone().or_else(machine).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "sockeye".to_owned() } else { name.to_owned() }
}

/// Asks again and again for a while: servers may be starting too.
async fn patiently<T, E: Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> Result<T, String> {
    let until = Instant::now() + SERVERS_WITHIN;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= until => return Err(format!("{what}: {error}")),
            Err(error) => tracing::warn!(%error, "waiting for {what}"),
        }
        sleep(ASK_AGAIN_AFTER).await;
    }
}

pub(super) fn named<T, E: Display>(what: &str, opened: Result<T, E>) -> Result<T, String> {
    opened.map_err(|error| format!("{what}: {error}"))
}
