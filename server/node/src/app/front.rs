//! The ports that the process listens on.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    gateway::http::{inside::Audience, upload::Pace},
    lifecycle::Lifecycle,
    listener::{self, Bounds, Exempt, Server, descriptors},
};

/// Connections to the operations port. They are among the descriptors that are kept from clients.
const OPS_CONNECTIONS_MAX: usize = 32;

/// A port that is open and not served yet.
pub(super) struct Front {
    name: &'static str,
    sockets: Vec<TcpListener>,
    bounds: Bounds,
}

impl Front {
    /// Where clients are served; `files_max` files may be open, `None` being any number.
    pub(super) async fn clients(config: &Config, files_max: Option<u64>) -> Result<Self, String> {
        let connections_max = descriptors::connections_max(files_max, config.listener.connections_max);
        let bounds = Bounds {
            connections_max,
            connections_per_address_max: config
                .listener
                .connections_per_address_max
                .unwrap_or((connections_max / 2).max(1)),
            exempt: proxies(config),
            ..bounds(config)
        };
        let sockets = listener::bind(&config.http.host, config.http.port).await?;
        Ok(Self { name: "clients", sockets, bounds })
    }

    /// Where operators' programs are answered.
    pub(super) async fn ops(config: &Config, port: u16) -> Result<Self, String> {
        let sockets = listener::bind(&config.http.host, port).await;
        let sockets = sockets.map_err(|error| format!("{error} (SOCKEYE_OPS_PORT)"))?;
        Ok(Self { name: "ops", sockets, bounds: bounds(config) })
    }

    /// As somebody on this machine would type it.
    pub(super) fn shown(&self) -> String {
        let bound = self.sockets.first().and_then(|socket| socket.local_addr().ok());
        bound.map_or_else(String::new, shown)
    }

    pub(super) fn connections_max(&self) -> usize {
        self.bounds.connections_max
    }

    /// Serves until `stop`, as a task of the process.
    pub(super) fn serve(self, router: Router, lifecycle: &Lifecycle, stop: CancellationToken) {
        let server = Server::new(self.name, router, self.bounds);
        lifecycle.spawn(self.name, server.run(self.sockets, stop));
    }
}

/// How long a request may take.
pub(super) fn pace(config: &Config) -> Pace {
    Pace {
        answer_within: Duration::from_millis(config.http.request_timeout_ms),
        bytes_per_second_min: config.listener.bytes_per_second_min,
        window: config.listener.body_window,
        body_within: config.listener.body_timeout,
    }
}

/// Who may ask for readiness and metrics where clients are served.
pub(super) fn audience(config: &Config) -> Audience {
    match (config.http.metrics_public, config.production) {
        (true, _) => Audience::Everybody,
        (false, false) => Audience::ThisMachine,
        (false, true) => Audience::Nobody,
    }
}

/// The operations port's.
fn bounds(config: &Config) -> Bounds {
    Bounds {
        head_timeout: config.listener.head_timeout,
        idle_timeout: config.listener.idle_timeout,
        write_stall_after: config.wire.write_stall_after,
        bytes_per_second_min: config.listener.bytes_per_second_min,
        connections_max: OPS_CONNECTIONS_MAX,
        connections_per_address_max: OPS_CONNECTIONS_MAX,
        exempt: Arc::new(|_| true),
    }
}

/// Behind proxies all clients come from their addresses; a developer's load test comes from this machine.
fn proxies(config: &Config) -> Exempt {
    let (behind_proxies, development) = (config.http.proxy_hops > 0, !config.production);
    let networks = config.http.trusted_proxies.clone();
    let is_proxy = move |address| networks.iter().any(|network| network.contains(&address));
    Arc::new(move |address| (behind_proxies && is_proxy(address)) || (development && address.is_loopback()))
}

fn shown(bound: SocketAddr) -> String {
    if bound.ip().is_unspecified() { format!("localhost:{}", bound.port()) } else { bound.to_string() }
}
