//! What addresses of servers have in common.

use std::net::IpAddr;

/// Whether a host is this machine: what goes there does not leave it.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.starts_with('/')
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host of `host:port`, `[host]:port` or `host`.
pub fn host_of(address: &str) -> &str {
    match address.rfind(':').filter(|&at| at > address.rfind(']').unwrap_or(0)) {
        Some(colon) => &address[..colon],
        None => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_and_told_apart() {
        for (address, host, loopback) in [
            ("localhost:1", "localhost", true),
            ("127.9.9.9", "127.9.9.9", true),
            ("[::1]:9092", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("kafka.example.org:9092", "kafka.example.org", false),
            ("10.0.0.1:1", "10.0.0.1", false),
        ] {
            assert_eq!(host_of(address), host);
            assert_eq!(is_loopback(host), loopback, "{host}");
        }
    }
}
