//! Bad input over the socket gets an error in its acknowledgement; what breaks the protocol costs its sender only
//! (promises G7, G8, G9).

mod common;

use common::{Client, Person, Server, Transport, eventually, soon};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

/// Two people who chat on, whatever others do meanwhile.
struct Neighbours {
    one: Client,
    other: Client,
    other_id: String,
    said: usize,
}

impl Neighbours {
    async fn of(server: &Server) -> Self {
        let (one, other) = (server.person("neighbour-one").await, server.person("neighbour-other").await);
        Self { one: one.connect().await, other: other.connect().await, other_id: other.id, said: 0 }
    }

    async fn chat(&mut self) {
        self.said += 1;
        let text = format!("neighbours {}", self.said);
        self.one.send(&self.other_id, &text).await;
        assert_eq!(
            self.other.texts_until(&text).await,
            [text],
            "nothing is lost or added between neighbours"
        );
    }
}

#[tokio::test]
async fn wrong_types_in_any_field_are_acknowledged_as_errors_and_the_connection_lives() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut client = ann.connect().await;
    let junk = [
        json!(true),
        json!(-7),
        json!(1e300),
        json!([]),
        json!({}),
        json!({ "$gt": "" }),
        json!(["x"]),
        json!({ "_placeholder": true, "num": 0 }),
        json!({ "_placeholder": true, "num": "0" }),
    ];
    for field in ["to", "text", "image", "clientId"] {
        for junk in &junk {
            let mut message = json!({ "to": bob.id, "text": "x", "image": null });
            message[field] = junk.clone();
            let ack = client.emit_ack("sendMessage", &[message]).await;
            assert_eq!(ack[0]["status"], "error", "{field}: {junk}");
            assert!(ack[0]["message"].is_string(), "{field}: {junk}: {ack:?}");
        }
    }
    let nested: Value = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for args in [
        vec![],
        vec![Value::Null],
        vec![json!("x")],
        vec![json!([])],
        vec![json!(1), json!(2)],
        vec![json!({ "to": "undefined", "text": "x" })],
        vec![json!({ "to": "", "text": "x" })],
        vec![json!({ "to": bob.id.repeat(1000), "text": "x" })],
        vec![nested],
    ] {
        let ack = client.emit_ack("sendMessage", &args).await;
        assert_eq!(ack[0]["status"], "error", "{args:?}");
    }
    for name in ["", "sendmessage", "newMessage", "getOnlineUsers", "__proto__", &"e".repeat(10_000)] {
        let ack = client.emit_ack(name, &[json!({ "to": bob.id, "text": "x" })]).await;
        assert_eq!(ack[0]["status"], "error", "{name}");
    }
    client.send(&bob.id, "fine").await;
    assert_eq!(bob.history(&ann).await.len(), 1);
    server.still_serves().await;
}

#[tokio::test]
async fn the_sender_is_who_proved_it_whatever_the_message_says() {
    let server = Server::start().await;
    let (ann, bob, eve) =
        (server.person("ann").await, server.person("bob").await, server.person("eve").await);
    let (mut client, mut reader) = (eve.connect().await, bob.connect().await);
    let message = json!({
        "to": bob.id, "text": "from ann, honestly", "from": ann.id, "senderId": ann.id, "userId": ann.id,
        "sender": ann.id, "_id": ann.id, "createdAt": "1970-01-01T00:00:00.000Z", "conversation": [ann.id, bob.id],
    });
    client.emit_ack("sendMessage", &[message]).await;
    let got = reader.next("newMessage").await.args[0].take();
    assert_eq!(got["senderId"], eve.id.as_str());
    assert_ne!(got["_id"], ann.id.as_str());
    assert_eq!(bob.history(&ann).await.len(), 0);
}

#[tokio::test]
async fn deep_nesting_is_refused_and_the_connection_lives() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut client = ann.connect().await;
    for depth in [200, 2_000, 100_000] {
        let id = client.ask("first", &[]);
        client.ack(id).await;
        client.send_packet(&format!("2777[\"sendMessage\",{}{}]", "[".repeat(depth), "]".repeat(depth)));
        let ack = client.ack(777).await;
        assert_eq!(ack[0]["status"], "error", "depth {depth}");
    }
    client.send(&bob.id, "fine").await;
}

#[tokio::test]
async fn packets_that_are_none_cost_their_connection_at_most() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    let mut neighbours = Neighbours::of(&server).await;
    let deep = format!("42[\"x\",{}{}]", "[".repeat(400_000), "]".repeat(400_000));
    let many = format!("42[\"x\"{}]", ",1".repeat(300_000));
    for packet in [
        "",
        "x",
        "4",
        "42",
        "42[",
        "42{}",
        "42[]",
        "42[1]",
        "42[null]",
        "42[{\"a\":1}]",
        "42\"x\"",
        "42[\"x\"",
        "43",
        "43[]",
        "439[",
        "4399999999999999999999[]",
        "4299999999999999999999[\"x\"]",
        "42-1[\"x\"]",
        "45",
        "451-",
        "451-[\"x\"]",
        "4599999999-[\"x\"]",
        "451-[\"x\",{\"_placeholder\":true,\"num\":7}]",
        "46",
        "461-0[]",
        "47",
        "4999",
        "42[\"connect\"]",
        "42[\"disconnect\"]",
        "42/admin,[\"x\"]",
        "40/admin,",
        "40",
        "40{}",
        "40[]",
        "40\"x\"",
        "40{\"token\":",
        "41",
        "41/admin,",
        "44",
        "44{\"message\":\"x\"}",
        "0",
        "0{}",
        "1",
        "3",
        "3probe",
        "2probe",
        "5",
        "6",
        "7",
        "42[\"\\ud800\"]",
        "42[\"x\u{0}\"]",
        &deep,
        &many,
    ] {
        let mut socket = ann.dial().raw().await.expect("a WebSocket");
        // It may end while it is still being talked to.
        let _ = socket.send(Message::text("40")).await;
        let _ = socket.send(Message::text(packet)).await;
        let _ = socket.send(Message::binary(vec![0xff; 100])).await;
        let _ = socket.send(Message::text("42[\"x\"]")).await;
        let _ = socket.close(None).await;
    }
    neighbours.chat().await;
    server.still_serves().await;
}

#[tokio::test]
async fn frames_that_are_none_cost_their_connection_at_most() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    let mut neighbours = Neighbours::of(&server).await;
    let masked = |first: u8, payload: &[u8]| {
        let len = u8::try_from(payload.len()).expect("short");
        [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat()
    };
    for (what, bytes) in [
        ("invalid UTF-8 in a text", masked(0x81, b"42[\"sendMessage\",\"\xc3\x28\"]")),
        ("cut-off UTF-8", masked(0x81, b"42[\"\xf0\x9f")),
        ("no mask", [&[0x81, 4][..], b"42[]"].concat()),
        ("reserved bits", masked(0xf1, b"42[]")),
        ("reserved opcode", masked(0x83, b"42[]")),
        ("a continuation of nothing", masked(0x80, b"42[]")),
        ("a long ping", [&[0x89, 0xfe, 0, 200, 0, 0, 0, 0][..], &[0; 200]].concat()),
        ("a length of 2^63", vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a length of 2^62", vec![0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a close with half a code", masked(0x88, b"\x03")),
    ] {
        let mut socket = ann.dial().raw().await.expect("a WebSocket");
        socket.send(Message::text("40")).await.expect("sent");
        socket.get_mut().write_all(&bytes).await.expect("written");
        let ended = async { while let Some(Ok(_)) = socket.next().await {} };
        soon(&format!("the end after {what}"), ended).await;
        neighbours.chat().await;
    }
    server.still_serves().await;
}

#[tokio::test]
async fn a_message_above_the_payload_bound_ends_its_connection_only() {
    let server = Server::with(&[("SOCKEYE_MAX_PAYLOAD_BYTES", "50000")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut neighbours = Neighbours::of(&server).await;
    let message = json!({ "to": bob.id, "text": "x".repeat(60_000) });
    let mut client = ann.connect().await;
    client.emit("sendMessage", std::slice::from_ref(&message));
    client.ended().await;
    client.reconnect().await.expect("let in again");
    client.send(&bob.id, "fine").await;
    // Over polling the request is refused; the session may live.
    let mut polling = ann.dial().over(Transport::Polling).connect().await.expect("let in");
    polling.emit("sendMessage", &[message]);
    polling.reconnect().await.expect("let in again");
    polling.send(&bob.id, "fine too").await;
    neighbours.chat().await;
    assert_eq!(bob.history(&ann).await.len(), 2);
    assert!(server.memory_bytes() < 500_000_000);
}

#[tokio::test]
async fn a_flood_is_refused_and_then_dropped_and_neighbours_chat_on() {
    let server = Server::with(&[("SOCKEYE_LIMIT_EVENTS", "100/1s")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut neighbours = Neighbours::of(&server).await;
    for transport in [Transport::WebSocket, Transport::Polling] {
        let mut flood = ann.dial().over(transport).connect().await.expect("let in");
        for n in 0..10_000 {
            flood.emit("sendMessage", &[json!({ "to": bob.id, "text": format!("flood {n}") })]);
        }
        for _ in 0..10 {
            neighbours.chat().await;
        }
        flood.ended().await;
    }
    let arrived = bob.whole_history(&ann).await.len();
    assert!(arrived < 5_000, "{arrived} of 20,000 arrived");
    server.still_serves().await;
}

#[tokio::test]
async fn an_eager_client_is_told_to_slow_down_and_lives() {
    let server = Server::with(&[("SOCKEYE_LIMIT_EVENTS", "10/1h")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut client = ann.connect().await;
    let mut codes = Vec::new();
    for n in 0..60 {
        let ack = client.emit_ack("sendMessage", &[json!({ "to": bob.id, "text": format!("{n}") })]).await;
        codes.push(ack[0]["code"].as_str().unwrap_or("ok").to_owned());
    }
    assert!(codes[..10].iter().all(|code| code == "ok"), "{codes:?}");
    assert!(codes[10..].iter().all(|code| code == "too_many_requests"), "{codes:?}");
    assert_eq!(bob.history(&ann).await.len(), 10);
    // It still hears what others say.
    bob.send(&ann, "slow down").await;
    assert_eq!(client.texts_until("slow down").await, ["slow down"]);
}

#[tokio::test]
async fn a_user_has_one_rate_over_all_sockets_of_theirs() {
    let server = Server::with(&[("SOCKEYE_LIMIT_USER_EVENTS", "10/1h")]).await;
    // Every gateway has the rate for itself.
    let (ann, bob) = (server.person("ann").await.at(server.address), server.person("bob").await);
    let (mut phone, mut laptop) = (ann.connect().await, ann.connect().await);
    let message = |n: u32| json!({ "to": bob.id, "text": n.to_string() });
    let mut codes = Vec::new();
    for n in 0..10 {
        for client in [&mut phone, &mut laptop] {
            let ack = client.emit_ack("sendMessage", &[message(n)]).await;
            codes.push(ack[0]["code"].as_str().unwrap_or("ok").to_owned());
        }
    }
    assert!(codes[..10].iter().all(|code| code == "ok"), "{codes:?}");
    assert!(codes[10..].iter().all(|code| code == "too_many_requests"), "{codes:?}");
    let mut other = bob.at(server.address).connect().await;
    assert_eq!(
        other.emit_ack("sendMessage", &[json!({ "to": ann.id, "text": "x" })]).await[0]["status"],
        "ok"
    );
}

#[tokio::test]
async fn one_address_holds_a_bounded_number_of_connections() {
    let server = Server::with(&[("SOCKEYE_LIMIT_CONNECTIONS_PER_ADDRESS", "20")]).await;
    // Every gateway has the bound for itself.
    let ann = server.person("ann").await.at(server.address);
    let mut open = Vec::new();
    for n in 0..20 {
        let transport = if n % 2 == 0 { Transport::WebSocket } else { Transport::Polling };
        open.push(ann.dial().over(transport).connect().await.expect("within the bound"));
    }
    for transport in [Transport::WebSocket, Transport::Polling] {
        let refused = ann.dial().over(transport).connect().await;
        assert!(refused.is_err(), "one more over {transport:?}");
    }
    let elsewhere = ann.dial().from("127.0.0.2").connect().await;
    elsewhere.expect("another address is not held responsible").disconnect();
    open.remove(0).disconnect();
    eventually("a place is free again", || async { ann.dial().connect().await.ok() }).await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let server = Server::with(&[("SOCKEYE_CONNECT_TIMEOUT_MS", "500")]).await;
    let ann = server.person("ann").await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(ann.dial().raw().await.expect("a WebSocket"));
    }
    for socket in &mut silent {
        soon("a silent connection is closed", async { while let Some(Ok(_)) = socket.next().await {} }).await;
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_stop_reading_are_dropped_and_cost_nobody_else() {
    const MESSAGES: usize = 2_000;
    const TEXT_LEN: usize = 10_000;
    let server =
        Server::with(&[("SOCKEYE_OUTBOUND_QUEUE_LEN_MAX", "128"), ("SOCKEYE_WRITE_STALL_MS", "2000")]).await;
    let (ann, bob, cid) =
        (server.person("ann").await, server.person("bob").await, server.person("cid").await);
    let mut reader = cid.connect().await;
    // Ten tabs of bob's that connect and then take nothing any more.
    let mut stuck = Vec::new();
    for _ in 0..10 {
        let mut socket = bob.dial().raw().await.expect("a WebSocket");
        socket.send(Message::text("40")).await.expect("sent");
        stuck.push(socket);
    }
    reader.until_online(&[&bob.id, &cid.id]).await;
    let before = server.memory_bytes();
    let filler = "x".repeat(TEXT_LEN - 10);
    let sending = tokio::spawn(flood_politely(ann.clone(), [bob.id.clone(), cid.id.clone()], filler));
    for n in 0..MESSAGES {
        let event = reader.next("newMessage").await;
        let text = event.args[0]["text"].as_str().expect("a text");
        assert!(text.starts_with(&format!("{n} ")), "the reader misses nothing: {n}, got {:.20}", text);
    }
    sending.await.expect("the sender");
    reader.until_online(&[&cid.id]).await;
    let grown = server.memory_bytes().saturating_sub(before);
    let unbounded = 10 * MESSAGES * TEXT_LEN;
    assert!(grown < 120_000_000, "{grown} bytes more; all that the stuck were sent is {unbounded}");
    drop(stuck);
    server.still_serves().await;

    /// The same to both, a few in flight; then leaves.
    async fn flood_politely(sender: Person, to: [String; 2], filler: String) {
        let mut client = sender.connect().await;
        let mut asked = Vec::new();
        for n in 0..MESSAGES {
            for to in &to {
                asked
                    .push(client.ask("sendMessage", &[json!({ "to": to, "text": format!("{n} {filler}") })]));
            }
            if asked.len() > 64 {
                for id in asked.drain(..) {
                    assert_eq!(client.ack(id).await[0]["status"], "ok");
                }
            }
        }
        for id in asked {
            client.ack(id).await;
        }
        client.disconnect();
        client.ended().await;
    }
}

#[tokio::test]
async fn a_session_id_is_needed_to_speak_on_a_session() {
    let server = Server::start().await;
    let http = reqwest::Client::new();
    for (query, code) in [
        ("EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", 1),
        ("EIO=4&transport=polling&sid=%00", 1),
        ("EIO=4&transport=nothing", 0),
        ("EIO=5&transport=polling", 5),
        ("transport=polling", 5),
    ] {
        let answer = http.get(server.url(&format!("/socket.io/?{query}"))).send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{query}");
        let body: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        assert_eq!(body["code"], code, "{query}: {body}");
    }
    server.still_serves().await;
}

#[tokio::test]
async fn connect_payloads_of_any_shape_are_let_in_or_refused() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    for (name, value) in [
        ("token", json!({ "$gt": "" })),
        ("token", json!(7)),
        ("token", json!("x".repeat(100_000))),
        ("pid", json!({})),
        ("pid", json!("x".repeat(100_000))),
        ("offset", json!([1])),
        ("__proto__", json!({ "admin": true })),
        ("userId", json!("somebody")),
    ] {
        // Proven by the cookie: nonsense beside it is no reason to let nobody in, nor to let in somebody else.
        let client = ann.dial().auth(name, value.clone()).auth("offset", "x").connect().await;
        if let Ok(mut client) = client {
            client.until_online(&[&ann.id]).await;
            client.disconnect();
            client.ended().await;
        }
        let unproven = server.dial().auth(name, value).connect().await;
        assert!(unproven.is_err(), "{name}");
    }
    server.still_serves().await;
}

#[tokio::test]
async fn little_is_held_for_a_socket_that_is_not_proven() {
    let server = Server::with(&[("SOCKEYE_PROOF_TIMEOUT_MS", "1h")]).await;
    let ann = server.person("ann").await;
    let event = |len: usize| format!("2[\"sendMessage\",\"{}\"]", "x".repeat(len));
    for packets in [vec![event(66_000)], vec![event(30_000), event(30_000), event(30_000)]] {
        let unproven = server.dial().claiming(&ann.id).over(Transport::Polling).connect().await;
        let mut client = unproven.expect("it may still prove who it is");
        packets.iter().for_each(|packet| client.send_packet(packet));
        client.ended().await;
    }
    server.still_serves().await;
}
