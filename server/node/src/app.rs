//! Wires the parts together: configuration in, running process out. The only file that names an adapter.

use std::{fmt::Display, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use sockeye_adapters::{
    auth::{Bcrypt, Jwt},
    blobs::DirectoryBlobs,
    bus::LocalBus,
    limiter::LocalLimiter,
    log::embedded::{EmbeddedLog, EmbeddedLogOptions},
    presence::LocalPresence,
    store::sqlite::{SqliteStore, SqliteStoreOptions},
};
use sockeye_core::{
    Bounds, Chat, Ports,
    limits::Rule,
    ports::{Clock, Entropy, MessageLog, Messages},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{SystemClock, SystemEntropy},
    config::{Config, ContractName, TrustQueryUser},
    contracts::{direct::Direct, direct_v1::DirectV1},
    gateway::{
        Gateway,
        connection::Connections,
        contract::Contract,
        delivery::Delivery,
        http::{HttpParts, cookies::CookieRules, limits::AddressLimits, origin::Trust, router},
        hub::Hub,
        instruments::Instruments,
        recovery::RecoveryKey,
        wire::{OriginPolicy, Transports, Wire, WireConfig},
    },
    lifecycle::Lifecycle,
    ops::{self, Health, Metrics, Sampler},
    secret,
    worker::store::Storer,
};

/// Events on the local bus that a reader may be behind.
const BUS_LEN_MAX: usize = 4096;
/// Client addresses whose requests are counted.
const LIMITER_KEYS_MAX: usize = 100_000;
/// Log-ins and sign-ups that may wait for a turn.
const PASSWORD_QUEUE_LEN_MAX: usize = 512;
/// Events held for a socket that is not proven yet.
const HELD_LEN_MAX: usize = 64;

/// Runs everything in this process until a signal.
///
/// # Errors
/// A sentence that says what kept the process from starting, or made it stop.
pub async fn run(config: Config) -> Result<(), String> {
    let metrics = Metrics::install()?;
    warn_about(&config);
    let contract: Arc<dyn Contract> = match config.contract {
        ContractName::Direct => Arc::new(Direct::new()),
        ContractName::DirectV1 => Arc::new(DirectV1::new()),
    };
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
        (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let data_dir = &config.storage.data_dir;
    let secret = secret::read_or_make(config.auth.jwt_secret.as_deref(), data_dir, &*entropy)?;
    let ports = embedded(&config, &secret, contract.profile().user_claim, clock.clone(), entropy).await?;
    let ports = ops::measured(ports);
    let chat = Arc::new(Chat::new(ports.clone(), bounds(&config)));

    let lifecycle = Lifecycle::default();
    let delivered = ports.log.end().await.map_err(|error| format!("the message log: {error}"))?;
    let tail = ports.log.tail(&delivered).await.map_err(|error| format!("the message log: {error}"))?;
    let hub = Hub::new(delivered);
    let delivery = Delivery {
        hub: hub.clone(),
        chat: chat.clone(),
        contract: contract.clone(),
        presence_coalesce: config.wire.presence_coalesce,
    };
    let subscription = ports.bus.subscribe().await.map_err(|error| error.to_string())?;
    lifecycle.spawn("delivery", delivery.run(tail, subscription, lifecycle.stop()));
    lifecycle
        .spawn("store", Storer { log: ports.log.clone(), store: ports.store.clone() }.run(lifecycle.stop()));

    let health = Health::of_gateway(&ports);
    let sampler = Sampler {
        metrics: metrics.clone(),
        health: health.clone(),
        log: ports.log.clone(),
        store: Some(ports.store.clone()),
        delivered: Some(ops::Delivered { hub: hub.clone(), chat: chat.clone() }),
    };
    lifecycle.spawn("sampler", sampler.run(lifecycle.stop()));

    let gateway = gateway(&config, chat, contract.as_ref(), clock.clone());
    let wire = Wire::new(
        wire_config(&config, contract.as_ref()),
        Arc::new(connections(&config, gateway.clone(), contract.clone(), hub, clock, &secret)),
    );
    let service = router(HttpParts {
        gateway,
        contract: contract.clone(),
        wire: wire.clone(),
        health: ops::health_routes(health.clone()),
        metrics: ops::metrics_route(metrics),
        trust: Trust { proxy_hops: config.http.proxy_hops, public_url: config.http.public_url.clone() },
        origins: config.http.origins.clone(),
        static_dir: config.http.static_dir.clone(),
        body_bytes_max: config.limits.body_bytes_max(),
        request_timeout: Duration::from_millis(config.http.request_timeout_ms),
        production: config.production,
    });

    let address = SocketAddr::new(config.http.host, config.http.port);
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    announce(bound, contract.profile().name, data_dir);

    let stop_accepting = CancellationToken::new();
    let stopped = stop_accepting.clone();
    let server = axum::serve(listener, service.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stopped.cancelled_owned());
    lifecycle.spawn("http", async move { server.await });
    let drain = async move {
        health.drain();
        stop_accepting.cancel();
        wire.close(Duration::ZERO).await;
    };
    lifecycle.run(Duration::from_millis(config.shutdown_ms), drain).await
}

async fn embedded(
    config: &Config,
    secret: &str,
    user_claim: &'static str,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Ports, String> {
    let dir = &config.storage.data_dir;
    let log_options =
        EmbeddedLogOptions { retention_ms: config.storage.log_retention_ms, ..EmbeddedLogOptions::default() };
    let log: Arc<dyn MessageLog> =
        Arc::new(open("the message log", EmbeddedLog::open(dir, clock.clone(), log_options))?);
    let store = open("the store", SqliteStore::open(dir, clock.clone(), SqliteStoreOptions::default()))?;
    let end = open("the message log", log.end().await)?;
    let stored = open("the store", store.stored().await)?;
    if !end.covers_all(&stored) {
        return Err(format!(
            "the message log in {} is older than the store beside it: restore both from the same backup",
            dir.display()
        ));
    }
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let bcrypt = Bcrypt::new(config.auth.bcrypt_cost, cores, PASSWORD_QUEUE_LEN_MAX, entropy.clone());
    let jwt = Jwt::new(secret.as_bytes(), config.auth.token_lifetime_ms, user_claim, entropy.clone());
    Ok(Ports {
        log,
        store: Arc::new(store),
        bus: Arc::new(LocalBus::new(BUS_LEN_MAX)),
        presence: Arc::new(LocalPresence::default()),
        blobs: Arc::new(open("the media directory", DirectoryBlobs::open(dir))?),
        passwords: Arc::new(open("password hashing", bcrypt)?),
        tokens: Arc::new(jwt),
        clock,
        entropy,
    })
}

fn open<T, E: Display>(what: &str, opened: Result<T, E>) -> Result<T, String> {
    opened.map_err(|error| format!("{what}: {error}"))
}

fn bounds(config: &Config) -> Bounds {
    let limits = &config.limits;
    Bounds {
        text_chars_max: limits.text_chars_max,
        image_bytes_max: limits.media_bytes_max,
        history_len_max: limits.history_len_max,
        people_len_max: limits.people_len_max,
        resume_len_max: limits.recovery_len_max,
        ..Bounds::default()
    }
}

fn gateway(config: &Config, chat: Arc<Chat>, contract: &dyn Contract, clock: Arc<dyn Clock>) -> Gateway {
    let rule = |rule: &Rule| Arc::new(rule.clone());
    Gateway {
        chat,
        profile: Arc::new(contract.profile()),
        cookies: CookieRules { secure: config.auth.cookie_secure, same_site: config.auth.cookie_same_site },
        limits: AddressLimits {
            limiter: Arc::new(LocalLimiter::new(LIMITER_KEYS_MAX)),
            clock,
            requests: rule(&config.limits.requests),
            sign_in: rule(&config.limits.sign_in),
        },
        public_url: config.http.public_url.clone(),
    }
}

fn connections(
    config: &Config,
    gateway: Gateway,
    contract: Arc<dyn Contract>,
    hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
    secret: &str,
) -> Connections {
    Connections {
        instruments: Instruments::new(&gateway.profile),
        gateway,
        contract,
        hub,
        clock,
        recovery: config.wire.recovery.then(|| RecoveryKey::derive(secret)),
        trust: config.auth.trust_query_user,
        proof_timeout: Duration::from_millis(config.auth.proof_timeout_ms),
        held_len_max: HELD_LEN_MAX,
        events: config.limits.events.clone(),
        stall_after: config.wire.write_stall_after,
    }
}

fn wire_config(config: &Config, contract: &dyn Contract) -> WireConfig {
    let (wire, profile) = (&config.wire, contract.profile());
    WireConfig {
        ping_interval: Duration::from_millis(wire.ping_interval_ms.unwrap_or(profile.ping_interval_ms)),
        ping_timeout: Duration::from_millis(wire.ping_timeout_ms.unwrap_or(profile.ping_timeout_ms)),
        connect_timeout: wire.connect_timeout,
        upgrade_timeout: wire.upgrade_timeout,
        max_payload_bytes: wire.max_payload_bytes,
        transports: Transports { polling: wire.transports.polling, websocket: wire.transports.websocket },
        allow_eio3: profile.allow_eio3,
        outbound_queue_len_max: wire.outbound_queue_len_max,
        inbound_queue_len_max: wire.inbound_queue_len_max,
        write_stall_after: wire.write_stall_after,
        origins: OriginPolicy::List(config.http.origins.clone()),
        connections_per_address_max: config.limits.connections_per_address_max,
        trusted_proxy_hops: config.http.proxy_hops,
        ..WireConfig::default()
    }
}

fn warn_about(config: &Config) {
    match config.auth.trust_query_user {
        TrustQueryUser::Off => {}
        TrustQueryUser::Loopback => tracing::warn!(
            "SOCKEYE_TRUST_QUERY_USER=loopback: every program on this machine can read and write as anybody"
        ),
        TrustQueryUser::Always => tracing::warn!(
            "SOCKEYE_TRUST_QUERY_USER=always: ANYBODY WHO CAN CONNECT CAN READ AND WRITE AS ANYBODY"
        ),
    }
}

fn announce(bound: SocketAddr, contract: &str, data_dir: &Path) {
    let shown =
        if bound.ip().is_unspecified() { format!("localhost:{}", bound.port()) } else { bound.to_string() };
    tracing::info!(url = %format!("http://{shown}"), contract, data_dir = %data_dir.display(), "listening");
}
