//! The accept loop: HTTP/1 over TCP, with a bound on everything a connection can hold before it is known whose it is.
//!
//! [`Server`] serves a router on the sockets that [`bind`] opened. A connection has a seat ([`seats`]) for as long as its
//! socket is open, WebSockets included; who gets none is heard in a small reserve ([`reserve`]) that answers one short
//! request, so that health checks come through. What a connection is doing is its pulse ([`pulse`]), by which it is given
//! up when it sends no whole head ([`connection`]); one that does not take what is written to it is given up in [`socket`].

mod accept;
mod bind;
mod connection;
pub mod descriptors;
mod instruments;
mod pulse;
mod reserve;
mod seats;
mod socket;

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use self::{accept::Server, bind::bind};

/// What the connections of one [`Server`] may cost.
#[derive(Clone)]
pub struct Bounds {
    /// From a connection's start, or a head's first byte, until the head is whole.
    pub head_timeout: Duration,
    /// From an answer's end until the next head's first byte.
    pub idle_timeout: Duration,
    /// How long a peer may take none of what is written to it. WebSockets have their own.
    pub write_stall_after: Duration,
    /// How fast, on the whole, a peer must take what is written to it.
    pub bytes_per_second_min: u32,
    pub connections_max: usize,
    /// Of one address; of IPv6, of one /64.
    pub connections_per_address_max: usize,
    /// Addresses that stand for many people: proxies.
    pub exempt: Exempt,
}

impl Default for Bounds {
    /// The settings' defaults, and as many connections as anybody likes.
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_stall_after: Duration::from_secs(20),
            bytes_per_second_min: 1000,
            connections_max: usize::MAX,
            connections_per_address_max: usize::MAX,
            exempt: Arc::new(|_| false),
        }
    }
}

/// Whether an address may open as many connections as there are.
pub type Exempt = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Bytes of a request's head, its first line included; more is answered 431. Also what is read ahead of a body, and what
/// is collected of an answer before it is written.
const HEAD_BYTES_MAX: usize = 64 * 1024;
