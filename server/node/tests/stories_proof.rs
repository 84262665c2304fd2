//! A socket is somebody's only when they proved it; until then it gets nothing and does nothing.

mod common;

use std::sync::Arc;

use common::{Between, Contract, Person, Server, Shape, Transport};
use serde_json::json;

#[tokio::test]
async fn every_way_to_carry_the_token_is_proof() {
    for contract in ["direct", "direct-v1"] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        let claiming = || server.dial().claiming(&ann.id);
        for (way, dial) in [
            ("cookie", claiming().cookie(&ann.cookie())),
            ("cookie, no claim", server.dial().cookie(&ann.cookie())),
            ("bearer", claiming().bearer(&ann.token)),
            ("auth.token", claiming().auth("token", ann.token.clone())),
            ("polling", claiming().cookie(&ann.cookie()).over(Transport::Polling)),
        ] {
            let mut client = dial.connect().await.unwrap_or_else(|error| panic!("{way}: {error:?}"));
            client.until_online(&[&ann.id]).await;
            client.disconnect();
        }
    }
}

#[tokio::test]
async fn a_socket_without_proof_is_refused() {
    for (contract, text) in [("direct", "Unauthorized - No Token Provided"), ("direct-v1", "Unauthorized")] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        for dial in [
            server.dial(),
            server.dial().claiming(&ann.id),
            server.dial().query("&userId=undefined"),
            server.dial().over(Transport::Polling),
            server.dial().claiming(&ann.id).auth("userId", ann.id.clone()),
        ] {
            assert_eq!(dial.connect().await.err().expect("refused").refused(), text);
        }
        server.still_serves().await;
    }
}

#[tokio::test]
async fn a_token_of_somebody_else_than_claimed_is_refused() {
    for contract in ["direct", "direct-v1"] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let (ann, eve) = (server.person("ann").await, server.person("eve").await);
        let mut reader = ann.connect().await;
        for claim in [ann.id.as_str(), "undefined", "", "0123456789abcdef01234567"] {
            for transport in [Transport::WebSocket, Transport::Polling] {
                let dial = server.dial().claiming(claim).cookie(&eve.cookie()).over(transport);
                dial.connect().await.err().expect("refused").refused();
            }
        }
        reader.until_online(&[&ann.id]).await;
    }
}

#[tokio::test]
async fn proof_may_come_with_the_upgrade_and_until_then_events_wait() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut watcher = bob.connect().await;
    let dial = ann.dial().cookie_on_upgrade(&ann.cookie());
    let mut client = dial.connect().await.expect("let in");
    client.until_online(&[&ann.id, &bob.id]).await;
    client.send(&bob.id, "proven").await;
    assert_eq!(watcher.texts_until("proven").await, ["proven"]);
    bob.send(&ann, "welcome").await;
    assert_eq!(client.texts_until("welcome").await, ["welcome"]);
}

#[tokio::test]
async fn what_is_sent_before_the_proof_comes_after_it() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let between = Arc::new(Between::default());
    let dial = ann.dial().cookie_on_upgrade(&ann.cookie()).pausing(&between);
    let connecting = tokio::spawn(async move { dial.connect().await });
    between.answered.notified().await;
    // A list of who is online, without ann.
    let mut watcher = bob.connect().await;
    watcher.until_online(&[&bob.id]).await;
    bob.send(&ann, "while you prove who you are").await;
    between.go_on.notify_one();
    let mut client = connecting.await.expect("the task").expect("let in");
    bob.send(&ann, "now that you did").await;
    let mut texts = vec![];
    while texts.last().is_none_or(|text| text != "now that you did") {
        let event = client.next_any().await.expect("still connected");
        match event.name.as_str() {
            "newMessage" => texts.push(event.args[0]["text"].as_str().expect("a text").to_owned()),
            // A list that is being made while she proves herself may be a moment older, where making it takes a question.
            _ if Shape::chosen() == Shape::Cluster => {}
            // None that is older than her proof.
            _ => assert!(event.args[0].as_array().expect("a list").contains(&json!(ann.id)), "{event:?}"),
        }
    }
    assert_eq!(texts, ["while you prove who you are", "now that you did"]);
    // Proven late is proven all the same: the device goes with the log-in.
    ann.log_out().await;
    client.ended().await;
}

#[tokio::test]
async fn proof_of_somebody_else_on_the_upgrade_ends_the_socket() {
    let server = Server::start().await;
    let (ann, eve) = (server.person("ann").await, server.person("eve").await);
    // It may learn of its refusal before it even has the answer to CONNECT.
    if let Ok(mut client) = ann.dial().cookie_on_upgrade(&eve.cookie()).connect().await {
        client.ended().await;
        assert_eq!(client.leftover(), [""; 0], "an unproven socket gets nothing");
    }
    let mut watcher = ann.connect().await;
    watcher.until_online(&[&ann.id]).await;
}

#[tokio::test]
async fn an_unproven_socket_gets_nothing_is_not_online_and_its_events_are_refused() {
    let server = Server::with(&[("SOCKEYE_PROOF_TIMEOUT_MS", "1500")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut watcher = bob.connect().await;
    let dial = server.dial().claiming(&ann.id).over(Transport::Polling);
    let mut unproven = dial.connect().await.expect("held: proof may come with an upgrade");
    let held = unproven.ask("sendMessage", &[json!({ "to": bob.id, "text": "as ann" })]);
    bob.send(&ann, "secret").await;
    let refused = unproven.ack(held).await;
    assert_eq!(refused[0]["status"], "error", "{refused:?}");
    unproven.ended().await;
    assert_eq!(unproven.leftover(), [""; 0]);
    // Nothing was sent in ann's name, and bob never saw her online.
    ann.send(&bob, "it is me").await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event: &common::Event| event.name != "newMessage") {
        seen.push(watcher.next_any().await.expect("still connected"));
    }
    let told =
        |name: &str| seen.iter().filter(|event| event.name == name).map(|event| &event.args[0]).collect();
    let (messages, online): (Vec<_>, Vec<_>) = (told("newMessage"), told("getOnlineUsers"));
    assert_eq!(messages.iter().map(|message| &message["text"]).collect::<Vec<_>>(), ["it is me"]);
    assert!(!online.is_empty() && online.iter().all(|ids| **ids == json!([bob.id])), "{online:?}");
}

#[tokio::test]
async fn an_unproven_socket_may_hold_a_few_events_only() {
    let server = Server::with(&[("SOCKEYE_PROOF_TIMEOUT_MS", "60000")]).await;
    let ann = server.person("ann").await;
    let dial = server.dial().claiming(&ann.id).over(Transport::Polling);
    let mut unproven = dial.connect().await.expect("held");
    for _ in 0..100 {
        unproven.emit("sendMessage", &[json!({ "to": ann.id, "text": "x" })]);
    }
    unproven.ended().await;
    assert_eq!(ann.history(&ann).await.len(), 0);
}

#[tokio::test]
async fn log_out_drops_the_sockets_of_that_session_only() {
    for contract in ["direct", "direct-v1"] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        let phone = ann.log_in().await;
        let mut tabs = Vec::new();
        for n in 0..12 {
            let transport = if n % 3 == 0 { Transport::Polling } else { Transport::WebSocket };
            tabs.push(ann.dial().over(transport).connect().await.expect("let in"));
        }
        let mut other = phone.connect().await;
        ann.log_out().await;
        for (nth, tab) in tabs.iter_mut().enumerate() {
            tab.ended().await;
            assert!(tab.disconnected_by_server, "else the client would reconnect (tab {nth})");
        }
        let bob = server.person("bob").await;
        bob.send(&ann, "still there?").await;
        other.next("newMessage").await;
        assert!(ann.dial().connect().await.is_err(), "the token is dead");
    }
}

/// A cookie that comes with the upgrade at the same moment as its log-out.
#[tokio::test]
async fn no_moment_of_a_log_out_leaves_a_socket_that_proves_itself_alive() {
    const SOCKETS: u64 = 8;
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    for round in 0..20 {
        let session = ann.log_in().await;
        let mut proving = Vec::new();
        let mut betweens = Vec::new();
        for _ in 0..SOCKETS {
            let between = Arc::new(Between::default());
            let dial = ann.dial().cookie_on_upgrade(&session.cookie()).pausing(&between);
            proving.push(tokio::spawn(async move { dial.connect().await }));
            between.answered.notified().await;
            betweens.push(between);
        }
        let upgrading = async {
            for (nth, between) in (0..).zip(&betweens) {
                // Swept over the log-out: from before it to after it.
                tokio::time::sleep(std::time::Duration::from_micros(nth * (150 + 20 * round))).await;
                between.go_on.notify_one();
            }
        };
        tokio::join!(upgrading, async {
            tokio::time::sleep(std::time::Duration::from_micros(500)).await;
            session.log_out().await;
        });
        for connecting in proving {
            // It may have been refused before it had the answer to CONNECT.
            if let Ok(mut client) = connecting.await.expect("the task") {
                client.ended().await;
            }
        }
    }
    let mut reader = bob.connect().await;
    reader.until_online(&[&bob.id]).await;
}

#[tokio::test]
async fn an_operator_ends_all_sessions_of_a_user_beside_the_running_server() {
    let server = Server::with(&[("SOCKEYE_SESSION_CHECK_MS", "200")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    for who in [ann.id.clone(), ann.email.clone()] {
        let sessions = [ann.log_in().await, ann.log_in().await];
        let mut clients = [sessions[0].connect().await, sessions[1].connect().await];
        let mut watcher = bob.connect().await;
        let exit = server.command(format!("sessions end {who}").leak(), &[]).await;
        assert!(exit.status.success(), "{exit:?}");
        assert!(exit.said.contains(&ann.id) && !exit.said.contains(&ann.email), "{exit:?}");
        for (session, client) in sessions.iter().zip(&mut clients) {
            client.ended().await;
            assert!(client.disconnected_by_server, "else the client would reconnect");
            session.get(&session.contract.auth("check-auth")).await.expect(401);
        }
        // Nobody else, and not what begins now.
        let mut again = ann.log_in().await.connect().await;
        again.send(&bob.id, "me again").await;
        watcher.texts_until("me again").await;
    }
    for nobody in ["0123456789abcdef01234567", "nobody@example.org"] {
        let exit = server.command(format!("sessions end {nobody}").leak(), &[]).await;
        assert_eq!(exit.status.code(), Some(1), "{exit:?}");
        assert!(exit.said.contains("there is no such user") && !exit.said.contains(nobody), "{exit:?}");
    }
    assert!(server.log().contains("session_end"), "for the audit");
    server.still_serves().await;
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_and_its_sockets() {
    for contract in ["direct", "direct-v1"] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        let phone = ann.log_in().await;
        let mut clients = [ann.connect().await, phone.connect().await];
        let nobody = Person::nobody(&server);
        nobody.post(&ann.contract.auth("logout-all"), json!({})).await.expect(401);
        let answer = phone.post(&ann.contract.auth("logout-all"), json!({})).await;
        assert!(answer.headers["set-cookie"].to_str().expect("ASCII").contains("=;"), "{answer:?}");
        answer.expect(200);
        for client in &mut clients {
            client.ended().await;
            assert!(client.disconnected_by_server);
        }
        let me = ann.contract.auth(if contract == "direct" { "check" } else { "check-auth" });
        for dead in [&ann, &phone] {
            dead.get(&me).await.expect(401);
            assert!(dead.dial().connect().await.is_err());
        }
        let again = ann.log_in().await;
        again.get(&me).await.expect(200);
        again.connect().await.until_online(&[&ann.id]).await;
    }
}

#[tokio::test]
async fn an_expired_token_ends_its_socket() {
    let server = Server::with(&[("JWT_EXPIRATION", "2s")]).await;
    let ann = server.person("ann").await;
    let mut client = ann.connect().await;
    client.ended().await;
    assert!(client.disconnected_by_server);
    let refused = ann.dial().connect().await.err().expect("refused").refused();
    assert_eq!(refused, "Invalid token");
    let check = ann.contract.auth("check-auth");
    ann.get(&check).await.expect(401);
}

#[tokio::test]
async fn a_page_of_a_foreign_origin_cannot_open_a_websocket() {
    let server = Server::with(&[("CORS_ORIGINS", "http://app.example.org")]).await;
    let ann = server.person("ann").await;
    let from = |origin: &str| ann.dial().origin(origin);
    for foreign in
        ["http://evil.example.org", "null", "http://app.example.org.evil.org", "https://app.example.org"]
    {
        assert_eq!(from(foreign).connect().await.err().expect(foreign).status(), 403);
    }
    let own = server.url("");
    for allowed in ["http://app.example.org", own.as_str()] {
        let client = from(allowed).connect().await.unwrap_or_else(|error| panic!("{allowed}: {error:?}"));
        client.disconnect();
    }
}

#[tokio::test]
async fn claims_are_believed_only_where_the_operator_said_so() {
    for (trust, believed) in [("off", false), ("loopback", true), ("always", true)] {
        let server = Server::with(&[("SOCKEYE_TRUST_QUERY_USER", trust)]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let claiming = server.dial().claiming(&ann.id);
        match claiming.connect().await {
            Ok(mut client) => {
                assert!(believed, "{trust}");
                client.until_online(&[&ann.id]).await;
                bob.send(&ann, "trusting").await;
                client.next("newMessage").await;
                assert!(server.log().contains("SOCKEYE_TRUST_QUERY_USER"), "a loud warning at the start");
            }
            Err(_) => assert!(!believed, "{trust}"),
        }
        // Trust in claims is no trust in nonsense, in nobody, nor in a token that says otherwise.
        for dial in [
            server.dial().claiming("undefined"),
            server.dial().claiming("0123456789abcdef01234567"),
            server.dial().claiming(&ann.id).cookie(&bob.cookie()),
        ] {
            assert!(dial.connect().await.is_err(), "{trust}");
        }
    }
}

#[tokio::test]
async fn behind_a_proxy_loopback_trust_is_about_the_client_and_not_the_proxy() {
    let settings = [("SOCKEYE_TRUST_QUERY_USER", "loopback"), ("SOCKEYE_TRUST_PROXY_HOPS", "1")];
    let server = Server::with(&settings).await;
    let ann = server.person("ann").await;
    // The handshake is held (an upgrade might bring proof), but never believed.
    let dial = server.dial().claiming(&ann.id).over(Transport::Polling);
    let mut client = dial.forwarded_for("203.0.113.9").connect().await.expect("held");
    client.ended().await;
    assert_eq!(client.leftover(), [""; 0]);
}

#[tokio::test]
async fn tokens_that_are_not_ours_are_refused_everywhere() {
    let server = Server::with(&[("JWT_SECRET", "the secret of these tests, long enough")]).await;
    let ann = server.person("ann").await;
    let forged = forgeries(&ann);
    for (what, token) in forged {
        let forger = ann.with_token(&token);
        let status = forger.get(&Contract::DirectV1.auth("check-auth")).await.status;
        assert_eq!(status, 401, "{what}");
        for dial in [forger.dial(), server.dial().claiming(&ann.id).auth("token", token)] {
            assert!(dial.connect().await.is_err(), "{what}");
        }
    }
    server.still_serves().await;
}

/// Tokens nobody should believe.
fn forgeries(ann: &Person) -> Vec<(&'static str, String)> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = encode(&json!({ "userId": ann.id, "iat": 1, "exp": 4_000_000_000_u64 }).to_string());
    let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
    let parts: Vec<&str> = ann.token.split('.').collect();
    let [header, own_claims, signature] = parts[..] else { panic!("a token has three parts") };
    let mut flipped = signature.to_owned();
    flipped.replace_range(0..1, if signature.starts_with('A') { "B" } else { "A" });
    let rs256 = encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    vec![
        ("alg none", format!("{none}.{claims}.")),
        ("alg none with the old signature", format!("{none}.{own_claims}.{signature}")),
        ("alg None", format!("{}.{claims}.", encode(r#"{"alg":"None"}"#))),
        ("another algorithm", format!("{rs256}.{own_claims}.{signature}")),
        ("other claims under a good signature", format!("{header}.{claims}.{signature}")),
        ("a flipped bit", format!("{header}.{own_claims}.{flipped}")),
        ("signed with another secret", signed(b"another secret", &ann.id)),
        ("signed with nothing", signed(b"", &ann.id)),
        ("no signature", format!("{header}.{own_claims}")),
        ("not a token", "x".to_owned()),
        ("very long", "x".repeat(6_000)),
    ]
}

fn signed(secret: &[u8], user: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, KeyInit, Mac};
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = json!({ "userId": user, "iat": 1, "exp": 4_000_000_000_u64 }).to_string();
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).expect("any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_well_signed_token_of_nobody_gets_nothing() {
    let secret = "the secret of these tests, long enough";
    let server = Server::with(&[("JWT_SECRET", secret)]).await;
    let ann = server.person("ann").await;
    let token = |user: &str| ann.with_token(&signed(secret.as_bytes(), user));
    let check = Contract::DirectV1.auth("check-auth");
    token(&ann.id).get(&check).await.expect(200);
    for (user, status) in [("0123456789abcdef01234567", 404), ("undefined", 401), ("", 401)] {
        assert_eq!(token(user).get(&check).await.status, status, "{user:?}");
        assert!(server.dial().cookie(&token(user).cookie()).connect().await.is_err());
    }
}
