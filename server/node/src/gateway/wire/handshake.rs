//! What is known about a client from its HTTP requests.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use http::{HeaderMap, HeaderName, header};
use tokio::sync::watch;

/// Distinct credential pairs remembered per session; of more, the oldest goes.
const CREDENTIALS_MAX: usize = 4;

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
    /// `http://host[:port]` as the client addressed this server; `https` if a proxy that is believed says so.
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
        headers: &HeaderMap,
        query: HashMap<String, String>,
        eio: u8,
        peer_address: IpAddr,
        base_url: String,
        may_upgrade: bool,
    ) -> Self {
        let handshake = Self {
            peer_address,
            base_url,
            query,
            eio,
            credentials: watch::Sender::new(Vec::new()),
            may_upgrade: AtomicBool::new(may_upgrade),
        };
        handshake.note_credentials(headers);
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

/// All values of a header. What is not UTF-8 is replaced, and never a `;` or `=` with it: a cookie of another program must
/// not hide ours.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join("; "))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::HeaderValue;

    use super::*;

    fn handshake() -> Handshake {
        let (query, base_url) = (HashMap::new(), "http://localhost".to_owned());
        Handshake::new(&HeaderMap::new(), query, 4, Ipv4Addr::LOCALHOST.into(), base_url, true)
    }

    #[test]
    fn credentials_are_distinct_bounded_and_newest_last() {
        let handshake = handshake();
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

    #[test]
    fn a_foreign_byte_does_not_hide_the_rest_of_a_header() {
        let (handshake, mut headers) = (handshake(), HeaderMap::new());
        headers.append(header::COOKIE, HeaderValue::from_bytes(b"theme=caf\xe9;jwt=1").expect("a value"));
        headers.append(header::COOKIE, HeaderValue::from_bytes(b"x=\xff").expect("a value"));
        handshake.note_credentials(&headers);
        let seen = handshake.credentials().borrow()[0].cookie.clone();
        assert_eq!(seen.as_deref(), Some("theme=caf\u{fffd};jwt=1; x=\u{fffd}"));
    }
}
