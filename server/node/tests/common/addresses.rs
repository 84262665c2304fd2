//! Where the server listens: one address, or those of several gateways that are taken in turn.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The gateways' addresses, as a load balancer without stickiness uses them. Clones take turns together.
#[derive(Debug, Clone)]
pub struct Addresses {
    all: Arc<[SocketAddr]>,
    turn: Arc<AtomicUsize>,
}

impl Addresses {
    pub fn of(all: Vec<SocketAddr>) -> Self {
        Self { all: all.into(), turn: Arc::default() }
    }

    pub fn all(&self) -> &[SocketAddr] {
        &self.all
    }

    /// Whose turn it is.
    pub fn next(&self) -> SocketAddr {
        self.all[self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len()]
    }

    /// Where somebody who was at `last` comes next.
    pub fn after(&self, last: SocketAddr) -> SocketAddr {
        let nth = self.all.iter().position(|address| *address == last).map_or(0, |nth| nth + 1);
        self.all[nth % self.all.len()]
    }
}

impl From<SocketAddr> for Addresses {
    fn from(only: SocketAddr) -> Self {
        Self::of(vec![only])
    }
}
