//! Whose forwarded headers are believed.
//!
//! Anybody can write `X-Forwarded-For`, so it counts only when the connection itself comes from a proxy: then the entry
//! that the outermost trusted proxy wrote is the client, and entries further left are the client's own claims.

use std::{
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The log says that headers are not believed at most this often.
const SAID_EVERY: Duration = Duration::from_secs(600);
/// So many requests in a row without any such header are no chance any more: there is no proxy that writes them.
const BARE_REQUESTS_MAX: u32 = 1000;

/// The proxies in front (`SOCKEYE_TRUST_PROXY_HOPS`, `SOCKEYE_TRUSTED_PROXIES`). By default there are none.
#[derive(Debug, Default)]
pub struct Proxies {
    hops: usize,
    networks: Vec<IpNet>,
    unbelieved_said_at: Mutex<Option<Instant>>,
    bare_requests: AtomicU32,
}

/// What is odd about the headers that come. An operator has to know: limits count the wrong addresses meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    /// They come from a peer that is not believed.
    Unbelieved,
    /// They are expected, and do not come.
    Missing,
}

impl Proxies {
    /// `hops` proxies, one behind the other, the last of which connects from one of `networks`.
    pub fn new(hops: usize, networks: Vec<IpNet>) -> Self {
        Self { hops, networks, ..Self::default() }
    }

    /// The client's address; `peer` is the other end of the connection.
    pub fn address(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut address = peer;
        for entry in self.believed(headers, &FORWARDED_FOR, peer) {
            match parse_address(entry) {
                Some(parsed) => address = parsed,
                None => break,
            }
        }
        address
    }

    /// Whether the client used https, as far as somebody believed says so. A WebSocket's `wss` is https.
    pub fn is_https(&self, headers: &HeaderMap, peer: IpAddr) -> bool {
        let outermost = self.believed(headers, &FORWARDED_PROTO, peer).last();
        outermost.is_some_and(|scheme| {
            scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"wss")
        })
    }

    /// The host that the client used, when somebody believed says so.
    pub fn host<'a>(&self, headers: &'a HeaderMap, peer: IpAddr) -> Option<&'a str> {
        let outermost = self.believed(headers, &FORWARDED_HOST, peer).last()?;
        std::str::from_utf8(outermost).ok().filter(|host| !host.is_empty())
    }

    /// Looks at a request's headers, and says in the log what an operator should know about them.
    pub fn watch(&self, headers: &HeaderMap, peer: IpAddr) {
        match self.notice(headers, peer, Instant::now()) {
            Some(Notice::Unbelieved) if self.hops == 0 => tracing::warn!(
                %peer,
                "X-Forwarded headers come, and are ignored. If there is a proxy in front, set SOCKEYE_TRUST_PROXY_HOPS: \
                 all its clients count as one address"
            ),
            Some(Notice::Unbelieved) => tracing::warn!(
                %peer,
                "X-Forwarded headers come from an address that is not in SOCKEYE_TRUSTED_PROXIES, and are ignored"
            ),
            Some(Notice::Missing) => tracing::warn!(
                hops = self.hops,
                "{BARE_REQUESTS_MAX} requests came without X-Forwarded-For. If there is no proxy in front, set \
                 SOCKEYE_TRUST_PROXY_HOPS=0; if there is one, let it send the header"
            ),
            None => {}
        }
    }

    fn notice(&self, headers: &HeaderMap, peer: IpAddr, now: Instant) -> Option<Notice> {
        let forwarded =
            [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST].iter().any(|name| headers.contains_key(name));
        if !forwarded {
            // The one request that completes the row says it.
            let bare = self.bare_requests.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            return (self.hops > 0 && bare == BARE_REQUESTS_MAX).then_some(Notice::Missing);
        }
        self.bare_requests.store(0, Ordering::Relaxed);
        if self.believes(peer) {
            return None;
        }
        // Whoever panicked with the lock left a time behind, nothing that could be broken.
        let mut said_at = self.unbelieved_said_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said_at.is_none_or(|said_at| now.duration_since(said_at) >= SAID_EVERY);
        due.then(|| {
            *said_at = Some(now);
            Notice::Unbelieved
        })
    }

    fn believes(&self, peer: IpAddr) -> bool {
        self.hops > 0 && self.networks.iter().any(|network| network.contains(&peer))
    }

    /// The entries of a header that proxies of ours have written, the nearest first. Bytes: a foreign byte in one entry
    /// must not hide the others.
    fn believed<'a>(
        &self,
        headers: &'a HeaderMap,
        name: &HeaderName,
        peer: IpAddr,
    ) -> impl Iterator<Item = &'a [u8]> {
        let hops = if self.believes(peer) { self.hops } else { 0 };
        let values: Vec<_> = headers.get_all(name).iter().collect();
        let entries =
            values.into_iter().rev().flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','));
        entries.map(<[u8]>::trim_ascii).take(hops)
    }
}

fn parse_address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?;
    let address = entry
        .parse::<IpAddr>()
        .or_else(|_| entry.parse::<std::net::SocketAddr>().map(|address| address.ip()))
        .or_else(|_| entry.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>());
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.9";

    fn proxies(hops: usize) -> Proxies {
        Proxies::new(hops, vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
    }

    fn headers(name: HeaderName, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_bytes(value).expect("a header value"));
        }
        headers
    }

    fn address(hops: usize, peer: &str, forwarded: &[&[u8]]) -> String {
        let headers = headers(FORWARDED_FOR, forwarded);
        proxies(hops).address(&headers, peer.parse().unwrap()).to_string()
    }

    #[test]
    fn only_entries_of_trusted_proxies_count() {
        assert_eq!(address(0, PROXY, &[b"1.1.1.1, 2.2.2.2"]), PROXY);
        assert_eq!(address(1, PROXY, &[b"1.1.1.1, 2.2.2.2"]), "2.2.2.2");
        assert_eq!(address(2, PROXY, &[b"1.1.1.1, 2.2.2.2"]), "1.1.1.1");
        assert_eq!(address(3, PROXY, &[b"1.1.1.1, 2.2.2.2"]), "1.1.1.1");
        assert_eq!(address(2, PROXY, &[b"1.1.1.1", b"2.2.2.2"]), "1.1.1.1");
        assert_eq!(address(2, PROXY, &[b"1.1.1.1, nonsense"]), PROXY);
        assert_eq!(address(1, PROXY, &[b"[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(address(1, PROXY, &[b"::ffff:192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn headers_of_a_peer_that_is_no_proxy_do_not_count() {
        for peer in ["203.0.113.9", "2001:db8::9", "11.0.0.1", "0.0.0.0"] {
            assert_eq!(address(1, peer, &[b"1.1.1.1"]), peer);
        }
        assert_eq!(address(1, "fd00::1", &[b"1.1.1.1"]), "1.1.1.1");
        let (proxies, stranger) = (proxies(1), "203.0.113.9".parse().unwrap());
        assert!(!proxies.is_https(&headers(FORWARDED_PROTO, &[b"https"]), stranger));
        assert_eq!(proxies.host(&headers(FORWARDED_HOST, &[b"chat.test"]), stranger), None);
    }

    #[test]
    fn a_foreign_byte_hides_its_own_entry_only() {
        assert_eq!(address(1, PROXY, &[b"caf\xe9, 2.2.2.2"]), "2.2.2.2");
        assert_eq!(address(1, PROXY, &[b"caf\xe9", b"2.2.2.2"]), "2.2.2.2");
        let hosts = headers(FORWARDED_HOST, &[b"caf\xe9, chat.test"]);
        assert_eq!(proxies(1).host(&hosts, PROXY.parse().unwrap()), Some("chat.test"));
    }

    #[test]
    fn a_websockets_scheme_is_that_of_its_page() {
        let https =
            |value: &[u8]| proxies(1).is_https(&headers(FORWARDED_PROTO, &[value]), PROXY.parse().unwrap());
        assert!(https(b"https") && https(b"wss") && https(b"WSS") && https(b"http, https"));
        assert!(!https(b"http") && !https(b"ws") && !https(b"") && !https(b"https, http"));
    }

    #[test]
    fn headers_from_elsewhere_are_said_once_in_a_while() {
        let (start, forwarded) = (Instant::now(), headers(FORWARDED_FOR, &[b"1.1.1.1"]));
        let (proxy, stranger) = (PROXY.parse().unwrap(), "203.0.113.9".parse().unwrap());
        let proxies = proxies(1);
        assert_eq!(proxies.notice(&forwarded, proxy, start), None);
        assert_eq!(proxies.notice(&forwarded, stranger, start), Some(Notice::Unbelieved));
        assert_eq!(proxies.notice(&forwarded, stranger, start + SAID_EVERY / 2), None);
        assert_eq!(proxies.notice(&forwarded, stranger, start + SAID_EVERY), Some(Notice::Unbelieved));
        // With no proxy configured it is said too: there may be one.
        assert_eq!(Proxies::default().notice(&forwarded, proxy, start), Some(Notice::Unbelieved));
    }

    #[test]
    fn headers_that_never_come_are_said_once() {
        let (now, bare) = (Instant::now(), HeaderMap::new());
        let peer = PROXY.parse().unwrap();
        let said = |proxies: &Proxies, requests: u32| {
            (0..requests).filter(|_| proxies.notice(&bare, peer, now) == Some(Notice::Missing)).count()
        };
        let expecting = proxies(1);
        assert_eq!(said(&expecting, BARE_REQUESTS_MAX - 1), 0);
        assert_eq!(said(&expecting, 5000), 1);
        let mixed = proxies(1);
        said(&mixed, BARE_REQUESTS_MAX - 1);
        mixed.notice(&headers(FORWARDED_FOR, &[b"1.1.1.1"]), peer, now);
        assert_eq!(said(&mixed, BARE_REQUESTS_MAX - 1), 0);
        assert_eq!(said(&proxies(0), 5000), 0);
    }

    proptest! {
        #[test]
        fn any_forwarded_header_is_read_without_panic(value in "[ -~]{0,120}", hops in 0usize..4) {
            address(hops, PROXY, &[value.as_bytes()]);
        }
    }
}
