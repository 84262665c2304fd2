//! Wires the parts together: configuration in, running process out. This file and its folder are the only ones that name
//! an adapter.

mod adapters;
pub mod doctor;
mod front;
pub mod healthcheck;
#[cfg(test)]
mod revocation;
pub mod sessions;

use std::{sync::Arc, time::Duration};

use sockeye_core::{
    Bounds, Chat,
    limits::Rule,
    media::ImageBounds,
    ports::{Clock, Entropy},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use self::adapters::migrate;
use self::{
    adapters::{Company, Storage, node_name, ports},
    front::Front,
};
use crate::{
    clock::{SystemClock, SystemEntropy},
    config::{Config, ContractName, OPS_PORT, Role, TrustQueryUser},
    contracts::{direct::Direct, direct_v1::DirectV1},
    gateway::{
        Bodies, Gateway,
        connection::Connections,
        contract::Contract,
        delivery::Delivery,
        http::{
            HttpParts, cookies::CookieRules, limits::AddressLimits, origin::Trust, proxies::Proxies, router,
        },
        hub::Hub,
        instruments::Instruments,
        recovery::RecoveryKey,
        session_check::SessionCheck,
        users::UserLimits,
        wire::{Transports, Wire, WireConfig},
    },
    lifecycle::Lifecycle,
    listener::descriptors,
    ops::{self, Health, Metrics, Sampler},
    secret,
    worker::store::Storer,
};

/// Events held for a socket that is not proven yet.
const HELD_LEN_MAX: usize = 64;

/// Runs a role until a signal.
///
/// # Errors
/// A sentence that says what kept the process from starting, or made it stop.
pub async fn run(config: Config, role: Role) -> Result<(), String> {
    for warning in config.warnings.iter().chain(&config.odd_files()) {
        tracing::warn!("{warning}");
    }
    let metrics = Metrics::install()?;
    let files_max = descriptors::raise_limit();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let storage = Storage::open(&config, role, clock.clone()).await?;
    let lifecycle = Lifecycle::default();
    if role != Role::Gateway {
        let storer = Storer { log: storage.log.clone(), store: storage.store.clone() };
        lifecycle.spawn("store", storer.run(lifecycle.stop()));
    }
    let outcome = match role {
        Role::Worker => work(&config, &storage, metrics, lifecycle).await,
        Role::All | Role::Gateway => {
            serve(&config, role, &storage, metrics, lifecycle, (clock, files_max)).await
        }
    };
    storage.close().await;
    outcome
}

/// A worker, that is what little of one is not the storer.
async fn work(
    config: &Config,
    storage: &Storage,
    metrics: Metrics,
    lifecycle: Lifecycle,
) -> Result<(), String> {
    let health = Health::new(storage.log.clone(), storage.store.clone(), None);
    let sampler = Sampler {
        metrics: metrics.clone(),
        health: health.clone(),
        log: storage.log.clone(),
        store: Some(storage.store.clone()),
        delivered: None,
    };
    lifecycle.spawn("sampler", sampler.run(lifecycle.stop()));
    let front = Front::ops(config, config.node.ops_port.unwrap_or(OPS_PORT)).await?;
    tracing::info!(node = node_name(config), ops = front.shown(), "working");
    front.serve(ops::router(health.clone(), metrics), &lifecycle, lifecycle.stop());
    let drain = async move { health.drain() };
    lifecycle.run(config.node.shutdown, drain).await
}

async fn serve(
    config: &Config,
    role: Role,
    storage: &Storage,
    metrics: Metrics,
    lifecycle: Lifecycle,
    (clock, files_max): (Arc<dyn Clock>, Option<u64>),
) -> Result<(), String> {
    warn_about(config);
    let contract: Arc<dyn Contract> = match config.contract {
        ContractName::Direct => Arc::new(Direct::new()),
        ContractName::DirectV1 => Arc::new(DirectV1::new()),
    };
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let data_dir = &config.storage.data_dir;
    let secret = secret::read_or_make(config.auth.jwt_secret.as_deref(), data_dir, &*entropy)?;
    let company = Company::open(config, &*entropy)?;
    let user_claim = contract.profile().user_claim;
    let ports = ports(config, storage, &company, &secret, user_claim, (clock.clone(), entropy)).await?;
    let ports = ops::measured(ports);
    let health = Health::new(ports.log.clone(), ports.store.clone(), Some(ports.bus.clone()));
    let chat = Arc::new(Chat::new(ports.clone(), bounds(config)));

    let subscription = ports.bus.subscribe().await.map_err(|error| error.to_string())?;
    let delivered = ports.log.end().await.map_err(|error| error.to_string())?;
    let tail = ports.log.tail(&delivered).await.map_err(|error| error.to_string())?;
    let hub = Hub::new(delivered);
    let delivery = Delivery {
        hub: hub.clone(),
        chat: chat.clone(),
        contract: contract.clone(),
        presence_coalesce: config.wire.presence_coalesce,
        check_sessions: Arc::new(Notify::new()),
    };
    let session_check = SessionCheck {
        hub: hub.clone(),
        chat: chat.clone(),
        every: config.auth.session_check,
        entropy: ports.entropy.clone(),
        soon: delivery.check_sessions.clone(),
    };
    lifecycle.spawn("delivery", delivery.run(tail, subscription, lifecycle.stop()));
    lifecycle.spawn("session check", session_check.run(lifecycle.stop()));

    let sampler = Sampler {
        metrics: metrics.clone(),
        health: health.clone(),
        log: ports.log.clone(),
        store: (role == Role::All).then(|| ports.store.clone()),
        delivered: Some(ops::Delivered { hub: hub.clone(), chat: chat.clone() }),
    };
    lifecycle.spawn("sampler", sampler.run(lifecycle.stop()));

    let gateway = gateway(config, chat, contract.as_ref(), &company, clock.clone());
    let trust = Arc::new(trust(config));
    let wire = Wire::new(
        wire_config(config, contract.as_ref(), trust.clone()),
        Arc::new(connections(config, gateway.clone(), contract.clone(), hub, clock, &secret)),
    );
    let service = router(HttpParts {
        gateway,
        contract: contract.clone(),
        wire: wire.clone(),
        alive: ops::alive_route(),
        ready: ops::ready_route(health.clone()),
        metrics: ops::metrics_route(metrics.clone()),
        inside: front::audience(config),
        trust,
        static_dir: config.http.static_dir.clone(),
        pace: front::pace(config),
        files: Arc::new(config.limits.files.clone()),
        production: config.production,
    });

    let front = Front::clients(config, files_max).await?;
    if let Some(port) = config.node.ops_port {
        let front = Front::ops(config, port).await?;
        tracing::info!(ops = front.shown(), "answering operators");
        front.serve(ops::router(health.clone(), metrics), &lifecycle, lifecycle.stop());
    }
    tracing::info!(
        url = %format!("http://{}", front.shown()),
        contract = contract.profile().name,
        node = node_name(config),
        data_dir = %data_dir.display(),
        connections_max = front.connections_max(),
        "listening"
    );

    let stop_accepting = CancellationToken::new();
    front.serve(service, &lifecycle, stop_accepting.clone());
    let spread_over = config.node.drain;
    let drain = async move {
        health.drain();
        // Requests are answered meanwhile: clients whose turn has not come go on.
        wire.close(spread_over).await;
        stop_accepting.cancel();
        company.leave().await;
    };
    lifecycle.run(spread_over + config.node.shutdown, drain).await
}

fn bounds(config: &Config) -> Bounds {
    let limits = &config.limits;
    Bounds {
        text_chars_max: limits.text_chars_max,
        image: ImageBounds { bytes_max: limits.media_bytes_max, pixels_max: limits.image_pixels_max },
        picture_bytes_per_day_max: limits.picture_bytes_per_day,
        external_pictures: limits.external_pictures,
        history_len_max: limits.history_len_max,
        people_len_max: limits.people_len_max,
        answer_bytes_max: limits.answer_bytes_max,
        resume_len_max: limits.recovery_len_max,
        shows_emails: config.auth.show_emails,
        guesses_from_network: limits.guesses.clone(),
        guesses_from_strangers: limits.guesses_by_strangers.clone(),
        sign_up_is_open: config.auth.sign_up,
        renew_hashes: config.auth.rehash_passwords,
        ..Bounds::default()
    }
}

fn gateway(
    config: &Config,
    chat: Arc<Chat>,
    contract: &dyn Contract,
    company: &Company,
    clock: Arc<dyn Clock>,
) -> Gateway {
    let rule = |rule: &Rule| Arc::new(rule.clone());
    Gateway {
        chat,
        profile: Arc::new(contract.profile()),
        cookies: CookieRules { secure: config.auth.cookie_secure, same_site: config.auth.cookie_same_site },
        limits: AddressLimits {
            limiter: company.limiter.clone(),
            clock,
            requests: rule(&config.limits.requests),
            sign_in: rule(&config.limits.sign_in),
            sign_up: rule(&config.limits.sign_up),
        },
        bodies: Bodies::new(config.limits.body_bytes_max(), config.limits.bodies_bytes_max),
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
        recovery: config
            .wire
            .recovery
            .then(|| RecoveryKey::derive(secret).with_previous(&config.auth.jwt_secrets_previous)),
        trust: config.auth.trust_query_user,
        proof_timeout: Duration::from_millis(config.auth.proof_timeout_ms),
        held_len_max: HELD_LEN_MAX,
        events: config.limits.events.clone(),
        users: UserLimits::new(config.limits.sockets_per_user_max, config.limits.user_events.clone()),
        stall_after: config.wire.write_stall_after,
    }
}

fn trust(config: &Config) -> Trust {
    let http = &config.http;
    Trust {
        proxies: Proxies::new(http.proxy_hops, http.trusted_proxies.clone()),
        public_url: http.public_url.clone(),
        origins: http.origins.clone(),
    }
}

fn wire_config(config: &Config, contract: &dyn Contract, trust: Arc<Trust>) -> WireConfig {
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
        callers: trust,
        connections_per_address_max: config.limits.connections_per_address_max,
        ..WireConfig::default()
    }
}

fn warn_about(config: &Config) {
    for warning in config.auth.secret_warnings(config.production, config.http.host.is_loopback()) {
        tracing::warn!("{warning}");
    }
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
