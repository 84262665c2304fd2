//! What is known about a client from its HTTP requests.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName, header};
use tokio::sync::watch;

/// Distinct credential pairs remembered per session; of more, the oldest goes.
const CREDENTIALS_MAX: usize = 4;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The request that opened an Engine.IO session, and what later requests of the session added. Its headers are not
/// kept: each is a view into the connection's whole read buffer.
#[derive(Debug)]
pub struct Handshake {
    /// The client's address, after the trusted proxies; unspecified (`0.0.0.0`) when the server was started
    /// without connection information.
    pub peer_address: IpAddr,
    /// Query of the opening request, decoded.
    pub query: HashMap<String, String>,
    /// Protocol revision: 3 or 4.
    pub eio: u8,
    /// `http://host[:port]` as the client addressed this server; `https` if a trusted proxy says so.
    pub base_url: String,
    credentials: watch::Sender<Vec<Credentials>>,
    may_upgrade: AtomicBool,
}

/// A `Cookie` and an `Authorization` header that came with one request, unverified.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The `Cookie` header, whole.
    pub cookie: Option<String>,
    /// The `Authorization` header, whole.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("cookie", &self.cookie.is_some())
            .field("authorization", &self.authorization.is_some())
            .finish()
    }
}

impl Handshake {
    pub(crate) fn new(
        request: &http::request::Parts,
        query: HashMap<String, String>,
        eio: u8,
        peer_address: IpAddr,
        trusted_proxy_hops: usize,
        may_upgrade: bool,
    ) -> Self {
        let handshake = Self {
            peer_address,
            base_url: base_url(&request.headers, trusted_proxy_hops),
            query,
            eio,
            credentials: watch::Sender::new(Vec::new()),
            may_upgrade: AtomicBool::new(may_upgrade),
        };
        handshake.note_credentials(&request.headers);
        handshake
    }

    /// Every distinct (`Cookie`, `Authorization`) pair seen on any request of this session, the WebSocket
    /// upgrade included; at most four, newest last. Watch it: a browser page of another origin sends its
    /// cookie with the upgrade only (contracts `direct-v1` and `direct`, "Cookie facts").
    ///
    /// Whoever knows the session id can add to it: believe a pair only if it proves the user the socket
    /// claims to be.
    pub fn credentials(&self) -> watch::Receiver<Vec<Credentials>> {
        self.credentials.subscribe()
    }

    /// Whether this is a polling session whose upgrade to WebSocket is allowed and has not happened yet.
    pub fn may_upgrade(&self) -> bool {
        self.may_upgrade.load(Ordering::Acquire)
    }

    pub(crate) fn upgraded(&self) {
        self.may_upgrade.store(false, Ordering::Release);
        // Wakes those who wait for proof: from now on nothing more will come.
        self.credentials.send_modify(|_| ());
    }

    pub(crate) fn note_credentials(&self, headers: &HeaderMap) {
        let pair = Credentials {
            cookie: joined(headers, &header::COOKIE),
            authorization: joined(headers, &header::AUTHORIZATION),
        };
        if pair.cookie.is_none() && pair.authorization.is_none() {
            return;
        }
        self.credentials.send_if_modified(|known| {
            if known.contains(&pair) {
                return false;
            }
            if known.len() == CREDENTIALS_MAX {
                known.remove(0);
            }
            known.push(pair);
            true
        });
    }
}

/// The address of the client: the connection's peer, or, behind `trusted_proxy_hops` proxies, the entry of
/// `X-Forwarded-For` that the outermost trusted proxy wrote. Entries further left are the client's own claims.
pub(crate) fn peer_address(
    headers: &HeaderMap,
    extensions: &Extensions,
    trusted_proxy_hops: usize,
) -> IpAddr {
    let peer = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
    let mut address = peer.to_canonical();
    let forwarded = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let forwarded: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    for entry in forwarded.iter().rev().take(trusted_proxy_hops) {
        match parse_forwarded(entry) {
            Some(parsed) => address = parsed,
            None => break,
        }
    }
    address
}

fn parse_forwarded(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let address = entry
        .parse::<IpAddr>()
        .or_else(|_| entry.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| entry.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>());
    address.ok().map(|address| address.to_canonical())
}

pub(crate) fn base_url(headers: &HeaderMap, trusted_proxy_hops: usize) -> String {
    let trusted = |name: HeaderName| {
        let value = headers.get(name).filter(|_| trusted_proxy_hops > 0)?.to_str().ok()?;
        value.split(',').next_back().map(str::trim).filter(|value| !value.is_empty())
    };
    let scheme = if trusted(FORWARDED_PROTO) == Some("https") { "https" } else { "http" };
    let host =
        trusted(FORWARDED_HOST).or_else(|| headers.get(header::HOST)?.to_str().ok()).unwrap_or("localhost");
    format!("{scheme}://{host}")
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join("; "))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn address_behind(hops: usize, forwarded: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_str(forwarded).expect("a header value"));
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 9], 1))));
        peer_address(&headers, &extensions, hops).to_string()
    }

    #[test]
    fn only_entries_of_trusted_proxies_count() {
        assert_eq!(address_behind(0, "1.1.1.1, 2.2.2.2"), "10.0.0.9");
        assert_eq!(address_behind(1, "1.1.1.1, 2.2.2.2"), "2.2.2.2");
        assert_eq!(address_behind(2, "1.1.1.1, 2.2.2.2"), "1.1.1.1");
        assert_eq!(address_behind(3, "1.1.1.1, 2.2.2.2"), "1.1.1.1");
        assert_eq!(address_behind(2, "1.1.1.1, nonsense"), "10.0.0.9");
        assert_eq!(address_behind(1, "[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(address_behind(1, "::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn forwarded_scheme_needs_a_trusted_proxy() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("chat.example.org"));
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        assert_eq!(base_url(&headers, 0), "http://chat.example.org");
        assert_eq!(base_url(&headers, 1), "https://chat.example.org");
    }

    #[test]
    fn credentials_are_distinct_bounded_and_newest_last() {
        let (parts, ()) = http::Request::new(()).into_parts();
        let handshake = Handshake::new(&parts, HashMap::new(), 4, Ipv4Addr::LOCALHOST.into(), 0, true);
        assert!(handshake.credentials().borrow().is_empty());
        for n in [1, 1, 2, 3, 4, 5] {
            let mut headers = HeaderMap::new();
            headers
                .insert(header::COOKIE, HeaderValue::from_str(&format!("jwt={n}")).expect("a header value"));
            handshake.note_credentials(&headers);
        }
        let cookies: Vec<_> =
            handshake.credentials().borrow().iter().filter_map(|pair| pair.cookie.clone()).collect();
        assert_eq!(cookies, ["jwt=2", "jwt=3", "jwt=4", "jwt=5"]);
    }

    proptest! {
        #[test]
        fn any_forwarded_header_is_read_without_panic(value in "[ -~]{0,120}", hops in 0usize..4) {
            address_behind(hops, &value);
        }
    }
}
