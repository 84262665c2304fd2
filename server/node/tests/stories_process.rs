//! Starting, refusing to start, and stopping.

mod common;

use common::{Person, Server, Shape, Transport, embedded_only, eventually, soon};
use serde_json::{Value, json};

#[tokio::test]
async fn sigterm_closes_every_connection_and_ends_with_success() {
    let mut server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut clients = [
        ann.connect().await,
        bob.dial().over(Transport::Polling).connect().await.expect("let in"),
        bob.connect().await,
    ];
    let sent = clients[0].send(&bob.id, "just before").await;
    server.sigterm();
    for client in &mut clients {
        client.ended().await;
        assert!(!client.disconnected_by_server, "a client that was told DISCONNECT would not return");
    }
    let exit = server.end().await;
    assert!(exit.status.success(), "{exit:?}");
    server.run().await;
    assert_eq!(bob.history(&ann).await[0]["_id"], sent["_id"]);
    clients[0].reconnect().await.expect("let in again");
}

#[tokio::test]
async fn a_client_between_two_polls_does_not_keep_a_stop_waiting() {
    let mut server = Server::start().await;
    let ann = server.person("ann").await;
    let mut watcher = ann.connect().await;
    let bob = server.person("bob").await;
    // Connected, with no poll waiting and none to come.
    let path = server.url(&format!("/socket.io/?EIO=4&transport=polling&userId={}", bob.id));
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    let opened = http.get(&path).header("cookie", bob.cookie()).send().await.expect("an answer");
    let opened = opened.text().await.expect("a body");
    let sid =
        opened.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a session id");
    http.post(format!("{path}&sid={sid}")).body("40").send().await.expect("an answer");
    watcher.until_online(&[&ann.id, &bob.id]).await;
    server.sigterm();
    let exit = server.end().await;
    assert!(exit.status.success(), "{exit:?}");
}

#[tokio::test]
async fn what_is_in_flight_at_sigterm_is_acknowledged_or_can_be_retried() {
    let mut server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    let message = |n: u64| serde_json::json!({ "to": bob.id, "text": format!("message {n}"), "clientId": format!("c{n}") });
    let asked: Vec<u64> = (0..200).map(|n| sender.ask("sendMessage", &[message(n)])).collect();
    sender.ack(asked[20]).await;
    server.sigterm();
    sender.ended().await;
    assert!(server.end().await.status.success());
    server.run().await;
    sender.reconnect().await.expect("let in again");
    for n in 0..200 {
        let ack = sender.emit_ack("sendMessage", &[message(n)]).await;
        assert_eq!(ack[0]["status"], "ok");
    }
    let history = bob.history(&ann).await;
    let texts: Vec<&str> = history.iter().filter_map(|message| message["text"].as_str()).collect();
    let expected: Vec<String> = (0..200).map(|n| format!("message {n}")).collect();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn a_second_process_on_the_same_data_refuses_to_start() {
    if embedded_only("a second process on the same data is what a cluster is") {
        return;
    }
    let server = Server::start().await;
    let data = server.data_dir().display().to_string();
    let second = Server::prepared(&[("SOCKEYE_DATA_DIR", data.as_str())]);
    let exit = second.run_to_end().await;
    assert!(!exit.status.success());
    assert!(exit.said.contains("log"), "it says what is taken: {}", exit.said);
    server.still_serves().await;
}

#[tokio::test]
async fn a_taken_port_is_said_and_ends_with_failure() {
    let server = Server::start().await;
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let second = Server::prepared(&[("SOCKEYE_HOST", host.as_str()), ("SERVER_PORT", port.as_str())]);
    let exit = second.run_to_end().await;
    assert!(!exit.status.success());
    assert!(exit.said.contains(&port), "{}", exit.said);
}

#[tokio::test]
async fn production_without_a_secret_refuses_to_start_and_names_the_setting() {
    for secret in [None, Some("changeme"), Some("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")] {
        let mut settings = vec![("NODE_ENV", "production")];
        settings.extend(secret.map(|secret| ("JWT_SECRET", secret)));
        let mut server = Server::prepared(&settings);
        if secret.is_none() {
            server = server.without("JWT_SECRET");
        }
        let exit = server.run_to_end().await;
        assert_eq!(exit.status.code(), Some(2), "{}", exit.said);
        assert!(exit.said.contains("JWT_SECRET"), "{}", exit.said);
        assert!(
            secret.is_none_or(|secret| !exit.said.contains(secret)),
            "values are never said: {}",
            exit.said
        );
    }
}

#[tokio::test]
async fn a_weak_secret_of_an_existing_database_is_served_with_and_warned_of() {
    let weak = "your-super-secret-jwt-key-change-in-production";
    let settings = [("NODE_ENV", "production"), ("JWT_SECRET", weak)];
    let refused = Server::prepared(&settings).run_to_end().await;
    assert_eq!(refused.status.code(), Some(2), "{}", refused.said);
    assert!(refused.said.contains("openssl rand -base64 32"), "it says what to do: {}", refused.said);
    let server = Server::with(&[settings[0], settings[1], ("SOCKEYE_ALLOW_WEAK_SECRET", "on")]).await;
    server.person("ann").await;
    let doctor = server.command("doctor", &[]).await;
    for said in [server.log(), doctor.said] {
        assert!(said.contains("JWT_SECRET_PREVIOUS"), "how to rotate it: {said}");
        assert!(!said.contains(weak), "and not what it is");
    }
}

#[tokio::test]
async fn production_with_a_secret_serves_and_never_logs_it() {
    let secret = "kT9v-2nQx7LmZpR4-w8Yc1HsBd5GjVf3Ea";
    let server =
        Server::with(&[("NODE_ENV", "production"), ("JWT_SECRET", secret), ("SOCKEYE_LOG", "trace")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut reader = bob.connect().await;
    ann.connect().await.send(&bob.id, "a private matter").await;
    ann.dial().over(Transport::Polling).connect().await.expect("let in");
    assert_eq!(reader.texts_until("a private matter").await, ["a private matter"]);
    ann.log_out().await;
    let log = server.log();
    assert!(log.contains("\"DEBUG\""), "our own lines are there");
    for secret in [secret, &ann.token, &bob.token, &ann.password, "a private matter", "$2b$"] {
        assert!(!log.contains(secret), "the log tells {secret:?}");
    }
}

#[tokio::test]
async fn claims_are_not_believed_in_production_unless_spelled_out() {
    let production = [("NODE_ENV", "production"), ("JWT_SECRET", "kT9v-2nQx7LmZpR4-w8Yc1HsBd5GjVf3Ea")];
    let with = |trust| [production[0], production[1], ("SOCKEYE_TRUST_QUERY_USER", trust)];
    let exit = Server::prepared(&with("loopback")).run_to_end().await;
    assert_eq!(exit.status.code(), Some(2));
    assert!(exit.said.contains("SOCKEYE_TRUST_QUERY_USER"), "{}", exit.said);
    let server = Server::with(&with("always")).await;
    assert!(server.log().contains("SOCKEYE_TRUST_QUERY_USER"), "a loud warning");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let exit = Server::prepared(&[
        ("SERVER_PORT", "eighty"),
        ("SALT_ROUNDS", "99"),
        ("SOCKEYE_CONTRACT", "nope"),
        ("SOCKEYE_LIMIT_EVENTS", "many"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1"),
    ])
    .without("KAFKA_BROKERS")
    .run_to_end()
    .await;
    assert_eq!(exit.status.code(), Some(2));
    for name in ["SERVER_PORT", "SALT_ROUNDS", "SOCKEYE_CONTRACT", "SOCKEYE_LIMIT_EVENTS", "REDIS_URL"] {
        assert!(exit.said.contains(name), "{name}: {}", exit.said);
    }
    assert!(!exit.said.contains("hunter2"), "{}", exit.said);
}

#[tokio::test]
async fn a_draining_server_is_not_ready_and_lets_nobody_in() {
    // A client that takes nothing keeps the drain waiting; meanwhile the answers are those of a server that leaves.
    let mut server = Server::start().await;
    let ann = server.person("ann").await;
    server.sigterm();
    for gateway in server.nodes.iter().filter(|node| node.role != Some("work")) {
        let ready = format!("http://{}/readyz", gateway.ops);
        eventually("not ready any more", || async {
            reqwest::get(&ready).await.map_or(true, |answer| answer.status() == 503).then_some(())
        })
        .await;
    }
    assert!(ann.dial().connect().await.is_err());
    let exit = soon("the end", server.end()).await;
    assert!(exit.status.success(), "{exit:?}");
}

/// The audit lines of an act, as outcome and reason.
fn audited(server: &Server, act: &str) -> Vec<(String, String)> {
    let lines = server.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit = lines.filter(|line| line["target"] == "sockeye::audit");
    audit
        .map(|line| if line["fields"].is_object() { line["fields"].clone() } else { line })
        .filter(|line| line["act"] == act)
        .map(|line| {
            let text = |field| line[field].as_str().unwrap_or_default().to_owned();
            assert!(!text("address").is_empty(), "{line}");
            (text("outcome"), text("reason"))
        })
        .collect()
}

#[tokio::test]
async fn every_decision_about_who_may_do_what_is_on_record_without_secrets() {
    // The counts per gateway and the order of the lines are those of one process.
    let mut server = Server::shaped(
        Shape::Embedded,
        &[
            ("SOCKEYE_LOG", "warn,sockeye::audit=info"),
            ("SOCKEYE_LIMIT_SIGN_UP", "1/1h"),
            ("SOCKEYE_LIMIT_GUESSES", "2/1h/1h"),
            ("SOCKEYE_LIMIT_EVENTS", "2/1h"),
            ("SOCKEYE_LIMIT_SOCKETS_PER_USER", "1"),
        ],
    );
    server.run().await;
    let ann = server.person("ann").await;
    let nobody = Person::nobody(&server);
    let another = json!({ "full_name": "x", "email": "bob@example.org", "password": "another password" });
    nobody.post(&ann.contract.auth("signup"), another).await.expect(429);
    let mut flooding = ann.connect().await;
    let guess = json!({ "email": ann.email, "password": "a wrong guess" });
    for status in [400, 400, 429] {
        nobody.post(&ann.contract.auth("login"), guess.clone()).await.expect(status);
    }
    assert!(server.dial().auth("token", "not a token").connect().await.is_err());
    let mut second = ann.dial().connect().await.expect("a CONNECT answer");
    second.ended().await;
    for _ in 0..2 + 2 * 10 + 1 {
        flooding.ask("sendMessage", &[json!({})]);
    }
    flooding.ended().await;
    ann.log_out().await;

    let pair = |outcome: &str, reason: &str| (outcome.to_owned(), reason.to_owned());
    let (allowed, refused) = (pair("allowed", ""), |reason| pair("refused", reason));
    soon("the lines are written", async {
        while audited(&server, "log_out").is_empty() || audited(&server, "limit").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(audited(&server, "sign_up"), [allowed.clone(), refused("too_many_requests")]);
    assert_eq!(
        audited(&server, "log_in"),
        [refused("bad_credentials"), refused("bad_credentials"), refused("too_many_requests")]
    );
    assert_eq!(audited(&server, "socket"), [refused("bad_proof"), refused("too_many_sockets")]);
    assert_eq!(audited(&server, "limit"), [refused("flood")]);
    assert_eq!(audited(&server, "log_out"), [allowed]);
    let log = server.log();
    for secret in [&ann.token, &ann.password, "a wrong guess", &ann.email, "bob@example.org", "not a token"] {
        assert!(!log.contains(secret), "the log tells {secret:?}");
    }
    assert!(log.contains(&ann.id), "it tells who");
}
