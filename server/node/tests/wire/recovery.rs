//! What connection state recovery (Socket.IO protocol v5) needs from the wire.

use sockeye::gateway::wire::WireConfig;

use super::{
    client::{Poller, Ws},
    server::Server,
};

#[tokio::test]
async fn the_connect_answer_carries_id_and_pid_over_both_transports() {
    let mut server = Server::start(WireConfig::default()).await;
    let (_ws, over_websocket) = Ws::join(&server, r#"{"pid":"p-1"}"#).await;
    let first = server.accept().await;
    assert_eq!(over_websocket, format!(r#"40{{"sid":"{}","pid":"p-1"}}"#, first.connection.id));

    let (poller, over_polling) = Poller::join(&server, r#"{"pid":"p-2"}"#).await;
    let second = server.accept().await;
    assert_eq!(over_polling, format!(r#"40{{"sid":"{}","pid":"p-2"}}"#, second.connection.id));
    assert_ne!(second.connection.id, poller.sid, "the session id is a secret, the socket id is not");
}

#[tokio::test]
async fn without_recovery_there_is_no_pid() {
    let mut server = Server::start(WireConfig::default()).await;
    let (_ws, answer) = Ws::join(&server, "").await;
    let owned = server.accept().await;
    assert_eq!(answer, format!(r#"40{{"sid":"{}"}}"#, owned.connection.id));
}

#[tokio::test]
async fn eio3_knows_no_pid() {
    let mut server = Server::start(WireConfig { allow_eio3: true, ..WireConfig::default() }).await;
    let mut ws = Ws::open(server.address, "EIO=3&transport=websocket", &[]).await.expect("a WebSocket");
    assert!(ws.text().await.starts_with("0{"));
    assert_eq!(ws.text().await, "40");
    let owned = server.accept().await;
    owned.outbox().emit("m", &[serde_json::json!({"sid": "x"})]).expect("room");
    assert_eq!(ws.text().await, r#"42["m",{"sid":"x"}]"#);
}
