//! A page of another site, a proxy that is none, and other people's eyes: what comes with a request is believed only from
//! those who may say it (promise G7).

mod common;

use common::{Contract, PNG, Person, Server, Transport, embedded_only, eventually};
use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::{Value, json};

const CONTRACTS: [&str; 2] = ["direct", "direct-v1"];
const EVIL: &str = "https://evil.example";
const LISTED: &str = "https://app.example.org";

fn request(server: &Server, method: Method, path: &str) -> RequestBuilder {
    let builder = reqwest::Client::builder().pool_max_idle_per_host(0).build();
    let request = builder.expect("a client").request(method, server.url(path));
    request.header(header::CONTENT_TYPE, "application/json")
}

async fn answer(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

async fn body(response: Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Every route that changes something, and what it takes.
fn writes(ann: &Person, bob: &Person) -> Vec<(Method, String, Value)> {
    let contract = ann.contract;
    let (name, picture) = match contract {
        Contract::Direct => ("fullName", "profilePic"),
        Contract::DirectV1 => ("full_name", "profile_picture"),
    };
    let account = |email: &str| json!({ name: "New", "email": email, "password": "secret1" });
    vec![
        (Method::POST, format!("/api/messages/send/{}", bob.id), json!({ "text": "forged" })),
        (Method::POST, contract.auth("login"), json!({ "email": bob.email, "password": bob.password })),
        (Method::POST, contract.auth("signup"), account("new@example.org")),
        (Method::PUT, contract.auth("update-profile"), json!({ picture: PNG })),
        (Method::POST, contract.auth("logout"), json!({})),
    ]
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract), ("CORS_ORIGINS", LISTED)]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let foreign: [&[(&str, &str)]; 6] = [
            &[("origin", EVIL)],
            &[("origin", "null")],
            &[("origin", "http://app.example.org")],
            &[("origin", EVIL), ("x-forwarded-host", "evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ];
        for (method, path, sent) in writes(&ann, &bob) {
            for headers in foreign {
                let mut request =
                    request(&server, method.clone(), &path).header(header::COOKIE, ann.cookie());
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let refused = answer(request.body(sent.to_string())).await;
                assert_eq!(refused.status(), 403, "{path} {headers:?}");
                assert!(!refused.headers().contains_key(header::SET_COOKIE), "{path} {headers:?}");
                assert_eq!(body(refused).await["code"], "cross_site", "{path} {headers:?}");
            }
        }
        assert_eq!(bob.history(&ann).await.len(), 0);
        assert_eq!(bob.people().await.len(), 1, "nobody signed up");
        // Nobody was logged out, either.
        ann.send(&bob, "mine").await;
        let refusals = server.log().lines().filter(|line| line.contains("cross_site")).count();
        assert!(refusals > 0, "the audit log tells of it: {}", server.log());
    }
}

#[tokio::test]
async fn pages_of_ours_and_listed_ones_go_on() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract), ("CORS_ORIGINS", LISTED)]).await;
        let own = server.url("");
        let friendly: [&[(&str, &str)]; 6] = [
            &[],
            &[("origin", &own)],
            &[("origin", LISTED)],
            &[("origin", LISTED), ("sec-fetch-site", "cross-site")],
            &[("origin", &own), ("sec-fetch-site", "same-origin")],
            // A development server passes requests on under another name.
            &[("origin", "http://localhost:5174"), ("sec-fetch-site", "same-origin")],
        ];
        for (nth, headers) in friendly.into_iter().enumerate() {
            let (ann, bob) =
                (server.person(&format!("ann{nth}")).await, server.person(&format!("bob{nth}")).await);
            for (method, path, mut sent) in writes(&ann, &bob) {
                if path.ends_with("signup") {
                    sent["email"] = json!(format!("new{nth}@example.org"));
                }
                let mut request = request(&server, method, &path).header(header::COOKIE, ann.cookie());
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let done = answer(request.body(sent.to_string())).await;
                assert!(done.status().is_success(), "{path} {headers:?}: {}", done.status());
            }
        }
    }
}

#[tokio::test]
async fn a_page_behind_a_proxy_that_does_not_pass_the_host_is_known_by_the_public_address() {
    let public = "https://chat.example.org";
    let server = Server::with(&[("SOCKEYE_PUBLIC_URL", public)]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut client = ann.dial().origin(public).connect().await.expect("its own page");
    client.until_online(&[&ann.id]).await;
    assert_eq!(ann.dial().origin(EVIL).connect().await.err().expect("refused").status(), 403);
    let send = request(&server, Method::POST, &format!("/api/messages/send/{}", bob.id));
    let send = send.header(header::COOKIE, ann.cookie()).header(header::ORIGIN, public);
    assert!(answer(send.body(json!({ "text": "x" }).to_string())).await.status().is_success());
}

#[tokio::test]
async fn an_app_with_an_origin_of_its_own_connects() {
    let list = "capacitor://localhost,null";
    let server = Server::with(&[("CORS_ORIGINS", list)]).await;
    let ann = server.person("ann").await;
    for origin in list.split(',') {
        for transport in [Transport::WebSocket, Transport::Polling] {
            let mut client = ann.dial().origin(origin).over(transport).connect().await.expect(origin);
            client.until_online(&[&ann.id]).await;
        }
        let list = request(&server, Method::GET, "/api/messages/users").header(header::COOKIE, ann.cookie());
        let list = answer(list.header(header::ORIGIN, origin)).await;
        assert_eq!(list.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], origin);
        assert_eq!(list.headers()[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    }
    for transport in [Transport::WebSocket, Transport::Polling] {
        let dial = ann.dial().origin("ionic://localhost").over(transport);
        assert_eq!(dial.connect().await.err().expect("refused").status(), 403);
    }
}

/// A good cookie among the bytes of others.
fn crowded(ann: &Person) -> header::HeaderValue {
    let cookies = [b"theme=caf\xe9; ", ann.cookie().as_bytes(), b"; \xff=\xfe"].concat();
    header::HeaderValue::from_bytes(&cookies).expect("a header's value")
}

#[tokio::test]
async fn a_foreign_byte_beside_the_cookie_logs_nobody_out() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        let list = request(&server, Method::GET, "/api/messages/users").header(header::COOKIE, crowded(&ann));
        assert_eq!(answer(list).await.status(), 200);

        let path = format!("/socket.io/?EIO=4&transport=polling&userId={}", ann.id);
        let ask = async |method, path: &str, payload: &'static str| {
            let asked = request(&server, method, path).header(header::COOKIE, crowded(&ann)).body(payload);
            answer(asked).await.text().await.expect("a body")
        };
        let open = ask(Method::GET, &path, "").await;
        let open: Value = serde_json::from_str(&open[1..]).expect("an OPEN packet");
        let path = format!("{path}&sid={}", open["sid"].as_str().expect("a session"));
        assert_eq!(ask(Method::POST, &path, "40").await, "ok");
        let connected = ask(Method::GET, &path, "").await;
        assert!(connected.starts_with("40{"), "{connected}");

        let out = request(&server, Method::POST, &ann.contract.auth("logout"));
        assert_eq!(answer(out.header(header::COOKIE, crowded(&ann)).body("{}")).await.status(), 200);
        assert_eq!(ann.get("/api/messages/users").await.status, 401, "the session has ended");
    }
}

#[tokio::test]
async fn a_bearer_that_proves_nothing_does_not_hide_a_good_cookie() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let (ann, old) = (server.person("ann").await, server.person("old").await);
        old.log_out().await;
        let list = |authorization: &[u8], cookie: &str| {
            let value = header::HeaderValue::from_bytes(authorization).expect("a header's value");
            let list = request(&server, Method::GET, "/api/messages/users").header(header::COOKIE, cookie);
            answer(list.header(header::AUTHORIZATION, value))
        };
        let stale = format!("Bearer {}", old.token);
        let useless: [&[u8]; 6] = [
            b"Bearer null",
            b"Bearer undefined",
            b"Bearer caf\xe9",
            b"Basic cHJveHk6cHc=",
            b"x",
            stale.as_bytes(),
        ];
        for authorization in useless {
            let shown = String::from_utf8_lossy(authorization).into_owned();
            assert_eq!(list(authorization, &ann.cookie()).await.status(), 200, "{shown}");
            assert_eq!(list(authorization, "other=1").await.status(), 401, "{shown}");
        }
        assert_eq!(list(format!("Bearer {}", ann.token).as_bytes(), &old.cookie()).await.status(), 200);
    }
}

#[tokio::test]
async fn a_log_out_ends_every_session_it_shows() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let one = server.person("ann").await;
        let two = one.log_in().await;
        let out = request(&server, Method::POST, &one.contract.auth("logout"))
            .header(header::COOKIE, one.cookie())
            .bearer_auth(&two.token);
        assert_eq!(answer(out.body("{}")).await.status(), 200);
        for person in [one, two] {
            assert_eq!(person.get("/api/messages/users").await.status, 401);
        }
    }
}

/// Six guesses, each from an address of its own, as the header says.
async fn guesses(server: &Server, ann: &Person) -> Vec<u16> {
    let mut statuses = Vec::new();
    for n in 0..6 {
        let guess = request(server, Method::POST, &ann.contract.auth("login"))
            .header("x-forwarded-for", format!("198.51.100.{n}"))
            .body(json!({ "email": ann.email, "password": "a guess" }).to_string());
        statuses.push(answer(guess).await.status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn only_a_proxy_may_say_who_is_behind_it() {
    let limited = [("SOCKEYE_TRUST_PROXY_HOPS", "1"), ("SOCKEYE_LIMIT_SIGN_IN", "3/1h")];
    let elsewhere = [&limited[..], &[("SOCKEYE_TRUSTED_PROXIES", "203.0.113.0/24, 2001:db8::/32")]].concat();
    let server = Server::with(&elsewhere).await;
    let ann = server.person("ann").await;
    assert_eq!(guesses(&server, &ann).await[3..], [429; 3], "we are no proxy of its");
    eventually("the log says that the header is not believed", || async {
        server.log().contains("not in SOCKEYE_TRUSTED_PROXIES").then_some(())
    })
    .await;

    let server = Server::with(&limited).await;
    let ann = server.person("ann").await;
    let statuses = guesses(&server, &ann).await;
    assert!(statuses.iter().all(|&status| status == 400), "{statuses:?}");
}

#[tokio::test]
async fn a_websocket_through_tls_has_pictures_through_tls() {
    if embedded_only("in a cluster the public address is set, and counts") {
        return;
    }
    let server = Server::with(&[("SOCKEYE_TRUST_PROXY_HOPS", "1")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut reader = bob.dial().forwarded("wss", "chat.example.org").connect().await.expect("let in");
    reader.until_online(&[&bob.id]).await;
    let body = json!({ "text": "", "image": PNG });
    ann.post(&format!("/api/messages/send/{}", bob.id), body).await.expect(200);
    let image = reader.next("newMessage").await.args[0]["image"].clone();
    assert!(image.as_str().is_some_and(|url| url.starts_with("https://chat.example.org/media/")), "{image}");
}

#[tokio::test]
async fn addresses_of_others_are_shown_where_the_operator_says_so() {
    for contract in CONTRACTS {
        for (setting, shown) in [(None, ""), (Some(("SOCKEYE_SHOW_EMAILS", "on")), "bob@example.org")] {
            let settings: Vec<_> = [("SOCKEYE_CONTRACT", contract)].into_iter().chain(setting).collect();
            let server = Server::with(&settings).await;
            let (ann, bob) = (server.person("ann").await, server.person("bob").await);
            assert_eq!(ann.people().await[0]["email"], shown);
            if contract == "direct" {
                ann.send(&bob, "hello").await;
                for list in ["contacts", "chats"] {
                    let list = ann.get(&format!("/api/messages/{list}")).await.expect(200);
                    assert_eq!(list[0]["email"], shown);
                }
            }
            let check = if contract == "direct" { "check" } else { "check-auth" };
            let own = ann.get(&ann.contract.auth(check)).await.expect(200);
            let own = if contract == "direct" { &own } else { &own["user"] };
            assert_eq!(own["email"], "ann@example.org", "one's own is one's own");
        }
    }
}

#[tokio::test]
async fn names_that_would_disturb_their_neighbours_are_refused() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let nobody = Person::nobody(&server);
        let key = if contract == "direct" { "fullName" } else { "full_name" };
        for (name, status) in
            [("a\u{0}b", 400), ("a\nb", 400), ("\u{202e}nna", 400), ("\u{2067}a", 400), ("Zoë 👩‍💻", 201)]
        {
            let account = json!({ key: name, "email": "zoe@example.org", "password": "secret1" });
            let answer = nobody.post(&nobody.contract.auth("signup"), account).await;
            assert_eq!(answer.status, status, "{name:?}: {}", answer.text);
            assert!(status == 201 || answer.text.contains("A name must not contain"), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn what_the_api_says_is_not_stored_anywhere() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    for path in ["/api/messages/users", "/api/nothing", "/api/v1/auth/check-auth"] {
        assert_eq!(ann.get(path).await.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
    let refused = Person::nobody(&server).get("/api/messages/users").await;
    assert_eq!(
        (refused.status, &refused.headers[header::CACHE_CONTROL]),
        (401, &"no-store".parse().unwrap())
    );
}
