//! What is checked before a session exists, and what the application learns from it.

use std::sync::Arc;

use sockeye::gateway::{
    http::{origin::Trust, proxies::Proxies},
    wire::{Transports, WireConfig},
};

use super::{
    client::{Poller, Ws},
    server::{Server, within},
};

/// Believes what proxies on this machine say.
fn behind_a_proxy() -> Arc<Trust> {
    let loopback = vec!["127.0.0.0/8".parse().expect("a network")];
    Arc::new(Trust { proxies: Proxies::new(1, loopback), ..Trust::default() })
}

const UNKNOWN_TRANSPORT: &str = r#"{"code":0,"message":"Transport unknown"}"#;
const UNKNOWN_SID: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const BAD_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;
const FORBIDDEN: &str = r#"{"code":4,"message":"Forbidden"}"#;
const UNSUPPORTED: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;

#[tokio::test]
async fn refusals_have_numeric_codes_and_leave_the_connection_open() {
    let server = Server::start(WireConfig::default()).await;
    let http = reqwest::Client::builder().pool_max_idle_per_host(1).build().expect("a client");
    let cases = [
        ("GET", "EIO=4", UNKNOWN_TRANSPORT),
        ("GET", "EIO=4&transport=webtransport", UNKNOWN_TRANSPORT),
        ("GET", "", UNKNOWN_TRANSPORT),
        ("GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA", UNKNOWN_SID),
        ("GET", "EIO=4&transport=polling&sid=%22%3Cscript%3E", UNKNOWN_SID),
        ("POST", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA", UNKNOWN_SID),
        ("POST", "EIO=4&transport=polling", BAD_METHOD),
        ("PUT", "EIO=4&transport=polling", BAD_METHOD),
        ("GET", "EIO=4&transport=websocket", BAD_REQUEST),
        ("GET", "transport=polling", UNSUPPORTED),
        ("GET", "EIO=2&transport=polling", UNSUPPORTED),
        ("GET", "EIO=3&transport=polling", UNSUPPORTED),
    ];
    for (method, query, expected) in cases {
        let method = method.parse().expect("a method");
        let answer = http.request(method, server.url(query)).send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.headers()["content-type"], "application/json", "{query}");
        assert_ne!(answer.headers().get("connection").map(|value| value.as_bytes()), Some(&b"close"[..]));
        assert_eq!(answer.text().await.expect("a body"), expected, "{query}");
    }
    assert_eq!(server.wire.connection_count(), 0);
}

#[tokio::test]
async fn transports_can_be_switched_off() {
    let transports = Transports { polling: false, websocket: true };
    let mut server = Server::start(WireConfig { transports, ..WireConfig::default() }).await;
    let answer = reqwest::get(server.url("EIO=4&transport=polling")).await.expect("an answer");
    assert_eq!(answer.text().await.expect("a body"), UNKNOWN_TRANSPORT);
    let (_ws, answer) = Ws::join(&server, "").await;
    assert!(answer.starts_with("40{"));
    assert!(!server.accept().await.connection.handshake.may_upgrade());
}

#[tokio::test]
async fn other_paths_pass_untouched() {
    let server = Server::start(WireConfig::default()).await;
    let base = format!("http://{}", server.address);
    let answer = reqwest::get(format!("{base}/other")).await.expect("an answer");
    assert_eq!(answer.text().await.expect("a body"), "untouched");
    assert_eq!(reqwest::get(format!("{base}/socket.io-admin/")).await.expect("an answer").status(), 404);
}

#[tokio::test]
async fn foreign_pages_may_not_connect() {
    let callers = Arc::new(Trust { origins: vec!["http://localhost:5173".into()], ..Trust::default() });
    let server = Server::start(WireConfig { callers, ..WireConfig::default() }).await;
    let websocket = "EIO=4&transport=websocket";
    let same = format!("http://{}", server.address);
    let http = reqwest::Client::new();
    let origins =
        [("http://localhost:5173", true), (&same, true), ("http://evil.example", false), ("null", false)];
    for (origin, allowed) in origins {
        let opened = Ws::open(server.address, websocket, &[("origin", origin)]).await;
        assert_eq!(opened.is_ok(), allowed, "{origin}");
        if let Err(tokio_tungstenite::tungstenite::Error::Http(answer)) = opened {
            assert_eq!(answer.status(), 403);
            assert_eq!(answer.body().as_deref(), Some(FORBIDDEN.as_bytes()));
        }
        let request = http.get(server.url("EIO=4&transport=polling")).header("origin", origin);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status() == 200, allowed, "{origin}");
        if !allowed {
            assert_eq!(answer.status(), 403);
            assert_eq!(answer.text().await.expect("a body"), FORBIDDEN);
        }
    }
    // Nor use a connection whose id they happen to know.
    let poller = Poller::open(&server).await;
    let evil = [("origin", "http://evil.example")];
    assert!(Ws::open(server.address, &format!("{websocket}&sid={}", poller.sid), &evil).await.is_err());
    let url = server.url(&format!("EIO=4&transport=polling&sid={}", poller.sid));
    let posted = http.post(&url).header("origin", "http://evil.example").body("40").send().await;
    assert_eq!(posted.expect("an answer").status(), 403);
    let blind = http.get(&url).header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(blind.expect("an answer").status(), 403);
    let own = http.post(&url).header("origin", &same).body("40").send().await;
    assert_eq!(own.expect("an answer").status(), 200);
}

#[tokio::test]
async fn one_address_has_a_bounded_number_of_sessions() {
    let callers = behind_a_proxy();
    let config = WireConfig { connections_per_address_max: 2, callers, ..WireConfig::default() };
    let server = Server::start(config).await;
    let http = reqwest::Client::new();
    let open = async |client: &str| {
        let request = http.get(server.url("EIO=4&transport=polling")).header("x-forwarded-for", client);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    };
    assert_eq!(open("192.0.2.1").await.0, 200);
    let (_, opened) = open("192.0.2.1").await;
    assert_eq!(open("192.0.2.1").await, (403, FORBIDDEN.to_owned()));
    assert_eq!(open("192.0.2.2").await.0, 200);
    // One machine has a whole /64 to choose from.
    assert_eq!(open("2001:db8:1:2::1").await.0, 200);
    assert_eq!(open("2001:db8:1:2:ffff::1").await.0, 200);
    assert_eq!(open("2001:db8:1:2:3:4:5:6").await, (403, FORBIDDEN.to_owned()));
    assert_eq!(open("2001:db8:1:3::1").await.0, 200);
    assert_eq!(open("::ffff:192.0.2.1").await, (403, FORBIDDEN.to_owned()));
    let open_packet: serde_json::Value = serde_json::from_str(&opened[1..]).expect("JSON");
    let sid = open_packet["sid"].as_str().expect("a sid");
    let close = http.post(server.url(&format!("EIO=4&transport=polling&sid={sid}"))).body("1");
    assert_eq!(close.send().await.expect("an answer").status(), 200);
    super::server::until("the session to be uncounted", || server.wire.connection_count() == 5).await;
    assert_eq!(open("192.0.2.1").await.0, 200);
}

#[tokio::test]
async fn credentials_arrive_with_the_upgrade() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let owned = server.accept().await;
    let handshake = &owned.connection.handshake;
    let mut credentials = handshake.credentials();
    assert!(credentials.borrow_and_update().is_empty());
    assert!(handshake.may_upgrade());

    let mut ws = poller.probe(&server, &[("cookie", "jwt=proof"), ("authorization", "Bearer b")]).await;
    within("credentials", credentials.changed()).await.expect("a live session");
    {
        let seen = credentials.borrow_and_update();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].cookie.as_deref(), Some("jwt=proof"));
        assert_eq!(seen[0].authorization.as_deref(), Some("Bearer b"));
    }
    assert!(handshake.may_upgrade());
    ws.send("5").await;
    within("the upgrade", credentials.changed()).await.expect("a live session");
    assert!(!handshake.may_upgrade());
    owned.outbox().emit("after", &[]).expect("room");
    assert_eq!(ws.text().await, r#"42["after"]"#);
}

#[tokio::test]
async fn the_application_sees_the_opening_request() {
    let mut server = Server::start(WireConfig { callers: behind_a_proxy(), ..WireConfig::default() }).await;
    let headers = [
        ("cookie", "jwt=early"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "chat.example.org"),
    ];
    let query = "EIO=4&transport=websocket&userId=a%20b";
    let mut ws = Ws::open(server.address, query, &headers).await.expect("a WebSocket");
    ws.send(r#"40{"token":"t"}"#).await;
    let owned = server.accept().await;
    let handshake = &owned.connection.handshake;
    assert_eq!(handshake.query["userId"], "a b");
    assert_eq!(handshake.eio, 4);
    assert_eq!(handshake.peer_address.to_string(), "203.0.113.7");
    assert_eq!(handshake.base_url, "https://chat.example.org");
    assert_eq!(handshake.credentials().borrow()[0].cookie.as_deref(), Some("jwt=early"));
    assert_eq!(owned.connection.auth["token"], "t");
}

#[tokio::test]
async fn the_first_subprotocol_offered_is_chosen() {
    let server = Server::start(WireConfig::default()).await;
    let poller = Poller::open(&server).await;
    let upgrade = format!("EIO=4&transport=websocket&sid={}", poller.sid);
    for query in ["EIO=4&transport=websocket", &upgrade] {
        // The client fails a connection whose answer has none.
        let offered = [("sec-websocket-protocol", "chat, other")];
        Ws::open(server.address, query, &offered).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    }
}
