//! How many connections are open, and whose.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Bounds,
    instruments::{Instruments, Refusal},
};

/// The seats of one server.
pub(super) struct Seats {
    bounds: Bounds,
    instruments: Arc<Instruments>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Of addresses that are not exempt; who has none is not there.
    by_address: HashMap<IpAddr, usize>,
}

/// Given back when it is dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    counted_as: Option<IpAddr>,
}

impl Seats {
    pub(super) fn new(bounds: Bounds, instruments: Arc<Instruments>) -> Arc<Self> {
        Arc::new(Self { bounds, instruments, taken: Mutex::default() })
    }

    /// # Errors
    /// There is none for this address.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Seat, Refusal> {
        let counted_as = (!(self.bounds.exempt)(address)).then(|| network(address));
        let mut taken = self.taken();
        if taken.all >= self.bounds.connections_max {
            return Err(Refusal::Full);
        }
        if let Some(network) = counted_as {
            let own = taken.by_address.entry(network).or_default();
            if *own >= self.bounds.connections_per_address_max {
                return Err(Refusal::Address);
            }
            *own += 1;
        }
        taken.all += 1;
        self.instruments.open.set(taken.all as f64);
        drop(taken);
        Ok(Seat { seats: self.clone(), counted_as })
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        // Nothing between two changes can panic, so a poisoned lock holds numbers that are right.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all -= 1;
        self.seats.instruments.open.set(taken.all as f64);
        if let Some(network) = self.counted_as
            && let Some(own) = taken.by_address.get_mut(&network)
        {
            *own -= 1;
            if *own == 0 {
                taken.by_address.remove(&network);
            }
        }
    }
}

/// Whoever has an IPv6 address has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(all: usize, per_address: usize) -> Arc<Seats> {
        let bounds = Bounds {
            connections_max: all,
            connections_per_address_max: per_address,
            exempt: Arc::new(|address| address.is_loopback()),
            ..Bounds::default()
        };
        Seats::new(bounds, Arc::new(Instruments::new("test")))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_any() {
        let seats = seats(10, 2);
        let (one, other, proxy) = (address("192.0.2.1"), address("192.0.2.2"), address("127.0.0.1"));
        let mine: Vec<Seat> = (0..2).map(|_| seats.take(one).expect("a seat")).collect();
        assert_eq!(seats.take(one).err(), Some(Refusal::Address));
        let others: Vec<Seat> = (0..2).map(|_| seats.take(other).expect("a seat")).collect();
        let rest: Vec<Seat> = (0..6).map(|_| seats.take(proxy).expect("a seat")).collect();
        assert_eq!(seats.take(proxy).err(), Some(Refusal::Full));
        drop(mine);
        let _again = seats.take(one).expect("given back");
        drop((others, rest));
        assert_eq!(seats.taken().all, 1);
        assert_eq!(seats.taken().by_address.len(), 1, "who has none is forgotten");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let seats = seats(10, 1);
        let _one = seats.take(address("2001:db8::1")).expect("a seat");
        assert_eq!(seats.take(address("2001:db8::ffff:1")).err(), Some(Refusal::Address));
        assert!(seats.take(address("2001:db8:0:1::1")).is_ok());
    }
}
