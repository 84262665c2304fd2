//! Where a request comes from, and how its client reaches us.

use std::{convert::Infallible, net::IpAddr};

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};

use crate::gateway::wire::{base_url, peer_address};

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
    pub fn base_url(&self, headers: &HeaderMap) -> BaseUrl {
        BaseUrl(self.public_url.clone().unwrap_or_else(|| base_url(headers, self.proxy_hops)))
    }

    /// Puts both into a request's extensions, for limits and the extractor below.
    pub fn mark(&self, parts: &mut Parts) {
        let address = peer_address(&parts.headers, &parts.extensions, self.proxy_hops);
        let base_url = self.base_url(&parts.headers);
        parts.extensions.insert(ClientAddress(address));
        parts.extensions.insert(base_url);
    }
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
    use http::{HeaderValue, header::HOST};

    use super::*;

    #[test]
    fn a_base_url_is_the_public_one_or_what_the_client_used() {
        let asked = HeaderMap::from_iter([(HOST, HeaderValue::from_static("chat.test:5000"))]);
        assert_eq!(Trust::default().base_url(&asked).0, "http://chat.test:5000");
        let public = Trust { proxy_hops: 0, public_url: Some("https://x.test".into()) };
        assert_eq!(public.base_url(&asked).0, "https://x.test");
    }
}
