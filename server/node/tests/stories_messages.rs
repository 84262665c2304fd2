//! Messages arrive, everywhere they should and nowhere else, and stay.

mod common;

use common::{PNG, Server, Shape, Transport};
use serde_json::{Value, json};

#[tokio::test]
async fn a_message_by_socket_reaches_the_receiver_on_every_tab_and_transport() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    let mut tab = bob.connect().await;
    let mut phone = bob.dial().over(Transport::Polling).connect().await.expect("let in");
    let sent = sender.send(&bob.id, "hello").await;
    for device in [&mut tab, &mut phone] {
        let got = device.next("newMessage").await.args[0].take();
        assert_eq!(got, sent, "what is shown live is what was acknowledged");
    }
    assert_eq!((&sent["senderId"], &sent["receiverId"]), (&json!(ann.id), &json!(bob.id)));
}

#[tokio::test]
async fn the_senders_other_tabs_get_it_too_and_the_calling_one_does_not() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let (mut calling, mut other) = (ann.connect().await, ann.connect().await);
    calling.send(&bob.id, "from the first tab").await;
    other.send(&bob.id, "from the second tab").await;
    assert_eq!(calling.next("newMessage").await.args[0]["text"], "from the second tab");
    assert_eq!(other.next("newMessage").await.args[0]["text"], "from the first tab");
    // Every earlier event has been read by now, on both.
    calling.send(&bob.id, "last").await;
    assert_eq!(other.next("newMessage").await.args[0]["text"], "last");
    assert!(!calling.leftover().contains(&"newMessage"), "{:?}", calling.leftover());
}

#[tokio::test]
async fn a_message_by_rest_reaches_every_tab_of_the_receiver_and_none_of_the_sender() {
    for contract in ["direct", "direct-v1"] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let (mut one, mut other, mut own) = (bob.connect().await, bob.connect().await, ann.connect().await);
        let sent = ann.send(&bob, "by request").await;
        for tab in [&mut one, &mut other] {
            let got = tab.next("newMessage").await.args[0].take();
            assert_eq!(got["_id"], sent["_id"]);
            assert_eq!(got["createdAt"], sent["createdAt"]);
        }
        bob.send(&ann, "answer").await;
        assert_eq!(own.texts_until("answer").await, ["answer"], "no echo of one's own request");
    }
}

#[tokio::test]
async fn a_message_sent_in_the_moment_somebody_is_let_in_reaches_them() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    for n in 0..100 {
        let transport = [Transport::WebSocket, Transport::Polling][n % 2];
        let mut reader = bob.dial().over(transport).connect().await.expect("let in");
        let text = format!("message {n}");
        sender.send(&bob.id, &text).await;
        // What another gateway delivered a moment ago may come before it.
        reader.texts_until(&text).await;
    }
}

#[tokio::test]
async fn nobody_else_gets_it() {
    let server = Server::start().await;
    let (ann, bob, eve) =
        (server.person("ann").await, server.person("bob").await, server.person("eve").await);
    let (mut sender, mut stranger) = (ann.connect().await, eve.connect().await);
    sender.send(&bob.id, "between us").await;
    sender.send(&eve.id, "for eve").await;
    assert_eq!(stranger.texts_until("for eve").await, ["for eve"]);
    assert_eq!(texts(&eve.history(&bob).await), [""; 0]);
    assert_eq!(texts(&eve.history(&ann).await), ["for eve"]);
}

#[tokio::test]
async fn a_picture_travels_with_a_message_and_loads() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut tab = bob.connect().await;
    let path = format!("/api/messages/send/{}", bob.id);
    let sent = ann.post(&path, json!({ "text": "", "image": PNG })).await.expect(200);
    let got = tab.next("newMessage").await.args[0].take();
    assert_eq!(got["image"], sent["data"]["image"]);
    let url = got["image"].as_str().expect("an address");
    let path = url.strip_prefix(&server.url("")).expect("an absolute address of this server");
    assert_eq!(bob.get(path).await.status, 200);
}

#[tokio::test]
async fn an_acknowledged_message_is_in_the_history_at_once() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    for n in 0..60 {
        let text = format!("message {n}");
        let id = if n % 2 == 0 { sender.send(&bob.id, &text).await } else { ann.send(&bob, &text).await };
        for reader in [(&ann, &bob), (&bob, &ann)] {
            let history = reader.0.history(reader.1).await;
            assert_eq!(history.last().map(|last| &last["_id"]), Some(&id["_id"]), "after the ack of {text}");
            assert_eq!(history.len(), n + 1);
        }
    }
}

#[tokio::test]
async fn a_retry_with_the_same_client_id_is_the_same_message() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let (mut sender, mut reader) = (ann.connect().await, bob.connect().await);
    let message = json!({ "to": bob.id, "text": "once", "image": null, "clientId": "c-1" });
    // In flight together, one after the other, on another connection, and over REST.
    let asked: Vec<u64> = (0..5).map(|_| sender.ask("sendMessage", std::slice::from_ref(&message))).collect();
    let mut acks: Vec<Value> = Vec::new();
    for id in asked {
        acks.push(sender.ack(id).await[0]["message"].take());
    }
    let mut second = ann.connect().await;
    acks.push(second.emit_ack("sendMessage", std::slice::from_ref(&message)).await[0]["message"].take());
    let path = format!("/api/messages/send/{}", bob.id);
    acks.push(ann.post(&path, message.clone()).await.expect(200)["data"].take());
    let shown = reader.next("newMessage").await.args[0].take();
    sender.send(&bob.id, "last").await;
    assert_eq!(reader.texts_until("last").await, ["last"]);
    let history = bob.history(&ann).await;
    assert_eq!(texts(&history), ["once", "last"]);
    // By now it is stored.
    acks.push(second.emit_ack("sendMessage", &[message]).await[0]["message"].take());
    assert_eq!(shown["createdAt"], history[0]["createdAt"]);
    assert_eq!(acks[acks.len() - 1]["createdAt"], history[0]["createdAt"]);
    for ack in &acks {
        assert_eq!(ack["_id"], history[0]["_id"]);
        // A log of several machines does not know its messages by name: until the first is stored, the answer to a
        // repetition has its own time.
        if Shape::chosen() == Shape::Embedded {
            assert_eq!(ack["createdAt"], history[0]["createdAt"], "every answer tells of the first one");
        }
    }
}

#[tokio::test]
async fn a_retry_with_the_same_client_id_is_the_same_message_after_a_restart_too() {
    let mut server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let message = json!({ "to": bob.id, "text": "once", "clientId": "c-1" });
    let mut sender = ann.connect().await;
    let first = sender.emit_ack("sendMessage", std::slice::from_ref(&message)).await;
    server.kill9().await;
    server.run().await;
    sender.reconnect().await.expect("let in again");
    let again = sender.emit_ack("sendMessage", std::slice::from_ref(&message)).await;
    assert_eq!(again[0]["message"]["_id"], first[0]["message"]["_id"]);
    assert_eq!(texts(&bob.history(&ann).await), ["once"]);
}

#[tokio::test]
async fn the_history_can_be_read_page_by_page() {
    let server = Server::with(&[("SOCKEYE_HISTORY_LEN_MAX", "10")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    let sent: Vec<String> = (0..35).map(|n| format!("message {n}")).collect();
    for text in &sent {
        sender.send(&bob.id, text).await;
    }
    assert_eq!(texts(&bob.history(&ann).await), sent[25..], "without a page: the latest, up to the bound");
    assert_eq!(texts(&bob.history_page(&ann, "?limit=3").await), sent[32..]);
    assert_eq!(texts(&bob.history_page(&ann, "?limit=1000").await).len(), 10, "a page has the same bound");
    assert_eq!(texts(&bob.whole_history(&ann).await), sent);
    for wrong in ["?limit=0", "?limit=-1", "?limit=x", "?before=x", "?before=%00"] {
        bob.get(&format!("/api/messages/{}{wrong}", ann.id)).await.expect(400);
    }
}

#[tokio::test]
async fn the_history_survives_restarts_in_its_order() {
    let mut server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sent = Vec::new();
    for round in 0..3 {
        let mut sender = ann.connect().await;
        for n in 0..5 {
            let text = format!("{round}.{n}");
            sender.send(&bob.id, &text).await;
            sent.push(text);
        }
        if round == 1 {
            server.kill9().await
        } else {
            server.restart().await
        }
        if round == 1 {
            server.run().await;
        }
        assert_eq!(texts(&bob.history(&ann).await), sent);
    }
}

#[tokio::test]
async fn one_can_write_to_oneself() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    let (mut one, mut other) = (ann.connect().await, ann.connect().await);
    one.send(&ann.id, "a note").await;
    assert_eq!(other.texts_until("a note").await, ["a note"]);
    assert_eq!(texts(&ann.history(&ann).await), ["a note"]);
}

#[tokio::test]
async fn every_send_that_is_refused_is_acknowledged_with_the_reason() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    let nobody = "0123456789abcdef01234567";
    for (message, code) in [
        (json!({ "to": nobody, "text": "x" }), "no_such_receiver"),
        (json!({ "to": bob.id, "text": "" }), "message_empty"),
        (json!({ "to": bob.id, "text": "x".repeat(10_001) }), "text_too_long"),
        (json!({ "to": bob.id, "text": "x", "clientId": "c".repeat(129) }), "client_id_too_long"),
    ] {
        let ack = sender.emit_ack("sendMessage", &[message]).await;
        assert_eq!((&ack[0]["status"], &ack[0]["code"]), (&json!("error"), &json!(code)), "{ack:?}");
        assert!(ack[0]["message"].is_string(), "{ack:?}");
    }
    assert_eq!(sender.send(&bob.id, "fine").await["text"], "fine");
    assert_eq!(texts(&bob.history(&ann).await), ["fine"]);
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().expect("a text")).collect()
}
