//! Where a request comes from: whose page, which client, and how that reaches us.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};

use super::{proxies::Proxies, reply};
use crate::{
    audit::{self, Act, Outcome, Subject},
    gateway::wire::Callers,
};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whose word about addresses is taken, and whose pages may act for their users.
#[derive(Debug, Default)]
pub struct Trust {
    pub proxies: Proxies,
    /// How all clients reach us (`SOCKEYE_PUBLIC_URL`); when absent, what each says in `Host`.
    pub public_url: Option<String>,
    /// Origins of other pages that may call us with cookies (`CORS_ORIGINS`), as browsers write them.
    pub origins: Vec<String>,
}

/// The address to hold a request against: the peer's, or what the trusted proxies saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// How the client of this request reaches us: `http://host:port`, no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl Trust {
    /// Puts both into a request's extensions, for limits and the extractor below.
    pub fn mark(&self, parts: &mut Parts) {
        let peer = peer(&parts.extensions);
        if !asked_by_machines(parts.uri.path()) {
            self.proxies.watch(&parts.headers, peer);
        }
        let address = self.proxies.address(&parts.headers, peer);
        let base_url = self.base_url(&parts.headers, peer);
        parts.extensions.insert(ClientAddress(address));
        parts.extensions.insert(base_url);
    }

    fn base_url(&self, headers: &HeaderMap, peer: IpAddr) -> BaseUrl {
        if let Some(public_url) = &self.public_url {
            return BaseUrl(public_url.clone());
        }
        let scheme = if self.proxies.is_https(headers, peer) { "https" } else { "http" };
        let asked = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = self.proxies.host(headers, peer).or_else(asked).unwrap_or("localhost");
        BaseUrl(format!("{scheme}://{host}"))
    }

    /// Whether the page that sent a request may act for its user. A refusal is in the audit log.
    ///
    /// Who sends neither `Origin` nor `Sec-Fetch-Site` is no browser, and acts for itself. A browser says both truly:
    /// pages cannot set them.
    pub fn admits(&self, headers: &HeaderMap, extensions: &Extensions) -> bool {
        let admitted = self.is_of_our_pages(headers, peer(extensions));
        if !admitted {
            let address = Some(self.address(headers, extensions));
            let subject = Subject { address, ..Subject::default() };
            audit::record(Act::Origin, Outcome::Refused, "cross_site", subject);
        }
        admitted
    }

    fn is_of_our_pages(&self, headers: &HeaderMap, peer: IpAddr) -> bool {
        let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
        if site == Some(b"same-origin") {
            // The browser compared the address it used, which a proxy may have changed on the way.
            return true;
        }
        let elsewhere = matches!(site, Some(b"same-site" | b"cross-site"));
        let mut origins = headers.get_all(header::ORIGIN).iter().map(HeaderValue::as_bytes).peekable();
        if origins.peek().is_none() {
            return !elsewhere;
        }
        let hosts = [self.proxies.host(headers, peer).map(str::as_bytes), host(headers)];
        origins.all(|origin| {
            let by_host = || hosts.iter().flatten().any(|host| is_origin_of(origin, host));
            self.is_listed(origin) || (!elsewhere && by_host())
        })
    }

    /// Whether pages of this origin may call us wherever they were loaded from: `CORS_ORIGINS` and our own public address.
    pub(super) fn is_listed(&self, origin: &[u8]) -> bool {
        let listed = self.origins.iter().chain(&self.public_url);
        listed.map(String::as_bytes).any(|listed| listed.eq_ignore_ascii_case(origin))
    }
}

impl Callers for Trust {
    fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
        let marked = extensions.get::<ClientAddress>().map(|address| address.0);
        marked.unwrap_or_else(|| self.proxies.address(headers, peer(extensions)))
    }

    fn base_url(&self, headers: &HeaderMap, extensions: &Extensions) -> String {
        self.base_url(headers, peer(extensions)).0
    }

    fn may_call(&self, headers: &HeaderMap, extensions: &Extensions) -> bool {
        self.admits(headers, extensions)
    }
}

/// Refuses whatever changes state when another site's page sent it: the browser adds the user's cookie to that, too.
pub(super) async fn guard(State(trust): State<Arc<Trust>>, request: Request, next: Next) -> Response {
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if only_reads || trust.admits(request.headers(), request.extensions()) {
        return next.run(request).await;
    }
    let message = "This page may not do that here: its origin is not among CORS_ORIGINS";
    reply::refusal(StatusCode::FORBIDDEN, "cross_site", message)
}

/// The other end of the connection; unspecified when the server was started without connection information.
fn peer(extensions: &Extensions) -> IpAddr {
    let connected = extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = connected.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
    // A socket that listens on `::` sees IPv4 as `::ffff:`.
    peer.to_canonical()
}

/// Probes and scrapers do not come through the proxy.
fn asked_by_machines(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

fn host(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(header::HOST).map(HeaderValue::as_bytes)
}

/// Whether pages of this host have this origin. The scheme is not compared: who ends TLS in front of us need not say so.
fn is_origin_of(origin: &[u8], host: &[u8]) -> bool {
    let without = |text: &'static [u8], from: usize| origin.get(from..).filter(|_| starts_with(origin, text));
    let (authority, default_port) = match (without(b"https://", 8), without(b"http://", 7)) {
        (Some(authority), _) => (authority, &b":443"[..]),
        (None, Some(authority)) => (authority, &b":80"[..]),
        (None, None) => return false,
    };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    !host.is_empty() && authority.eq_ignore_ascii_case(host)
}

fn starts_with(text: &[u8], beginning: &[u8]) -> bool {
    text.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

impl<S: Send + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let marked = parts.extensions.get::<Self>().cloned();
        let asked = || Trust::default().base_url(&parts.headers, peer(&parts.extensions));
        Ok(marked.unwrap_or_else(asked))
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::any};
    use tower::ServiceExt;

    use super::*;

    const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(*name, HeaderValue::from_str(value).expect("a header value"));
        });
        headers
    }

    fn trust(public_url: Option<&str>, hops: usize) -> Trust {
        Trust {
            proxies: Proxies::new(hops, vec!["10.0.0.0/8".parse().unwrap()]),
            public_url: public_url.map(str::to_owned),
            origins: vec!["https://app.example.org".into(), "capacitor://localhost".into()],
        }
    }

    fn admitted(trust: &Trust, pairs: &[(&'static str, &str)]) -> bool {
        trust.is_of_our_pages(&headers(pairs), PROXY)
    }

    #[test]
    fn a_base_url_is_the_public_one_or_what_the_client_used() {
        let asked = headers(&[("host", "chat.test:5000")]);
        assert_eq!(Trust::default().base_url(&asked, PROXY).0, "http://chat.test:5000");
        assert_eq!(trust(Some("https://x.test"), 0).base_url(&asked, PROXY).0, "https://x.test");
        let forwarded = headers(&[
            ("host", "127.0.0.1:5000"),
            ("x-forwarded-proto", "wss"),
            ("x-forwarded-host", "chat.test"),
        ]);
        assert_eq!(trust(None, 1).base_url(&forwarded, PROXY).0, "https://chat.test");
        assert_eq!(trust(None, 0).base_url(&forwarded, PROXY).0, "http://127.0.0.1:5000");
        let elsewhere = [203, 0, 113, 9].into();
        assert_eq!(trust(None, 1).base_url(&forwarded, elsewhere).0, "http://127.0.0.1:5000");
    }

    #[test]
    fn a_peer_is_known_by_its_ipv4_address_on_a_socket_for_both() {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo("[::ffff:10.0.0.9]:1".parse::<SocketAddr>().unwrap()));
        assert_eq!(peer(&extensions), PROXY);
    }

    #[test]
    fn pages_of_ours_and_listed_ones_may_and_no_other() {
        let trust = trust(None, 0);
        let host = ("host", "chat.example.org:5000");
        for (origin, may) in [
            ("https://app.example.org", true),
            ("HTTPS://APP.example.org", true),
            ("capacitor://localhost", true),
            ("http://chat.example.org:5000", true),
            // TLS may end in front of us.
            ("https://chat.example.org:5000", true),
            ("https://app.example.org.evil", false),
            ("http://app.example.org", false),
            ("http://chat.example.org", false),
            ("http://chat.example.org:5001", false),
            ("capacitor://chat.example.org:5000", false),
            ("https://evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(admitted(&trust, &[host, ("origin", origin)]), may, "{origin}");
        }
        let two = [host, ("origin", "https://app.example.org"), ("origin", "https://evil.example")];
        assert!(!admitted(&trust, &two));
        assert!(admitted(&trust, &[("host", "x.test:443"), ("origin", "https://x.test")]));
        assert!(!admitted(&trust, &[("host", "x.test:443"), ("origin", "http://x.test")]));
    }

    #[test]
    fn null_is_an_origin_when_it_is_listed() {
        let trust = Trust { origins: vec!["null".into()], ..Trust::default() };
        assert!(admitted(&trust, &[("host", "x.test"), ("origin", "null")]));
    }

    #[test]
    fn without_a_browser_there_is_nobody_to_protect() {
        assert!(admitted(&trust(None, 0), &[("host", "x.test")]));
        assert!(admitted(&trust(None, 0), &[]));
    }

    #[test]
    fn a_browsers_word_about_the_site_counts() {
        let trust = trust(None, 0);
        let with = |site, origin: Option<&'static str>| {
            let mut pairs = vec![("host", "127.0.0.1:5000"), ("sec-fetch-site", site)];
            pairs.extend(origin.map(|origin| ("origin", origin)));
            admitted(&trust, &pairs)
        };
        for site in ["cross-site", "same-site"] {
            assert!(!with(site, None), "{site}: a picture or a form without Origin");
            assert!(with(site, Some("https://app.example.org")), "{site}: a listed page");
            // The page came over http and calls over https, or the host is a name that others share.
            assert!(!with(site, Some("http://127.0.0.1:5000")), "{site}");
            assert!(!with(site, Some("https://evil.example")), "{site}");
        }
        assert!(with("none", None), "typed by its user");
        assert!(!with("none", Some("https://evil.example")));
        // A proxy on the way replaced the host; the browser knows that it is one origin.
        assert!(with("same-origin", Some("https://chat.example.org")));
    }

    #[test]
    fn behind_a_proxy_that_does_not_pass_the_host_the_public_url_counts() {
        let host = ("host", "127.0.0.1:5000");
        let ours = ("origin", "https://chat.example.org");
        assert!(admitted(&trust(Some("https://chat.example.org"), 0), &[host, ours]));
        let evil = ("origin", "https://evil.example");
        assert!(!admitted(&trust(Some("https://chat.example.org"), 0), &[host, evil]));
        let forwarded = ("x-forwarded-host", "chat.example.org");
        assert!(admitted(&trust(None, 1), &[host, ours, forwarded]));
        assert!(!admitted(&trust(None, 0), &[host, ours, forwarded]), "nobody vouches for it");
        let elsewhere = [203, 0, 113, 9].into();
        assert!(!trust(None, 1).is_of_our_pages(&headers(&[host, ours, forwarded]), elsewhere));
    }

    #[tokio::test]
    async fn what_changes_state_is_refused_to_other_sites_pages() {
        let app = Router::new()
            .route("/", any(|| async { "done" }))
            .layer(from_fn_with_state(Arc::new(trust(None, 0)), guard));
        let ask = async |method: &str, origin: &'static str| {
            let request = Request::builder().method(method).uri("/").header(header::HOST, "x.test");
            let request = request.header(header::ORIGIN, origin).body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap().status().as_u16()
        };
        for method in ["POST", "PUT", "PATCH", "DELETE", "BREW"] {
            assert_eq!(ask(method, "https://evil.example").await, 403, "{method}");
            assert_eq!(ask(method, "https://app.example.org").await, 200, "{method}");
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(ask(method, "https://evil.example").await, 200, "{method}");
        }
    }
}
