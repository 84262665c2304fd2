//! Routes for those inside, on the port where clients are served.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, StatusCode};

use super::reply;

/// Who is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Nobody,
    /// Programs on this machine; not those elsewhere for whom a proxy on this machine asks.
    ThisMachine,
    Everybody,
}

/// Answers all others as if there was no such route.
pub(super) async fn only(State(audience): State<Audience>, request: Request, next: Next) -> Response {
    let allowed = match audience {
        Audience::Nobody => false,
        Audience::ThisMachine => is_from_this_machine(&request),
        Audience::Everybody => true,
    };
    if allowed {
        return next.run(request).await;
    }
    reply::refusal(StatusCode::NOT_FOUND, "not_found", "There is nothing here")
}

fn is_from_this_machine(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) && !is_forwarded(request.headers())
}

/// Whether a proxy says that it asks for somebody else.
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        matches!(name.as_str(), "forwarded" | "via" | "x-real-ip")
            || name.as_str().starts_with("x-forwarded-")
    })
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn status(audience: Audience, peer: &str, header: Option<&str>) -> u16 {
        let router = Router::new().route("/", get(|| async {})).layer(from_fn_with_state(audience, only));
        let peer: SocketAddr = peer.parse().expect("an address");
        let mut request = Request::get("/").extension(ConnectInfo(peer));
        if let Some(name) = header {
            request = request.header(name, "x");
        }
        let request = request.body(Body::empty()).expect("a request");
        router.oneshot(request).await.expect("an answer").status().as_u16()
    }

    #[tokio::test]
    async fn a_machines_own_programs_are_told_from_those_behind_its_proxy() {
        use Audience::{Everybody, Nobody, ThisMachine};
        for (audience, peer, header, expected) in [
            (ThisMachine, "127.0.0.1:1", None, 200),
            (ThisMachine, "[::1]:1", None, 200),
            (ThisMachine, "[::ffff:127.0.0.1]:1", None, 200),
            (ThisMachine, "127.0.0.1:1", Some("x-forwarded-for"), 404),
            (ThisMachine, "127.0.0.1:1", Some("X-Forwarded-Proto"), 404),
            (ThisMachine, "127.0.0.1:1", Some("forwarded"), 404),
            (ThisMachine, "127.0.0.1:1", Some("x-real-ip"), 404),
            (ThisMachine, "192.0.2.1:1", None, 404),
            (Nobody, "127.0.0.1:1", None, 404),
            (Everybody, "192.0.2.1:1", Some("x-forwarded-for"), 200),
        ] {
            assert_eq!(status(audience, peer, header).await, expected, "{audience:?} {peer} {header:?}");
        }
    }
}
