//! A client that was away gets what it missed, once, in order, when it returns (Socket.IO connection state recovery).

mod common;

use common::{Client, Memory, Person, Server, Transport};

/// Pinned to one gateway: another one may be a moment behind, and deliver to a connection that is new there what was
/// accepted just before.
fn at_one_gateway(server: &Server, person: Person) -> Person {
    person.at(server.address)
}

/// A client that has been told something, so that it knows from where to go on.
async fn settled(person: &Person, transport: Transport) -> Client {
    let mut client = person.dial().over(transport).connect().await.expect("let in");
    client.next("getOnlineUsers").await;
    client
}

async fn send_all(from: &mut Client, to: &Person, texts: &[String]) {
    for text in texts {
        from.send(&to.id, text).await;
    }
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("message {n}")).collect()
}

#[tokio::test]
async fn messages_sent_while_the_connection_was_cut_arrive_exactly_once_in_order() {
    for transport in [Transport::WebSocket, Transport::Polling, Transport::Upgrade] {
        let server = Server::start().await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let mut sender = ann.connect().await;
        let mut reader = settled(&bob, transport).await;
        let sent = numbered(0..60);
        let mut got = Vec::new();
        for (n, part) in sent.chunks(20).enumerate() {
            // Some are on their way while the wire is cut.
            send_all(&mut sender, &bob, &part[..10]).await;
            if n > 0 {
                got.extend(reader.texts_until(&part[4]).await);
            }
            reader.cut();
            send_all(&mut sender, &bob, &part[10..]).await;
            reader.reconnect().await.expect("let in again");
            assert!(reader.recovered);
        }
        got.extend(reader.texts_until(&sent[59]).await);
        assert_eq!(got, sent);
    }
}

#[tokio::test]
async fn however_often_the_wire_is_cut_while_messages_flow_each_arrives_once_in_order() {
    const MESSAGES: usize = 1_500;
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut readers = Vec::new();
    for (nth, transport) in
        [Transport::WebSocket, Transport::Polling, Transport::Upgrade].into_iter().enumerate()
    {
        let reader = settled(&bob, transport).await;
        readers.push(tokio::spawn(read_with_cuts(reader, MESSAGES, 31 + 12 * nth)));
    }
    let mut sender = ann.connect().await;
    let sent = numbered(0..MESSAGES);
    for part in sent.chunks(10) {
        let message = |text: &String| serde_json::json!({ "to": bob.id, "text": text });
        let asked: Vec<u64> = part.iter().map(|text| sender.ask("sendMessage", &[message(text)])).collect();
        for id in asked {
            assert_eq!(sender.ack(id).await[0]["status"], "ok");
        }
    }
    for reader in readers {
        assert_eq!(reader.await.expect("a reader"), sent);
    }
}

/// Cuts its own wire after every so many messages, and reads on.
async fn read_with_cuts(mut reader: Client, messages: usize, cut_every: usize) -> Vec<String> {
    let mut got = Vec::new();
    while got.len() < messages {
        let event = reader.next("newMessage").await;
        got.push(event.args[0]["text"].as_str().expect("a text").to_owned());
        if got.len() % cut_every == 0 {
            reader.cut();
            reader.reconnect().await.expect("let in again");
            assert!(reader.recovered);
        }
    }
    got
}

#[tokio::test]
async fn messages_sent_while_the_transport_is_upgraded_arrive_once_in_order() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    for round in 0..10 {
        // Told that it is connected while it still polls and probes.
        let mut reader = bob.dial().over(Transport::Upgrade).connect().await.expect("let in");
        let texts: Vec<String> = (0..40).map(|n| format!("{round}.{n}")).collect();
        send_all(&mut sender, &bob, &texts).await;
        // What it sends itself while it upgrades arrives too (and at its user's next tab, maybe).
        reader.send(&ann.id, "back").await;
        let mut got = reader.texts_until(&texts[39]).await;
        // (And what an earlier round sent, where another gateway was a moment ahead.)
        got.retain(|text| text.starts_with(&format!("{round}.")));
        assert_eq!(got, texts);
    }
}

#[tokio::test]
async fn messages_sent_around_a_restart_arrive_exactly_once_in_order() {
    let mut server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    let mut reader = settled(&bob, Transport::WebSocket).await;
    let sent = numbered(0..40);
    send_all(&mut sender, &bob, &sent[..10]).await;
    assert_eq!(reader.texts_until(&sent[9]).await, sent[..10]);
    reader.cut();
    send_all(&mut sender, &bob, &sent[10..20]).await;
    server.kill9().await;
    server.run().await;
    sender.reconnect().await.expect("let in again");
    send_all(&mut sender, &bob, &sent[20..30]).await;
    server.restart().await;
    sender.reconnect().await.expect("let in again");
    send_all(&mut sender, &bob, &sent[30..]).await;
    reader.reconnect().await.expect("let in again");
    assert!(reader.recovered);
    assert_eq!(reader.texts_until(&sent[39]).await, sent[10..]);
}

#[tokio::test]
async fn the_senders_other_device_recovers_what_was_sent_from_the_first() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut first = ann.connect().await;
    let mut second = settled(&ann, Transport::WebSocket).await;
    second.cut();
    let sent = numbered(0..5);
    send_all(&mut first, &bob, &sent).await;
    second.reconnect().await.expect("let in again");
    assert_eq!(second.texts_until("message 4").await, sent);
}

#[tokio::test]
async fn a_returning_sender_is_not_told_its_own_messages() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = settled(&ann, Transport::WebSocket).await;
    send_all(&mut sender, &bob, &numbered(0..3)).await;
    sender.cut();
    bob.send(&ann, "an answer").await;
    sender.reconnect().await.expect("let in again");
    assert!(sender.recovered);
    send_all(&mut sender, &bob, &numbered(3..5)).await;
    bob.send(&ann, "good-bye").await;
    assert_eq!(sender.texts_until("good-bye").await, ["an answer", "good-bye"]);
}

#[tokio::test]
async fn whoever_missed_too_much_is_told_to_start_afresh() {
    let server = Server::with(&[("SOCKEYE_RECOVERY_LEN_MAX", "5")]).await;
    let (ann, bob) = (server.person("ann").await, at_one_gateway(&server, server.person("bob").await));
    let mut sender = ann.connect().await;
    let mut reader = settled(&bob, Transport::WebSocket).await;
    let pid = reader.memory.pid.clone();
    reader.cut();
    send_all(&mut sender, &bob, &numbered(0..5)).await;
    reader.reconnect().await.expect("let in again");
    assert!(reader.recovered, "five is not too much");
    assert_eq!(reader.texts_until("message 4").await, numbered(0..5));
    reader.cut();
    send_all(&mut sender, &bob, &numbered(5..15)).await;
    reader.reconnect().await.expect("let in again");
    assert!(!reader.recovered);
    assert_ne!(reader.memory.pid, pid, "a fresh one: the page must read the history");
    send_all(&mut sender, &bob, &numbered(15..16)).await;
    assert_eq!(reader.texts_until("message 15").await, ["message 15"]);
    assert_eq!(bob.history(&ann).await.len(), 16);
}

/// What it sent itself it has not missed, however much that was.
#[tokio::test]
async fn a_quiet_client_that_sends_more_than_it_may_miss_recovers() {
    let server = Server::with(&[("SOCKEYE_RECOVERY_LEN_MAX", "50")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    for over_rest in [false, true] {
        let mut reader = settled(&bob, Transport::WebSocket).await;
        for text in numbered(0..60) {
            if over_rest {
                bob.send(&ann, &text).await;
            } else {
                reader.send(&ann.id, &text).await;
            }
        }
        reader.cut();
        let missed: Vec<String> = (0..3).map(|n| format!("missed {n}, {over_rest}")).collect();
        for text in &missed {
            ann.send(&bob, text).await;
        }
        reader.reconnect().await.expect("let in again");
        assert!(reader.recovered, "{over_rest}");
        assert_eq!(reader.texts_until(&missed[2]).await, missed);
        reader.disconnect();
    }
}

/// Own messages are looked through, but not without end.
#[tokio::test]
async fn whoever_sent_far_more_than_may_be_missed_is_told_to_start_afresh() {
    let server = Server::with(&[("SOCKEYE_RECOVERY_LEN_MAX", "2")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut writer = settled(&bob, Transport::WebSocket).await;
    send_all(&mut writer, &ann, &numbered(0..40)).await;
    writer.cut();
    writer.reconnect().await.expect("let in again");
    assert!(!writer.recovered);
}

#[tokio::test]
async fn a_client_that_got_no_event_yet_recovers_from_where_it_joined() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    // Whether or not there was anything before.
    for round in ["first", "second"] {
        let mut reader = bob.connect().await;
        let memory = Memory { pid: reader.memory.pid.clone(), offset: None };
        reader.cut();
        let missed: Vec<String> = (0..3).map(|n| format!("{round} {n}")).collect();
        send_all(&mut sender, &bob, &missed).await;
        let mut back = bob.dial().remembering(memory).connect().await.expect("let in again");
        assert!(back.recovered, "{round}");
        let mut got = back.texts_until(&missed[2]).await;
        // (And what an earlier round sent, where another gateway was a moment ahead.)
        got.retain(|text| text.starts_with(round));
        assert_eq!(got, missed, "{round}");
        back.disconnect();
    }
}

/// The offset of a connection that was not recovered is older than the one that followed it: what came before that is
/// the history's.
#[tokio::test]
async fn an_offset_from_before_the_connection_replays_what_came_since_and_nothing_older() {
    let server = Server::with(&[("SOCKEYE_RECOVERY_LEN_MAX", "5")]).await;
    let (ann, bob) = (server.person("ann").await, at_one_gateway(&server, server.person("bob").await));
    let mut sender = ann.connect().await;
    let mut reader = settled(&bob, Transport::WebSocket).await;
    let old = reader.memory.offset.clone();
    reader.cut();
    send_all(&mut sender, &bob, &numbered(0..10)).await;
    reader.reconnect().await.expect("let in again");
    assert!(!reader.recovered, "too much");
    for offset in [old, Some(String::new())] {
        let memory = Memory { pid: reader.memory.pid.clone(), offset };
        reader.cut();
        send_all(&mut sender, &bob, &numbered(10..13)).await;
        let mut back = bob.dial().remembering(memory).connect().await.expect("let in again");
        assert!(back.recovered);
        assert_eq!(back.texts_until("message 12").await, numbered(10..13));
        assert!(back.leftover().iter().all(|name| *name != "newMessage"));
        reader = bob.connect().await;
    }
}

#[tokio::test]
async fn a_page_of_another_origin_recovers_when_its_upgrade_brings_the_cookie() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let dial = bob.dial().cookie_on_upgrade(&bob.cookie());
    let mut reader = dial.connect().await.expect("let in");
    reader.next("getOnlineUsers").await;
    for round in 0..3 {
        reader.cut();
        let text = format!("missed {round}");
        ann.send(&bob, &text).await;
        reader.reconnect().await.expect("let in again");
        assert!(reader.recovered);
        assert_eq!(reader.texts_until(&text).await, [text]);
    }
}

#[tokio::test]
async fn a_first_connection_gets_nothing_old() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, at_one_gateway(&server, server.person("bob").await));
    let mut first = bob.connect().await;
    ann.send(&bob, "before").await;
    first.next("newMessage").await;
    let mut reader = bob.connect().await;
    assert!(!reader.recovered);
    ann.send(&bob, "after").await;
    assert_eq!(reader.texts_until("after").await, ["after"]);
}

#[tokio::test]
async fn nobody_recovers_with_what_belongs_to_somebody_else_or_was_made_up() {
    let server = Server::start().await;
    let (ann, bob, eve) =
        (server.person("ann").await, server.person("bob").await, server.person("eve").await);
    let bobs = settled(&bob, Transport::WebSocket).await.memory;
    let eves = settled(&eve, Transport::WebSocket).await.memory;
    ann.send(&bob, "for bob").await;
    let (pid, offset) = (bobs.pid.clone().expect("a pid"), eves.offset.clone());
    let forged = |pid: &str, offset: Option<&str>| Memory {
        pid: Some(pid.to_owned()),
        offset: offset.map(str::to_owned),
    };
    let mut flipped = pid.clone().into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).expect("ASCII");
    for memory in [
        bobs.clone(),
        forged(&pid, Some("")),
        forged(&flipped, offset.as_deref()),
        forged("", offset.as_deref()),
        forged("x", Some("0:0")),
        forged(&"A".repeat(54), Some("0:0")),
    ] {
        let mut client = eve.dial().remembering(memory.clone()).connect().await.expect("let in, afresh");
        assert!(!client.recovered, "{memory:?}");
        ann.send(&eve, "for eve").await;
        assert_eq!(client.texts_until("for eve").await, ["for eve"], "{memory:?}");
    }
    server.still_serves().await;
}

#[tokio::test]
async fn an_offset_that_the_log_has_not_reached_is_no_recovery() {
    // The data directory was restored from yesterday's copy, say, and clients remember today.
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, at_one_gateway(&server, server.person("bob").await));
    let mut first = settled(&bob, Transport::WebSocket).await;
    ann.send(&bob, "before").await;
    first.next("newMessage").await;
    let pid = first.memory.pid.clone();
    for offset in ["0:1000", "0:9223372036854775807", "0:9223372036854775808", "0:18446744073709551615"] {
        let memory = Memory { pid: pid.clone(), offset: Some(offset.to_owned()) };
        let mut client = bob.dial().remembering(memory).connect().await.expect("let in");
        assert!(!client.recovered, "{offset}: the page must read the history");
        ann.send(&bob, offset).await;
        assert_eq!(client.texts_until(offset).await, [offset]);
    }
}

#[tokio::test]
async fn offsets_that_make_no_sense_do_no_harm() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    ann.send(&bob, "before").await;
    let pid = settled(&bob, Transport::WebSocket).await.memory.pid;
    for offset in
        ["7:1,9:4", "0:-1", "0:99999999999999999999999", "x", "0:0,0:0", ":", "\u{0}", &"0:0,".repeat(9_000)]
    {
        let memory = Memory { pid: pid.clone(), offset: Some(offset.to_owned()) };
        let mut client = bob.dial().remembering(memory).connect().await.expect("let in");
        let marker = format!("after {offset:.40}");
        ann.send(&bob, &marker).await;
        let texts = client.texts_until(&marker).await;
        // Whatever is taken for missed, each comes once and the new one last.
        let mut once = texts.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), texts.len(), "{offset:.40}: {texts:?}");
    }
    server.still_serves().await;
}

#[tokio::test]
async fn one_device_on_two_connections_is_served_on_the_newer_one() {
    let server = Server::start().await;
    // A gateway does not know the other's connections: there the old one ends with its heartbeat.
    let (ann, bob) = (server.person("ann").await, server.person("bob").await.at(server.address));
    let mut old = settled(&bob, Transport::WebSocket).await;
    // The network changed, and the server has not noticed that the old connection is dead.
    let mut new = bob.dial().remembering(old.memory.clone()).connect().await.expect("let in");
    assert!(new.recovered);
    old.ended().await;
    ann.send(&bob, "once").await;
    assert_eq!(new.texts_until("once").await, ["once"]);
    new.until_online(&[&bob.id]).await;
}
