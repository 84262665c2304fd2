//! Ends brought about by the server.

use std::time::Duration;

use sockeye::gateway::wire::WireConfig;
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::{Poller, Ws},
    server::{Server, until, within},
};

#[tokio::test]
async fn a_disconnected_socket_is_told_so_over_websocket() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    owned.outbox().emit("last", &[]).expect("room");
    owned.outbox().disconnect(true);
    owned.gone().await;
    assert_eq!(ws.message().await, Some(Message::text(r#"42["last"]"#)));
    assert_eq!(ws.message().await, Some(Message::text("41")));
    let end = within("a frame", futures_util::StreamExt::next(&mut ws.0)).await;
    assert!(matches!(end, Some(Ok(Message::Close(None)))), "not a clean close: {end:?}");
    server.empty().await;
}

/// The end must not overtake what is queued before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_packets_always_arrive() {
    let mut server = Server::start(WireConfig::default()).await;
    for _ in 0..50 {
        let (mut ws, _) = Ws::join(&server, "").await;
        let owned = server.accept().await;
        let (poller, _) = Poller::join(&server, "").await;
        let polled = server.accept().await;
        let polling = tokio::spawn(async move {
            let mut seen = String::new();
            while !seen.ends_with('1') || seen.ends_with("41") {
                let (status, packets) = poller.poll().await;
                assert_eq!(status, 200, "after {seen:?}");
                seen.push_str(&packets);
            }
            seen
        });
        for owned in [&owned, &polled] {
            owned.outbox().emit("last", &[]).expect("room");
            owned.outbox().disconnect(true);
        }
        assert_eq!(ws.message().await, Some(Message::text(r#"42["last"]"#)));
        assert_eq!(ws.message().await, Some(Message::text("41")));
        assert_eq!(ws.message().await, None);
        let seen = within("the CLOSE packet", polling).await.expect("packets");
        assert_eq!(seen.replace('\x1e', ""), r#"42["last"]411"#);
    }
}

#[tokio::test]
async fn a_disconnected_socket_is_told_so_with_its_next_poll() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    owned.outbox().disconnect(true);
    owned.gone().await;
    assert_eq!(poller.poll().await, (200, "41\x1e1".into()));
    server.empty().await;
}

#[tokio::test]
async fn an_owner_that_ends_disconnects_its_socket_only() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    drop(server.accept().await);
    assert_eq!(ws.text().await, "41");
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    server.accept().await;
}

#[tokio::test]
async fn a_polling_client_that_never_comes_back_is_not_waited_for() {
    let config = WireConfig { write_stall_after: Duration::from_millis(50), ..WireConfig::default() };
    let mut server = Server::start(config).await;
    let (_poller, _) = Poller::join(&server, "").await;
    server.accept().await.outbox().disconnect(true);
    server.empty().await;
}

#[tokio::test]
async fn draining_closes_everything_and_refuses_the_new() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owners = [server.accept().await, server.accept().await];
    let wire = server.wire.clone();
    let closed = tokio::spawn(async move { wire.close(Duration::from_millis(20)).await });
    // No DISCONNECT packet: the client is to reconnect by itself.
    let (_, polled) = tokio::join!(ws.closed(), poller.poll());
    assert_eq!(polled, (200, "1".into()));
    for owned in &mut owners {
        owned.gone().await;
    }
    drop(owners);
    within("the drain", closed).await.expect("a drain");
    assert_eq!(server.wire.connection_count(), 0);
    let refused = reqwest::get(server.url("EIO=4&transport=polling")).await.expect("an answer");
    assert_eq!(refused.status(), 503);
}

/// Drains a server with the one session that `prepare` brings into some state; it answers with what keeps it there.
async fn draining_ends<Kept>(prepare: impl AsyncFnOnce(&mut Server) -> Kept) {
    let mut server = Server::start(WireConfig::default()).await;
    let kept = prepare(&mut server).await;
    until("the session to be open", || server.wire.connection_count() == 1).await;
    let patience = WireConfig::default().write_stall_after / 2;
    let closed = tokio::time::timeout(patience, server.wire.close(Duration::ZERO)).await;
    assert!(closed.is_ok(), "the drain waits for a client");
    assert_eq!(server.wire.connection_count(), 0);
    drop(kept);
}

#[tokio::test]
async fn draining_ends_a_session_that_joined_nothing() {
    draining_ends(async |server| Poller::open(server).await).await;
    draining_ends(async |server| {
        let mut ws = Ws::open(server.address, "EIO=4&transport=websocket", &[]).await.expect("a WebSocket");
        assert!(ws.text().await.starts_with("0{"));
        ws
    })
    .await;
}

#[tokio::test]
async fn draining_ends_a_session_that_does_not_poll() {
    draining_ends(async |server| {
        let joined = Poller::join(server, "").await;
        let mut owned = server.accept().await;
        tokio::spawn(async move { owned.gone().await }); // then the owner ends
        joined
    })
    .await;
}

#[tokio::test]
async fn draining_ends_a_session_that_waits_for_its_admission() {
    draining_ends(async |server| {
        let poller = Poller::open(server).await;
        assert_eq!(poller.post(r#"40{"slow":3600000}"#).await, 200);
        poller
    })
    .await;
    draining_ends(async |server| {
        let mut ws = Ws::open(server.address, "EIO=4&transport=websocket", &[]).await.expect("a WebSocket");
        ws.send(r#"40{"slow":3600000}"#).await;
        ws
    })
    .await;
}

#[tokio::test]
async fn draining_ends_a_session_in_its_upgrade() {
    draining_ends(async |server| {
        let poller = Poller::open(server).await;
        let ws = poller.probe(server, &[]).await;
        (poller, ws)
    })
    .await;
    // Cut off while it probes.
    draining_ends(async |server| {
        let poller = Poller::open(server).await;
        drop(poller.probe(server, &[]).await);
        poller
    })
    .await;
    draining_ends(async |server| {
        let poller = Poller::open(server).await;
        let mut ws = poller.probe(server, &[]).await;
        ws.send("5").await;
        (poller, ws)
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_never_got_its_connect_answer_is_gone_with_its_session() {
    let server = Server::start(WireConfig::default()).await;
    let poller = Poller::open(&server).await;
    assert_eq!(poller.post("40\u{1e}1").await, 200);
    server.empty().await;
    // Whether it was admitted before the session ended is a matter of luck; it must not outlive it.
    within("the drain", server.wire.close(Duration::ZERO)).await;
}
