//! Where requests come from. Which proxies are believed about that, and which pages may call, is not the wire's to know.

use std::{
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, header};

/// What whoever mounts the wire knows of the senders of requests, by their headers and connection.
pub trait Callers: Debug + Send + Sync + 'static {
    /// The address of the client.
    fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> IpAddr;

    /// `http://host[:port]` as the client addressed this server.
    fn base_url(&self, headers: &HeaderMap, extensions: &Extensions) -> String;

    /// Whether the page that sent it may use a connection. Asked for every request: CORS keeps answers from pages of
    /// other origins, but neither requests nor WebSockets.
    fn may_call(&self, headers: &HeaderMap, extensions: &Extensions) -> bool;
}

/// Every page may call, and no proxy is believed.
#[derive(Debug)]
pub(crate) struct Anybody;

impl Callers for Anybody {
    fn address(&self, _: &HeaderMap, extensions: &Extensions) -> IpAddr {
        let connected = extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = connected.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
        peer.to_canonical()
    }

    fn base_url(&self, headers: &HeaderMap, _: &Extensions) -> String {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        format!("http://{}", host.unwrap_or("localhost"))
    }

    fn may_call(&self, _: &HeaderMap, _: &Extensions) -> bool {
        true
    }
}
