//! Ends brought about by the server.

use std::time::Duration;

use sockeye::gateway::wire::WireConfig;
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::{Poller, Ws},
    server::{Server, within},
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
