//! From polling to WebSocket.

use std::time::Duration;

use serde_json::json;
use sockeye::gateway::wire::WireConfig;

use super::{
    client::{Poller, Ws},
    server::Server,
};

#[tokio::test]
async fn nothing_is_lost_or_reordered_by_an_upgrade() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    for n in 0..10 {
        owned.outbox().emit("m", &[json!(n)]).expect("room");
    }
    let mut ws = poller.probe(&server, &[]).await;
    for n in 10..20 {
        owned.outbox().emit("m", &[json!(n)]).expect("room");
    }
    // Everything up to here may still come by polling; what follows the upgrade packet is sent in one write.
    ws.send("5").await;
    ws.send("42[\"up\"]").await;
    assert_eq!(owned.event().await.name, "up");
    for n in 20..30 {
        owned.outbox().emit("m", &[json!(n)]).expect("room");
    }
    for n in 0..30 {
        assert_eq!(ws.text().await, format!("42[\"m\",{n}]"));
    }
    assert_eq!(poller.poll().await, (400, r#"{"code":3,"message":"Bad request"}"#.into()));
    assert_eq!(poller.post("42[\"m\"]").await, 400);
    owned.outbox().emit("alive", &[]).expect("room");
    assert_eq!(ws.text().await, r#"42["alive"]"#);
}

/// A polling answer that grew past `maxPayload` right before the upgrade loses nothing either.
#[tokio::test]
async fn large_backlogs_survive_an_upgrade() {
    let mut server = Server::start(WireConfig { max_payload_bytes: 2000, ..WireConfig::default() }).await;
    let (poller, _) = Poller::join(&server, "").await;
    let owned = server.accept().await;
    let text = "x".repeat(1500);
    for n in 0..4 {
        owned.outbox().emit("m", &[json!(n), json!(text)]).expect("room");
    }
    let polled = poller.poll().await.1;
    let mut ws = poller.probe(&server, &[]).await;
    ws.send("5").await;
    owned.outbox().emit("m", &[json!(4)]).expect("room");
    let mut seen: Vec<String> = polled.split('\x1e').map(str::to_owned).collect();
    while seen.len() < 5 {
        seen.push(ws.text().await);
    }
    let numbers: Vec<char> = seen.iter().filter_map(|packet| packet.chars().nth("42[\"m\",".len())).collect();
    assert_eq!(numbers, ['0', '1', '2', '3', '4']);
}

#[tokio::test]
async fn a_waiting_poll_is_released_while_a_websocket_probes() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let _owned = server.accept().await;
    let (polled, _ws) = tokio::join!(poller.poll(), poller.probe(&server, &[]));
    assert_eq!(polled, (200, "6".into()));
}

#[tokio::test]
async fn a_failed_upgrade_leaves_the_session_to_polling() {
    let config = WireConfig { upgrade_timeout: Duration::from_millis(100), ..WireConfig::default() };
    let mut server = Server::start(config).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;

    let mut dawdling = poller.probe(&server, &[]).await;
    dawdling.closed().await; // by the time-out
    let mut garbling = poller.probe(&server, &[]).await;
    garbling.send("4nonsense").await;
    garbling.closed().await;
    drop(poller.probe(&server, &[]).await);

    assert_eq!(poller.post("42[\"m\"]").await, 200);
    assert_eq!(owned.event().await.name, "m");
    owned.outbox().emit("m", &[]).expect("room");
    assert_eq!(poller.poll().await.1, r#"42["m"]"#);
    let mut ws = poller.probe(&server, &[]).await;
    ws.send("5").await;
    owned.outbox().emit("m", &[]).expect("room");
    assert_eq!(ws.text().await, r#"42["m"]"#);
}

#[tokio::test]
async fn a_second_websocket_is_turned_away_and_the_first_goes_on() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let owned = server.accept().await;
    let query = format!("EIO=4&transport=websocket&sid={}", poller.sid);
    let mut ws = poller.probe(&server, &[]).await;
    Ws::open(server.address, &query, &[]).await.expect("a WebSocket").closed().await;
    ws.send("5").await;
    owned.outbox().emit("m", &[]).expect("room");
    assert_eq!(ws.text().await, r#"42["m"]"#);
    Ws::open(server.address, &query, &[]).await.expect("a WebSocket").closed().await;
    owned.outbox().emit("m", &[]).expect("room");
    assert_eq!(ws.text().await, r#"42["m"]"#);
}

#[tokio::test]
async fn a_websocket_message_too_large_ends_the_session() {
    let mut server = Server::start(WireConfig { max_payload_bytes: 1000, ..WireConfig::default() }).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    ws.send(&format!("42[\"m\",\"{}\"]", "x".repeat(1000))).await;
    owned.gone().await;
    ws.closed().await;
    server.empty().await;
}

#[tokio::test]
async fn a_session_is_not_served_in_another_revision() {
    let mut server = Server::start(WireConfig { allow_eio3: true, ..WireConfig::default() }).await;
    let (poller, _) = Poller::join(&server, "").await;
    let _owned = server.accept().await;
    let other = Poller { url: poller.url.replace("EIO=4", "EIO=3"), ..poller.clone() };
    assert_eq!(other.poll().await, (400, r#"{"code":3,"message":"Bad request"}"#.into()));
    let query = format!("EIO=3&transport=websocket&sid={}", poller.sid);
    assert!(Ws::open(server.address, &query, &[]).await.is_err());
    assert_eq!(poller.post("42[\"m\"]").await, 200);
}
