//! One order per conversation (promise G3): what a socket sends is handled, acknowledged, fanned out and kept in the
//! order in which it was sent, however many events are in flight, on several threads.

mod common;

use common::{Client, Person, Server, Transport};
use serde_json::{Value, json};

const SENDERS: usize = 20;
const IN_FLIGHT: usize = 50;

#[tokio::test]
async fn twenty_sockets_with_fifty_sends_in_flight_each_keep_their_order() {
    everybody_agrees(Transport::WebSocket).await;
}

#[tokio::test]
async fn so_do_twenty_that_poll() {
    everybody_agrees(Transport::Polling).await;
}

/// Two receivers, two devices each, and senders that write to both in turn without waiting for anything.
async fn everybody_agrees(transport: Transport) {
    let server = Server::start().await;
    let receivers = [server.person("ann").await, server.person("bob").await];
    let mut devices: Vec<(usize, Client)> = Vec::new();
    for (nth, receiver) in receivers.iter().enumerate() {
        devices.push((nth, receiver.connect().await));
        devices.push((nth, receiver.dial().over(transport).connect().await.expect("let in")));
    }
    let mut senders = Vec::new();
    for n in 0..SENDERS {
        senders.push(server.person(&format!("sender-{n}")).await);
    }

    let ids = receivers.each_ref().map(|receiver| receiver.id.clone());
    let sending = senders.iter().map(|sender| tokio::spawn(send_all(sender.clone(), transport, ids.clone())));
    let reading = devices.into_iter().map(|(nth, device)| tokio::spawn(read_all(nth, device)));
    let (sending, reading): (Vec<_>, Vec<_>) = (sending.collect(), reading.collect());
    let mut acknowledged = Vec::new();
    for sender in sending {
        acknowledged.push(sender.await.expect("a sender"));
    }
    let mut views = Vec::new();
    for device in reading {
        views.push(device.await.expect("a receiver"));
    }

    for (sender, acknowledged) in senders.iter().zip(&acknowledged) {
        for (nth, receiver) in receivers.iter().enumerate() {
            let history = ids_of(&receiver.history(sender).await);
            assert_eq!(history, acknowledged[nth], "history and acknowledgements of {}", sender.email);
            for (_, view) in views.iter().filter(|(of, _)| *of == nth) {
                let shown: Vec<String> = view
                    .iter()
                    .filter(|message| message["senderId"] == sender.id.as_str())
                    .map(|message| message["_id"].as_str().expect("an id").to_owned())
                    .collect();
                assert_eq!(shown, history, "what a device was shown of {}", sender.email);
            }
        }
    }
}

/// Sends everything at once; the ids of what was acknowledged, per receiver, in the order of sending.
async fn send_all(sender: Person, transport: Transport, to: [String; 2]) -> [Vec<String>; 2] {
    let mut client = sender.dial().over(transport).connect().await.expect("let in");
    let asked: Vec<u64> = (0..IN_FLIGHT)
        .map(|n| {
            client.ask("sendMessage", &[json!({ "to": to[n % 2], "text": format!("{n}"), "image": null })])
        })
        .collect();
    let mut ids = [Vec::new(), Vec::new()];
    for (n, id) in asked.iter().enumerate() {
        let ack = client.ack(*id).await;
        assert_eq!(ack[0]["status"], "ok", "{ack:?}");
        assert_eq!(ack[0]["message"]["text"], format!("{n}"), "the acknowledgement of another event");
        ids[n % 2].push(ack[0]["message"]["_id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(client.acked, asked, "acknowledgements come in the order of sending");
    ids
}

/// Everything a receiver's device is shown, in order.
async fn read_all(nth: usize, mut device: Client) -> (usize, Vec<Value>) {
    let mut shown = Vec::new();
    while shown.len() < SENDERS * IN_FLIGHT / 2 {
        shown.push(device.next("newMessage").await.args[0].take());
    }
    (nth, shown)
}

fn ids_of(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|message| message["_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn two_people_who_write_at_once_see_the_same_conversation() {
    let server = Server::start().await;
    let people = [server.person("ann").await, server.person("bob").await];
    let mut onlookers = [people[0].connect().await, people[1].connect().await];
    let mut writers = [people[0].connect().await, people[1].connect().await];
    for n in 0..IN_FLIGHT {
        for (nth, writer) in writers.iter_mut().enumerate() {
            let message = json!({ "to": people[1 - nth].id, "text": format!("{nth}-{n}") });
            writer.ask("sendMessage", &[message]);
        }
    }
    let mut views = Vec::new();
    for onlooker in &mut onlookers {
        let mut view = Vec::new();
        while view.len() < 2 * IN_FLIGHT {
            view.push(onlooker.next("newMessage").await.args[0].take());
        }
        views.push(ids_of(&view));
    }
    let history = ids_of(&people[0].history(&people[1]).await);
    assert_eq!(views[0], history);
    assert_eq!(views[1], history);
}
