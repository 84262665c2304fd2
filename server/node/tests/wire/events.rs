//! Events in both directions.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use sockeye::gateway::wire::{
    AckError, Admission, Application, Connection, EmitError, Handshake, Malformed, Payload, Refusal,
    WireConfig,
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::{Poller, Ws},
    server::{Server, serve, within},
};

/// Acknowledges with what it got, after being held up differently each time.
struct Dawdler;

#[async_trait]
impl Application for Dawdler {
    async fn admit(&self, _: &Handshake, _: &str, _: &Value) -> Result<Admission, Refusal> {
        Ok(Admission::default())
    }

    async fn serve(&self, mut connection: Connection) {
        while let Some(event) = connection.inbox.recv().await {
            for _ in 0..event.args[0].as_u64().unwrap_or(0) % 7 {
                tokio::task::yield_now().await;
            }
            let (args, ack) = (event.args, event.ack.expect("an ack is asked for"));
            if ack.send(&args).is_err() {
                return;
            }
        }
    }
}

const IN_FLIGHT: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_in_flight_are_handled_and_acknowledged_in_order() {
    let (address, _wire) = serve(WireConfig::default(), Arc::new(Dawdler)).await;
    let clients = (0..24).map(|_| {
        tokio::spawn(async move {
            let mut ws = Ws::open(address, "EIO=4&transport=websocket", &[]).await.expect("a WebSocket");
            ws.text().await;
            ws.send("40").await;
            ws.text().await;
            for round in 0..5 {
                for n in round * IN_FLIGHT..(round + 1) * IN_FLIGHT {
                    ws.send(&format!("42{n}[\"m\",{n}]")).await;
                }
                for n in round * IN_FLIGHT..(round + 1) * IN_FLIGHT {
                    assert_eq!(ws.text().await, format!("43{n}[{n}]"));
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        within("a client", client).await.expect("ordered acks");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_payload_of_events_is_handled_in_order() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    let payload: Vec<String> = (0..100).map(|n| format!("42[\"m\",{n}]")).collect();
    assert_eq!(poller.post(&payload.join("\x1e")).await, 200);
    for n in 0..100 {
        assert_eq!(owned.event().await.args, [json!(n)]);
    }
}

/// The engine answers CONNECT before it calls its connect handler: an eager client must not lose its event.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_sent_in_the_instant_of_the_connect_answer_is_not_lost() {
    let mut server = Server::start(WireConfig::default()).await;
    for n in 0..300 {
        let (mut ws, answer) = Ws::join(&server, "").await;
        ws.send(&format!("42[\"first\",{n}]")).await;
        assert!(answer.starts_with("40{\"sid\":"));
        let mut owned = server.accept().await;
        assert_eq!(owned.event().await.args, [json!(n)]);
    }
}

#[tokio::test]
async fn an_event_before_the_connect_answer_ends_the_connection() {
    let server = Server::start(WireConfig::default()).await;
    let mut ws = Ws::open(server.address, "EIO=4&transport=websocket", &[]).await.expect("a WebSocket");
    ws.text().await;
    ws.send("42[\"too early\"]").await;
    ws.closed().await;
    server.empty().await;
}

#[tokio::test]
async fn what_was_sent_before_leaving_is_still_received() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    ws.send("42[\"last\",1]").await;
    ws.send("41").await;
    drop(ws);
    server.empty().await;
    assert_eq!(owned.event().await.name, "last");
    assert!(owned.inbox().recv().await.is_none());
    assert_eq!(owned.outbox().emit("late", &[]), Err(EmitError::Closed));
}

#[tokio::test]
async fn refused_sockets_learn_why() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, answer) = Ws::join(&server, r#"{"refuse":"say \"please\""}"#).await;
    assert_eq!(answer, r#"44{"message":"say \"please\""}"#);
    ws.send("40/nowhere,").await;
    assert_eq!(ws.text().await, r#"44/nowhere,{"message":"Invalid namespace"}"#);
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    server.accept().await;
}

#[tokio::test]
async fn malformed_packets_end_the_connection() {
    for packet in [
        "4abc",
        "42{}",
        "42[]",
        "42[1]",
        "42[\"disconnect\"]",
        "42[\"a\"]x",
        "42abc[\"a\"]",
        "40[]",
        "451-[\"a\",{\"_placeholder\":true,\"num\":9}]",
    ] {
        let mut server = Server::start(WireConfig::default()).await;
        let (mut ws, _) = Ws::join(&server, "").await;
        let mut owned = server.accept().await;
        if packet == "40[]" {
            drop(owned);
            assert_eq!(ws.text().await, "41");
            ws.send(packet).await;
            ws.closed().await;
            continue;
        }
        ws.send(packet).await;
        if packet.starts_with("451") {
            let sent = futures_util::SinkExt::send(&mut ws.0, Message::binary(vec![1u8])).await;
            sent.expect("a send");
        }
        owned.gone().await;
        ws.closed().await;
    }
}

#[tokio::test]
async fn odd_but_valid_json_does_not_cost_the_connection() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    ws.send(r#"42["m","cut \ud83d",1e999]"#).await;
    let event = owned.event().await;
    assert_eq!(event.args, [json!("cut \u{fffd}"), json!(null)]);
    assert_eq!(event.malformed, Some(Malformed::OutOfRange));
    for depth in [128, 1000, 100_000] {
        ws.send(&format!("427[\"m\",{}1{}]", "[".repeat(depth), "]".repeat(depth))).await;
        let event = owned.event().await;
        assert_eq!((event.args, event.malformed), (vec![json!(null)], Some(Malformed::TooDeep)));
        event.ack.expect("an ack is asked for").send(&[json!("no")]).expect("room");
        assert_eq!(ws.text().await, "437[\"no\"]");
    }
    ws.send("42[\"m\"]").await;
    let event = owned.event().await;
    assert_eq!((event.name.as_str(), event.malformed), ("m", None));
}

#[tokio::test]
async fn binary_arguments_go_both_ways_untouched() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    let bytes = Bytes::from_static(&[0, 255, 30, 1]);
    ws.send(r#"451-7["b",{"deep":[{"_placeholder":true,"num":0}]},2]"#).await;
    futures_util::SinkExt::send(&mut ws.0, Message::binary(bytes.clone())).await.expect("a send");
    let event = owned.event().await;
    assert_eq!(event.attachments, std::slice::from_ref(&bytes));
    let payload = Payload { args: event.args, attachments: event.attachments };
    event.ack.expect("an ack is asked for").send_binary(&payload).expect("room");
    assert_eq!(ws.text().await, r#"461-7[{"deep":[{"_placeholder":true,"num":0}]},2]"#);
    assert_eq!(ws.message().await, Some(Message::binary(bytes)));
}

#[tokio::test]
async fn a_lookalike_of_a_placeholder_is_just_json() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    ws.send(r#"42["m",{"_placeholder":true,"num":5}]"#).await;
    let event = owned.event().await;
    let payload = Payload { args: event.args, attachments: event.attachments };
    owned.outbox().emit_binary("m", &payload).expect("room");
    assert_eq!(ws.text().await, r#"42["m",{"_placeholder":true,"num":5}]"#);
}

#[tokio::test]
async fn the_client_can_be_asked_for_an_acknowledgement() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    let ask = |event: &'static str, timeout| {
        let outbox = owned.outbox().clone();
        tokio::spawn(async move { outbox.emit_with_ack(event, &Payload::default(), timeout).await })
    };
    let answered = ask("q", Duration::from_secs(10));
    assert_eq!(ws.text().await, r#"421["q"]"#);
    ws.send(r#"461-1[{"_placeholder":true,"num":0},null,"x"]"#).await;
    futures_util::SinkExt::send(&mut ws.0, Message::binary(vec![9u8])).await.expect("a send");
    let expected = Payload {
        args: vec![json!({"_placeholder": true, "num": 0}), json!(null), json!("x")],
        attachments: vec![Bytes::from_static(&[9])],
    };
    assert_eq!(within("the answer", answered).await.expect("a task"), Ok(expected));

    let unanswered = ask("q", Duration::from_millis(20));
    assert_eq!(within("the time-out", unanswered).await.expect("a task"), Err(AckError::TimedOut));
    let interrupted = ask("q", Duration::from_secs(10));
    ws.text().await;
    drop(ws);
    owned.gone().await;
    assert_eq!(within("the end", interrupted).await.expect("a task"), Err(EmitError::Closed.into()));
}

#[tokio::test]
async fn namespaces_of_one_session_are_sockets_of_their_own() {
    let namespaces = vec!["/".into(), "/custom".into()];
    let mut server = Server::start(WireConfig { namespaces, ..WireConfig::default() }).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let main = server.accept().await;
    ws.send("40/custom,").await;
    let answer = ws.text().await;
    let mut custom = server.accept().await;
    assert_eq!(custom.connection.namespace, "/custom");
    assert_eq!(answer, format!("40/custom,{{\"sid\":\"{}\"}}", custom.connection.id));
    assert_ne!(main.connection.id, custom.connection.id);
    ws.send("41/custom,").await;
    custom.gone().await;
    main.outbox().emit("still", &[]).expect("room");
    assert_eq!(ws.text().await, r#"42["still"]"#);
}

#[tokio::test]
async fn eio3_clients_are_served() {
    let mut server = Server::start(WireConfig { allow_eio3: true, ..WireConfig::default() }).await;
    let poller = Poller::open_with(&server, "EIO=3").await;
    assert_eq!(poller.poll().await, (200, "2:40".into()));
    let mut owned = server.accept().await;
    assert_eq!(owned.connection.id, poller.sid);
    assert_eq!(poller.post("11:42[\"m\",\"é\"]").await, 200);
    assert_eq!(owned.event().await.args, [json!("é")]);
    owned.outbox().emit("m", &[json!("é")]).expect("room");
    assert_eq!(poller.poll().await, (200, "11:42[\"m\",\"é\"]".into()));
    let mut ws = poller.probe(&server, &[]).await;
    ws.send("5").await;
    ws.send("2").await;
    assert_eq!(ws.text().await, "3");
}

#[tokio::test]
async fn eio3_clients_get_attachments_by_polling() {
    let mut server = Server::start(WireConfig { allow_eio3: true, ..WireConfig::default() }).await;
    let poller = Poller::open_with(&server, "EIO=3&b64=1").await;
    assert_eq!(poller.poll().await, (200, "2:40".into()));
    let owned = server.accept().await;
    let args = vec![json!({"_placeholder": true, "num": 0})];
    let payload = Payload { args, attachments: vec![Bytes::from_static(&[1, 2])] };
    owned.outbox().emit_binary("b", &payload).expect("room");
    assert_eq!(poller.poll().await, (200, "39:451-[\"b\",{\"_placeholder\":true,\"num\":0}]6:b4AQI=".into()));
}

#[tokio::test]
async fn escaped_names_are_read_over_websocket() {
    let mut server = Server::start(WireConfig::default()).await;
    let (mut ws, _) = Ws::join(&server, "").await;
    let mut owned = server.accept().await;
    ws.send(r#"427["\u00e9t\u00e9","\u00e9"]"#).await;
    ws.send(r#"42["m"]"#).await;
    let event = owned.event().await;
    assert_eq!((event.name.as_str(), event.args), ("été", vec![json!("é")]));
    event.ack.expect("an ack is asked for").send(&[]).expect("room");
    assert_eq!(ws.text().await, "437[]");
    assert_eq!(owned.event().await.name, "m");
}
