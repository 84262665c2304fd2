//! Events shared between sockets keep their place among the others, whatever carries them.

use std::sync::Arc;

use serde_json::{json, value::RawValue};
use sockeye::gateway::wire::{EmitError, SharedEvent, WireConfig};

use super::{
    client::{Poller, Ws},
    server::{Owned, Server},
};

/// More than a short frame holds, and text whose length differs by how it is counted.
fn shared(n: u64) -> (Arc<SharedEvent>, String) {
    let arg = json!([n, "é🐟".repeat(usize::try_from(n % 3 * 200).expect("small"))]).to_string();
    let raw: Arc<RawValue> = RawValue::from_string(arg.clone()).expect("JSON").into();
    (Arc::new(SharedEvent::new("/", "all", vec![raw])), format!("42[\"all\",{arg}]"))
}

/// Emits shared and ordinary events in turn; answers with the packets the client has to see.
fn emit(owned: &Owned, numbers: std::ops::Range<u64>) -> Vec<String> {
    let one = |n| {
        if n % 2 == 0 {
            owned.outbox().emit("m", &[json!(n)]).expect("room");
            return format!("42[\"m\",{n}]");
        }
        let (event, packet) = shared(n);
        owned.outbox().emit_shared(&event).expect("room");
        packet
    };
    numbers.map(one).collect()
}

async fn poll_all(poller: &Poller, len: usize) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < len {
        let (_, payload) = poller.poll().await;
        seen.extend(payload.split('\x1e').filter(|packet| *packet != "2").map(str::to_owned));
    }
    seen
}

#[tokio::test]
async fn over_websocket() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let owned = server.accept().await;
    for round in 0..5 {
        for packet in emit(&owned, round * 40..(round + 1) * 40) {
            assert_eq!(ws.text().await, packet);
        }
    }
}

#[tokio::test]
async fn over_polling() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let owned = server.accept().await;
    for round in 0..5 {
        let packets = emit(&owned, round * 40..(round + 1) * 40);
        assert_eq!(poll_all(&poller, packets.len()).await, packets);
    }
}

#[tokio::test]
async fn across_an_upgrade() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    let mut packets = emit(&owned, 0..10);
    let polled = poll_all(&poller, 10).await;
    packets.extend(emit(&owned, 10..20));
    let mut ws = poller.probe(&server, &[]).await;
    packets.extend(emit(&owned, 20..30));
    ws.send("5").await;
    ws.send("42[\"up\"]").await;
    assert_eq!(owned.event().await.name, "up");
    packets.extend(emit(&owned, 30..40));
    let mut seen = polled;
    while seen.len() < packets.len() {
        seen.push(ws.text().await);
    }
    assert_eq!(seen, packets);
}

#[tokio::test]
async fn to_clients_of_revision_3() {
    let mut server = Server::start(WireConfig { allow_eio3: true, ..WireConfig::default() }).await;
    let mut ws = Ws::open(server.address, "EIO=3&transport=websocket", &[]).await.expect("a WebSocket");
    assert!(ws.text().await.starts_with("0{"));
    assert_eq!(ws.text().await, "40");
    for packet in emit(&server.accept().await, 0..10) {
        assert_eq!(ws.text().await, packet);
    }

    for (query, base64_only) in [("EIO=3&b64=1", true), ("EIO=3", false)] {
        let poller = Poller::open_with(&server, query).await;
        poller.poll().await; // CONNECT
        let owned = server.accept().await;
        let packets = emit(&owned, 0..10);
        let units = |packet: &String| packet.encode_utf16().count();
        let payload: String = packets.iter().map(|packet| format!("{}:{packet}", units(packet))).collect();
        assert_eq!(poller.poll().await.1, payload, "base64 only: {base64_only}");
    }
}

/// In another namespace it is an ordinary event of that namespace.
#[tokio::test]
async fn in_other_namespaces() {
    let namespaces = vec!["/".into(), "/custom".into()];
    let mut server = Server::start(WireConfig { namespaces, ..WireConfig::default() }).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let main = server.accept().await;
    ws.send("40/custom,").await;
    assert!(ws.text().await.starts_with("40/custom,{"));
    let custom = server.accept().await;
    let own = Arc::new(SharedEvent::new("/custom", "own", vec![]));
    let (event, packet) = shared(1);
    custom.outbox().emit_shared(&own).expect("room");
    main.outbox().emit_shared(&event).expect("room");
    custom.outbox().emit_shared(&event).expect("room");
    assert_eq!(ws.text().await, "42/custom,[\"own\"]");
    assert_eq!(ws.text().await, packet);
    assert_eq!(ws.text().await, packet.replacen("42", "42/custom,", 1));
}

#[tokio::test]
async fn a_client_that_takes_none_is_full_and_holds_nothing_when_it_is_gone() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let owned = server.accept().await;
    let (event, packet) = shared(1);
    let mut len = 0;
    while owned.outbox().emit_shared(&event).is_ok() {
        len += 1;
    }
    assert_eq!(owned.outbox().emit_shared(&event), Err(EmitError::Full));
    assert_eq!(poll_all(&poller, len).await, vec![packet; len]);
    assert_eq!(Arc::strong_count(&event), 1, "what is sent is let go of");
    owned.outbox().emit_shared(&event).expect("room again");
    owned.outbox().disconnect(true);
    assert_eq!(owned.outbox().emit_shared(&event), Err(EmitError::Closed));
    drop(owned);
    poller.poll().await;
    server.empty().await;
}

/// The engine's queue is the shorter one here: what it refuses is not kept.
#[tokio::test]
async fn what_the_engine_refuses_is_not_kept() {
    let mut server = Server::start(WireConfig { outbound_queue_len_max: 4, ..WireConfig::default() }).await;
    let (poller, _) = Poller::join(&server, "").await;
    let owned = server.accept().await;
    let (event, packet) = shared(1);
    for _ in 0..4 {
        owned.outbox().emit_shared(&event).expect("room");
    }
    let (lost, _) = shared(2);
    assert_eq!(owned.outbox().emit_shared(&lost), Err(EmitError::Full));
    assert_eq!(Arc::strong_count(&lost), 1);
    assert_eq!(poll_all(&poller, 4).await, vec![packet; 4]);
}
