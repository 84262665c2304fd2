//! Where a request comes from, and how its client reaches us.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::{HeaderMap, HeaderValue, header::HOST, request::Parts};

/// Whose word about addresses is taken (`SOCKEYE_TRUST_PROXY_HOPS`, `SOCKEYE_PUBLIC_URL`).
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Proxies in front of us that set `X-Forwarded-For` and `X-Forwarded-Proto`.
    pub proxy_hops: usize,
    /// How all clients reach us; when absent, what each says in `Host`.
    pub public_url: Option<String>,
}

/// The address to hold a request against: the peer's, or what the trusted proxies saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// How the client of this request reaches us: `http://host:port`, no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl Trust {
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        // The last trusted proxy's entry is the one furthest to the left that nobody else could have written.
        let seen = match self.proxy_hops {
            0 => None,
            hops => forwarded.len().checked_sub(hops).or(forwarded.len().checked_sub(1).map(|_| 0)),
        };
        let address = seen.and_then(|nth| forwarded[nth].parse().ok()).unwrap_or(peer);
        ClientAddress(canonical(address))
    }

    pub fn base_url(&self, headers: &HeaderMap) -> BaseUrl {
        if let Some(url) = &self.public_url {
            return BaseUrl(url.clone());
        }
        let text =
            |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let https =
            self.proxy_hops > 0 && text(headers.get("x-forwarded-proto")).is_some_and(|p| p == "https");
        let host = text(headers.get(HOST)).unwrap_or_else(|| "localhost".to_owned());
        BaseUrl(format!("{}://{host}", if https { "https" } else { "http" }))
    }

    /// Puts both into a request's extensions, for the extractors below.
    pub fn mark(&self, parts: &mut Parts) {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| info.0.ip());
        let (address, base_url) = (self.client_address(peer, &parts.headers), self.base_url(&parts.headers));
        parts.extensions.insert(address);
        parts.extensions.insert(base_url);
    }
}

/// IPv4 addresses written as IPv6 are the same address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl<S: Send + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let marked = parts.extensions.get::<Self>().cloned();
        Ok(marked.unwrap_or_else(|| Trust::default().base_url(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_what_trusted_proxies_wrote_counts() {
        let peer: IpAddr = "10.0.0.9".parse().unwrap();
        let forged = headers(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2")]);
        let seen =
            |proxy_hops| Trust { proxy_hops, public_url: None }.client_address(peer, &forged).0.to_string();
        assert_eq!(seen(0), "10.0.0.9");
        assert_eq!(seen(1), "2.2.2.2");
        assert_eq!(seen(2), "1.1.1.1");
        assert_eq!(seen(3), "1.1.1.1");
    }

    #[test]
    fn a_base_url_is_the_public_one_or_what_the_client_used() {
        let asked = headers(&[("host", "chat.test:5000"), ("x-forwarded-proto", "https")]);
        assert_eq!(Trust::default().base_url(&asked).0, "http://chat.test:5000");
        assert_eq!(Trust { proxy_hops: 1, public_url: None }.base_url(&asked).0, "https://chat.test:5000");
        let public = Trust { proxy_hops: 0, public_url: Some("https://x.test".into()) };
        assert_eq!(public.base_url(&asked).0, "https://x.test");
    }
}
