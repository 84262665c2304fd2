//! Clients that vanish, stall or flood: each costs itself only, and is soon known to be gone.

use std::time::Duration;

use serde_json::json;
use sockeye::gateway::wire::{EmitError, WireConfig};
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::{Poller, Ws},
    server::{Server, within},
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

/// What a client sends at once after a time without connection, while its owner has other things to do.
#[tokio::test]
async fn a_burst_over_websocket_waits_in_the_connection() {
    const EVENTS: usize = 300;
    // From the last event on nothing excuses silence: time enough for a busy machine to take what waited and say more.
    let ping_timeout = Duration::from_secs(1);
    let config = WireConfig { inbound_queue_len_max: 8, ping_timeout, ..impatient() };
    let mut server = Server::start(config).await;
    let (ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    let (mut sink, mut stream) = futures_util::StreamExt::split(ws.0);
    let sending = tokio::spawn(async move {
        // More than any socket buffer takes.
        let filler = "x".repeat(100_000);
        for n in 0..EVENTS {
            let event = Message::text(format!("42[\"m\",{n},\"{filler}\"]"));
            futures_util::SinkExt::send(&mut sink, event).await.expect("a send");
        }
        sink
    });
    // The client cannot answer a single ping: its answers wait behind its events.
    for _ in 0..3 {
        let ping = within("a ping", futures_util::StreamExt::next(&mut stream)).await;
        assert_eq!(ping.expect("an open WebSocket").expect("a frame"), Message::text("2"));
    }
    assert!(!sending.is_finished(), "everything was read");
    for n in 0..EVENTS {
        assert_eq!(owned.event().await.args[0], json!(n));
    }
    let sink = within("the sender", sending).await.expect("a sink");
    let mut ws = Ws(sink.reunite(stream).expect("two halves"));
    ws.send("42[\"last\"]").await;
    assert_eq!(owned.event().await.name, "last");
}

#[tokio::test]
async fn a_burst_over_polling_is_accepted_when_there_is_room() {
    const EVENTS: usize = 300;
    for query in ["EIO=4", "EIO=3"] {
        let config = WireConfig { inbound_queue_len_max: 8, allow_eio3: true, ..impatient() };
        let mut server = Server::start(config).await;
        let poller = Poller::open_with(&server, query).await;
        let encode = |packets: &[String]| match query {
            "EIO=4" => packets.join("\x1e"),
            _ => packets.iter().map(|packet| format!("{}:{packet}", packet.len())).collect(),
        };
        if query == "EIO=4" {
            assert_eq!(poller.post("40").await, 200);
        }
        assert!(poller.poll().await.1.contains("40"));
        let mut owned = server.accept().await;
        let events: Vec<String> = (0..EVENTS).map(|n| format!("42[\"m\",{n}]")).collect();
        let body = encode(&events);
        let posting = tokio::spawn({
            let poller = poller.clone();
            async move { poller.post(&body).await }
        });
        for _ in 0..5 {
            // EIO=4: a ping, which the client cannot answer; EIO=3: the answer to the one in its place.
            let heartbeat = encode(&[if query == "EIO=4" { "2".into() } else { "3".into() }]);
            assert_eq!(poller.poll().await, (200, heartbeat));
        }
        assert!(!posting.is_finished(), "accepted without room");
        for n in 0..EVENTS {
            assert_eq!(owned.event().await.args, [json!(n)]);
        }
        assert_eq!(within("the POST", posting).await.expect("an answer"), 200);
        assert!(!owned.outbox().is_closed());
    }
}

#[tokio::test]
async fn an_owner_that_ends_with_events_waiting_gives_their_places_back() {
    let mut server = Server::start(WireConfig { inbound_queue_len_max: 4, ..WireConfig::default() }).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let owned = server.accept().await;
    for n in 0..20 {
        ws.send(&format!("42[\"m\",{n}]")).await;
    }
    let outbox = owned.outbox().clone();
    drop(owned);
    within("the end of the socket", outbox.closed()).await;
    assert_eq!(ws.text().await, "41");
}
