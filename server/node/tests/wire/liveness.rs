//! Clients that vanish, stall or flood: each costs itself only, and is soon known to be gone.

use std::time::Duration;

use serde_json::json;
use sockeye::gateway::wire::{EmitError, WireConfig};
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::{Poller, Ws},
    server::{Server, until, within},
};

fn impatient() -> WireConfig {
    WireConfig {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(100),
        ..WireConfig::default()
    }
}

#[tokio::test]
async fn the_first_ping_comes_after_the_first_interval() {
    let mut server = Server::start(impatient()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let owned = server.accept().await;
    owned.outbox().emit("before", &[]).expect("room");
    assert_eq!(ws.message().await, Some(Message::text(r#"42["before"]"#)));
    assert_eq!(ws.message().await, Some(Message::text("2")));
}

#[tokio::test]
async fn a_client_that_answers_stays() {
    let mut server = Server::start(impatient()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let owned = server.accept().await;
    for _ in 0..5 {
        assert_eq!(ws.message().await, Some(Message::text("2")));
        ws.send("3").await;
    }
    assert!(!owned.outbox().is_closed());
}

#[tokio::test]
async fn a_vanished_client_is_gone_over_polling() {
    let mut server = Server::start(impatient()).await;
    let (_poller, _) = Poller::join(&server, "").await;
    server.accept().await.gone().await;
    server.empty().await;
}

#[tokio::test]
async fn a_vanished_client_is_gone_over_websocket() {
    let mut server = Server::start(impatient()).await;
    let (_ws, _) = Ws::join(&server, "").await; // open, but silent from here on
    server.accept().await.gone().await;
    server.empty().await;
}

#[tokio::test]
async fn a_client_vanished_in_its_upgrade_is_gone() {
    let mut server = Server::start(impatient()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let _probing = poller.probe(&server, &[]).await;
    server.accept().await.gone().await;
    server.empty().await;

    let (poller, _) = Poller::join(&server, "").await;
    let mut upgraded = poller.probe(&server, &[]).await;
    upgraded.send("5").await;
    server.accept().await.gone().await;
    server.empty().await;
}

#[tokio::test]
async fn a_client_that_joins_nothing_is_gone() {
    let config = WireConfig { connect_timeout: Duration::from_millis(50), ..WireConfig::default() };
    let server = Server::start(config).await;
    let mut ws = Ws::open(server.address, "EIO=4&transport=websocket", &[]).await.expect("a WebSocket");
    assert!(ws.text().await.starts_with("0{"));
    ws.closed().await;
    server.empty().await;
}

fn stalling(write_stall_after: Duration) -> WireConfig {
    WireConfig { write_stall_after, outbound_queue_len_max: 64, ..WireConfig::default() }
}

/// Emits until the client's queue is full: its connection takes nothing more.
async fn fill(owned: &super::server::Owned) {
    let args = [json!("x".repeat(100_000))];
    within("a full queue", async {
        loop {
            match owned.outbox().emit("m", &args) {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => break assert_eq!(error, EmitError::Full),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_stops_reading_is_gone() {
    let mut server = Server::start(stalling(Duration::from_millis(200))).await;
    let (_ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    fill(&owned).await;
    owned.gone().await; // heartbeats are 25 s apart: it is the stall that is noticed
    server.empty().await;
}

#[tokio::test]
async fn a_client_with_a_full_queue_can_be_disconnected_at_once() {
    let mut server = Server::start(stalling(Duration::from_secs(3600))).await;
    let (_ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    fill(&owned).await;
    owned.outbox().disconnect(true);
    owned.gone().await;
    assert_eq!(owned.outbox().emit("m", &[]), Err(EmitError::Closed));
    server.empty().await;

    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    fill(&owned).await;
    owned.outbox().disconnect(false);
    owned.gone().await;
    server.empty().await;
    assert_eq!(poller.poll().await.0, 400);
}

/// The engine's writer waits for the client without looking at the end of the session.
#[tokio::test]
async fn a_stalled_client_does_not_outlive_its_heartbeat() {
    let config = WireConfig { write_stall_after: Duration::from_secs(3600), ..impatient() };
    let mut server = Server::start(WireConfig { outbound_queue_len_max: 64, ..config }).await;
    let (_ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    fill(&owned).await;
    owned.gone().await;
    server.empty().await;
}

#[tokio::test]
async fn a_client_that_floods_is_disconnected_and_what_was_queued_is_received() {
    let mut server = Server::start(WireConfig { inbound_queue_len_max: 8, ..WireConfig::default() }).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut flooded = server.accept().await;
    let (mut other, _) = Ws::join(&server, "").await;
    let mut calm = server.accept().await;
    for n in 0..9 {
        ws.send(&format!("42[\"m\",{n}]")).await;
    }
    until("the flooder to be gone", || flooded.outbox().is_closed()).await;
    for n in 0..8 {
        assert_eq!(flooded.event().await.args, [json!(n)]);
    }
    assert!(flooded.inbox().recv().await.is_none());
    ws.closed().await;
    other.send("42[\"m\"]").await;
    assert_eq!(calm.event().await.name, "m");

    let (poller, _) = Poller::join(&server, "").await;
    let mut flooded = server.accept().await;
    let payload: Vec<String> = (0..9).map(|n| format!("42[\"m\",{n}]")).collect();
    poller.post(&payload.join("\x1e")).await;
    flooded.gone().await;
    until("the flooder to be gone", || server.wire.connection_count() == 1).await;
}
