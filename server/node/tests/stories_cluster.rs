//! What only a cluster has: two gateways, a worker, and what lies between them. Run with `--include-ignored` and the servers
//! that `scripts/services` starts.

mod common;
#[path = "../../adapters/tests/cluster_redis/proxy.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "written for the tests of the adapter")]
mod proxy;

use common::{Client, Exit, Person, Server, Shape, eventually, soon, text_setting};
use proxy::Proxy;
use serde_json::{Value, json};

const NEEDS: &str = "needs Kafka, MongoDB and Redis";

async fn cluster(settings: &[(&str, &str)]) -> Server {
    let mut server = Server::shaped(Shape::Cluster, settings);
    server.run().await;
    server
}

/// Somebody new, and the same person at each of the two gateways.
async fn at_both(server: &Server, name: &str) -> [Person; 2] {
    let person = server.person(name).await;
    let [one, other] = *server.addresses.all() else { panic!("{NEEDS}: two gateways") };
    [person.at(one), person.at(other)]
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn devices_on_two_gateways_are_one_user() {
    let server = cluster(&[]).await;
    let (ann, bob) = (at_both(&server, "ann").await, at_both(&server, "bob").await);
    let mut anns = [ann[0].connect().await, ann[1].connect().await];
    let mut bobs = [bob[0].connect().await, bob[1].connect().await];
    for client in anns.iter_mut().chain(&mut bobs) {
        // Exactly: each user once.
        client.until_online(&[&ann[0].id, &bob[0].id]).await;
    }
    let sent = anns[0].send(&bob[0].id, "from the first gateway").await;
    for device in &mut bobs {
        assert_eq!(device.next("newMessage").await.args[0], sent);
    }
    assert_eq!(anns[1].next("newMessage").await.args[0], sent, "the sender's other device is told");
    let sent = anns[1].send(&bob[0].id, "from the second gateway").await;
    assert_eq!(anns[0].next("newMessage").await.args[0], sent, "and nothing came to it before");
    for device in &mut bobs {
        assert_eq!(device.next("newMessage").await.args[0], sent);
    }
    // One device goes: still online. The other goes too: offline, for those on either gateway.
    let [first, second] = anns;
    drop(first);
    bob[1].connect().await.until_online(&[&ann[0].id, &bob[0].id]).await;
    drop(second);
    for device in &mut bobs {
        device.until_online(&[&bob[0].id]).await;
    }
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn log_out_on_one_gateway_drops_that_sessions_devices_on_the_other() {
    let server = cluster(&[]).await;
    let ann = at_both(&server, "ann").await;
    let phone = ann[0].log_in().await.at(server.addresses.all()[1]);
    let mut devices = [ann[0].connect().await, ann[1].connect().await, ann[1].connect().await];
    let mut other = phone.connect().await;
    ann[0].log_out().await;
    for device in &mut devices {
        device.ended().await;
        assert!(device.disconnected_by_server, "else the client would reconnect");
    }
    for gateway in &ann {
        gateway.get(&gateway.contract.auth("check-auth")).await.expect(401);
        assert!(gateway.dial().connect().await.is_err(), "the token is dead everywhere");
    }
    other.send(&ann[0].id, "still here").await;
    other.until_online(&[&ann[0].id]).await;
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn a_log_out_that_a_gateway_cannot_hear_of_ends_its_sockets_all_the_same() {
    let redis = text_setting("SOCKEYE_TEST_REDIS_URL").expect(NEEDS);
    let port = redis.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
    let proxy = Proxy::start(port.expect("redis://host:port")).await;
    let mut server = Server::shaped(Shape::Cluster, &[("SOCKEYE_SESSION_CHECK_MS", "500")]);
    server.nodes[1].set("REDIS_URL", Some(&proxy.url()));
    server.run().await;
    let ann = at_both(&server, "ann").await;
    let phone = ann[0].log_in().await.at(server.addresses.all()[1]);
    let (mut here, mut there) = (ann[0].connect().await, ann[1].connect().await);
    let mut other = phone.connect().await;
    for client in [&mut here, &mut there, &mut other] {
        client.until_online(&[&ann[0].id]).await;
    }
    proxy.cut();
    ann[0].log_out().await;
    for client in [&mut here, &mut there] {
        client.ended().await;
        assert!(client.disconnected_by_server, "else the client would reconnect");
    }
    assert!(ann[1].dial().connect().await.is_err(), "the token is dead there too");
    other.send(&ann[0].id, "still here").await;
    // All of them, while nobody over there hears of it.
    ann[0].log_in().await.post(&ann[0].contract.auth("logout-all"), json!({})).await.expect(200);
    other.ended().await;
    assert!(other.disconnected_by_server);
    assert!(phone.dial().connect().await.is_err());
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn an_operator_ends_a_users_sessions_on_all_gateways_at_once() {
    // The look that would find it is far away.
    let server = cluster(&[("SOCKEYE_SESSION_CHECK_MS", "1h")]).await;
    let (ann, bob) = (at_both(&server, "ann").await, server.person("bob").await);
    let mut devices = [ann[0].connect().await, ann[1].connect().await];
    let mut bobs = bob.connect().await;
    let exit = server.command(format!("sessions end {}", ann[0].email).leak(), &[]).await;
    assert!(exit.status.success() && exit.said.contains("closed now"), "{exit:?}");
    for device in &mut devices {
        device.ended().await;
        assert!(device.disconnected_by_server);
    }
    for gateway in &ann {
        gateway.get(&gateway.contract.auth("check-auth")).await.expect(401);
    }
    let again = ann[1].log_in().await;
    again.get(&again.contract.auth("check-auth")).await.expect(200);
    bobs.send(&ann[0].id, "still here").await;
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn a_device_that_moves_to_and_fro_under_load_gets_everything_once_in_order() {
    const MESSAGES: usize = 600;
    let server = cluster(&[]).await;
    let (ann, bob) = (at_both(&server, "ann").await, at_both(&server, "bob").await);
    let mut reader = bob[0].connect().await;
    reader.next("getOnlineUsers").await;
    let sending = tokio::spawn({
        let (mut sender, to) = (ann[1].connect().await, bob[0].id.clone());
        async move {
            let mut ids = Vec::new();
            for n in 0..MESSAGES {
                ids.push(sender.send(&to, &format!("message {n}")).await["_id"].clone());
            }
            ids
        }
    });
    let (mut shown, mut moves) = (Vec::new(), 0);
    while shown.len() < MESSAGES {
        let message = reader.next("newMessage").await.args[0].take();
        shown.push(message["_id"].clone());
        if shown.len() % 40 == 0 {
            moves += 1;
            let gateways = server.addresses.all();
            reader.move_to(gateways[moves % gateways.len()]);
            reader.cut();
            reader.reconnect().await.expect("let in");
            assert!(reader.recovered, "the other gateway knows what was missed");
        }
    }
    let acknowledged = sending.await.expect("the sender");
    assert_eq!(shown, acknowledged);
    // The next is the next: nothing came twice behind.
    ann[0].send(&bob[0], "last").await;
    assert_eq!(reader.texts_until("last").await, ["last"]);
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn what_one_gateway_acknowledged_is_in_the_history_on_the_other_at_once() {
    let server = cluster(&[]).await;
    let (ann, bob) = (at_both(&server, "ann").await, at_both(&server, "bob").await);
    let mut senders = [ann[0].connect().await, ann[1].connect().await];
    // Somebody else's messages keep the worker busy.
    let cid = server.person("cid").await;
    let mut busy = cid.connect().await;
    for n in 0..200 {
        for _ in 0..5 {
            busy.ask("sendMessage", &[json!({ "to": ann[0].id, "text": format!("busy {n}") })]);
        }
        let text = format!("message {n}");
        let (here, there) = (n % 2, 1 - n % 2);
        let sent = senders[here].send(&bob[0].id, &text).await;
        let history = bob[there].history_page(&ann[0], "?limit=2").await;
        assert_eq!(history.last().map(|last| &last["_id"]), Some(&sent["_id"]), "after the ack of {text}");
    }
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn a_gateway_that_is_told_to_stop_hands_its_clients_over() {
    let mut server = cluster(&[("SOCKEYE_DRAIN_MS", "3000")]).await;
    let staying = server.addresses.all()[1];
    let (ann, bob, cid) =
        (at_both(&server, "ann").await, at_both(&server, "bob").await, at_both(&server, "cid").await);
    let mut watcher = ann[1].connect().await;
    let mut reader = bob[0].connect().await;
    let mut leaver = cid[0].connect().await;
    for client in [&mut watcher, &mut reader, &mut leaver] {
        client.until_online(&[&ann[0].id, &bob[0].id, &cid[0].id]).await;
    }

    // Somebody writes through the gateway that stops, too, and goes elsewhere when it is closed.
    let writing = tokio::spawn(write_through(ann[0].connect().await, staying, bob[0].id.clone()));
    let mut shown = reader.texts_until("message 5").await;
    server.nodes[0].sigterm();
    let ready = server.ops_url("/readyz");
    eventually("not ready any more", || async {
        reqwest::get(&ready).await.is_ok_and(|answer| answer.status() == 503).then_some(())
    })
    .await;
    reader.ended().await;
    assert!(!reader.disconnected_by_server, "a client that was told DISCONNECT would not return");
    // What had arrived before the end counts as well.
    shown.extend(waiting_texts(&mut reader).await);
    reader.move_to(staying);
    reader.reconnect().await.expect("let in elsewhere");
    assert!(reader.recovered);
    leaver.ended().await;

    let status = server.nodes[0].end().await;
    assert!(status.success(), "{status:?}");
    // It said good-bye for its users before it ended: whoever comes now is not told of them.
    let mut late = ann[1].connect().await;
    let online = late.next("getOnlineUsers").await.args[0].clone();
    assert!(!online.as_array().expect("a list").contains(&json!(cid[0].id)), "{online}");
    watcher.until_online(&[&ann[0].id, &bob[0].id]).await;

    let sent = soon("the writer is done", writing).await.expect("the writer");
    if shown.last() != sent.last() {
        shown.extend(reader.texts_until(sent.last().expect("something was sent")).await);
    }
    assert_eq!(shown, sent, "nothing lost, nothing twice");
    let history: Vec<Value> = bob[1].whole_history(&ann[1]).await;
    let texts: Vec<&str> = history.iter().filter_map(|message| message["text"].as_str()).collect();
    assert_eq!(texts, sent);

    // And it comes back.
    server.nodes[0].spawn();
    server.nodes[0].ready().await;
    server.still_serves().await;
}

/// One message after another, each again with its name until it is acknowledged; 20 more after the move. All texts.
async fn write_through(mut sender: Client, elsewhere: std::net::SocketAddr, to: String) -> Vec<String> {
    let mut texts = Vec::new();
    let mut moved_at = None;
    while moved_at.is_none_or(|at| texts.len() < at + 20) {
        let text = format!("message {}", texts.len());
        let message = [json!({ "to": to, "text": text, "clientId": text })];
        loop {
            let asked = sender.ask("sendMessage", &message);
            match sender.try_ack(asked).await {
                Some(ack) => {
                    assert_eq!(ack[0]["status"], "ok", "{ack:?}");
                    break;
                }
                None => {
                    sender.move_to(elsewhere);
                    sender.reconnect().await.expect("let in elsewhere");
                    moved_at = Some(texts.len());
                }
            }
        }
        texts.push(text);
    }
    texts
}

/// Texts of the messages that have arrived on a connection that is over.
async fn waiting_texts(client: &mut Client) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(event) = client.next_any().await {
        if event.name == "newMessage" {
            texts.push(event.args[0]["text"].as_str().expect("a text").to_owned());
        }
    }
    texts
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn servers_that_start_together_on_nothing_make_what_they_need() {
    let mut server = Server::shaped(Shape::Cluster, &[]);
    server.nodes.iter_mut().for_each(common::Node::spawn);
    for node in &mut server.nodes {
        node.ready().await;
    }
    server.still_serves().await;
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn migrate_makes_what_is_missing_once() {
    let server = Server::shaped(Shape::Cluster, &[]);
    let first = server.command("migrate", &[]).await;
    assert!(first.status.success(), "{first:?}");
    assert!(first.said.contains("ndex"), "{}", first.said);
    assert!(!first.said.contains("exists"), "{}", first.said);
    let second = server.command("migrate", &[]).await;
    assert!(second.status.success(), "{second:?}");
    assert!(!second.said.contains("ndex"), "{}", second.said);
    assert!(second.said.contains("exists"), "{}", second.said);
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn the_doctor_finds_nothing_wrong_or_says_what_is() {
    let server = Server::shaped(Shape::Cluster, &[]);
    let ill = server.command("doctor", &[]).await;
    assert_eq!(ill.status.code(), Some(1), "before `sockeye migrate`: {}", ill.said);
    assert!(ill.said.contains("sockeye migrate"), "{}", ill.said);
    assert!(server.command("migrate", &[]).await.status.success());
    let well = server.command("doctor", &[]).await;
    assert!(well.status.success(), "{}", well.said);
    assert!(well.said.contains("Nothing is wrong."), "{}", well.said);
    // Nobody listens on a port that nobody may have.
    let nowhere = "mongodb://127.0.0.1:1/chat?serverSelectionTimeoutMS=500";
    for (name, value) in
        [("MONGODB_URI", nowhere), ("KAFKA_BROKERS", "127.0.0.1:1"), ("REDIS_URL", "redis://127.0.0.1:1")]
    {
        let Exit { status, said } = server.command("doctor", &[(name, Some(value))]).await;
        assert_eq!(status.code(), Some(1), "{name}: {said}");
        let failures: Vec<&str> = said.lines().filter(|line| line.trim_start().starts_with("FAIL")).collect();
        assert!(!failures.is_empty() && failures.iter().all(|line| line.contains(name)), "{name}: {said}");
    }
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn a_role_without_what_it_needs_refuses_to_start_and_names_it() {
    let server = Server::shaped(Shape::Cluster, &[]);
    for (role, name) in [
        ("serve", "JWT_SECRET"),
        ("serve", "REDIS_URL"),
        ("serve", "MONGODB_URI"),
        ("serve", "KAFKA_BROKERS"),
        ("work", "MONGODB_URI"),
        ("work", "KAFKA_BROKERS"),
    ] {
        let Exit { status, said } = server.command(role, &[(name, None)]).await;
        assert_eq!(status.code(), Some(2), "{role} without {name}: {said}");
        assert!(said.contains(name), "{role} without {name}: {said}");
    }
}

#[tokio::test]
#[ignore = "needs Kafka, MongoDB and Redis"]
async fn the_health_check_knows_gateways_and_workers_from_nothing() {
    let mut server = cluster(&[]).await;
    for node in &mut server.nodes {
        let lives = node.command("healthcheck", &[]).await;
        assert!(lives.status.success(), "{}: {lives:?}", node.name);
        node.kill9().await;
        let dead = node.command("healthcheck", &[]).await;
        assert_eq!(dead.status.code(), Some(1), "{}: {dead:?}", node.name);
    }
}
