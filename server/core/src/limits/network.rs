// `core::net` has addresses and no sockets.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What of an address stands for one client: an IPv4 address whole, of an IPv6 address the /64, which is the least that a
/// subscriber or a rented machine is given. IPv4 within IPv6 is IPv4.
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(prefix_64(address)),
    }
}

/// The neighbourhood of a client, which somebody who has several addresses has them in: /24 or /64.
pub fn network_of(address: IpAddr) -> IpAddr {
    match client_of(address) {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        v6 @ IpAddr::V6(_) => v6,
    }
}

fn prefix_64(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_its_64_and_ipv4_by_the_address() {
        let client = |text: &str| client_of(text.parse().unwrap()).to_string();
        assert_eq!(client("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("192.0.2.7"), "192.0.2.7");
        assert_eq!(client("::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn a_network_is_a_24_or_a_64() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.7"), "192.0.2.0");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.0");
        assert_eq!(network("2001:db8:1:2:3::"), "2001:db8:1:2::");
    }
}
