//! Bad input over HTTP gets a clear answer with a text, harms nobody else, and never the process (promises G7, G8).

mod common;

use std::path::Path;

use common::{Contract, PNG, Person, Server, soon};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A route that takes a body, a body that it accepts, and the fields of it.
struct Route {
    method: Method,
    path: String,
    good: Value,
}

fn routes(contract: Contract, person: &Person) -> Vec<Route> {
    let route = |method, path: String, good| Route { method, path, good };
    let name = if contract == Contract::Direct { "fullName" } else { "full_name" };
    let picture = if contract == Contract::Direct { "profilePic" } else { "profile_picture" };
    let account = json!({ name: "x", "email": "x@example.org", "password": "123456", "bio": "", "profile_picture": "" });
    vec![
        route(Method::POST, contract.auth("signup"), account),
        route(
            Method::POST,
            contract.auth("login"),
            json!({ "email": person.email, "password": person.password }),
        ),
        route(Method::PUT, contract.auth("update-profile"), json!({ picture: PNG })),
        route(
            Method::POST,
            format!("/api/messages/send/{}", person.id),
            json!({ "text": "x", "image": PNG, "clientId": "c" }),
        ),
    ]
}

/// What nobody should send in place of a text.
fn junk() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5e300),
        json!(""),
        json!([]),
        json!({}),
        json!(["x"]),
        json!({ "$gt": "" }),
        json!({ "$ne": null }),
        json!({ "toString": "x" }),
        json!([[[[[[[]]]]]]]),
        json!("x".repeat(200_000)),
        json!("\u{0}\u{7}\u{202e}'\"; DROP TABLE users; --"),
        json!("data:text/html;base64,PHNjcmlwdD4="),
        json!("data:image/png;base64,!!!!"),
        json!("http://127.0.0.1:1/x.png"),
    ]
}

/// Not ours, and said in a way that a frontend can show.
fn is_clear(answer: &common::Answer, what: &str) {
    assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text);
    if answer.status >= 400 {
        assert!(answer.body["message"].is_string(), "{what}: {} {:?}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn wrong_types_in_any_field_of_any_route_get_a_clear_answer() {
    for contract in ["direct", "direct-v1"] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        for route in routes(server.contract, &ann) {
            for field in route.good.as_object().expect("an object").keys() {
                for junk in junk() {
                    let mut body = route.good.clone();
                    body["email"] = json!(format!("{}@example.org", body.to_string().len()));
                    body[field] = junk.clone();
                    let answer =
                        ann.ask(route.method.clone(), &route.path, Some(body.to_string().into())).await;
                    let junk: String = junk.to_string().chars().take(60).collect();
                    is_clear(&answer, &format!("{} {field}: {junk}", route.path));
                }
            }
        }
        server.still_serves().await;
    }
}

#[tokio::test]
async fn bodies_that_are_no_objects_get_a_clear_answer() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    let deep =
        |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let bodies: Vec<Vec<u8>> = vec![
        b"[]".into(),
        b"null".into(),
        b"1".into(),
        b"\"x\"".into(),
        b"{".into(),
        b"{}{}".into(),
        b"\xff\xfe\x00{\"email\"".into(),
        [b"{\"text\":\"".as_slice(), b"\xc3\x28", b"\"}"].concat(),
        [b"{\"email\":\"".as_slice(), b"\xf0\x28\x8c\x28", b"\",\"password\":\"123456\"}"].concat(),
        deep("[", "]", 100_000).into(),
        deep("{\"a\":", "}", 100_000).into(),
        format!("{{\"text\":{}}}", deep("[", "]", 200)).into(),
        vec![b' '; 100_000],
        b"{\"text\":1e999999}".into(),
        b"--x\r\nContent-Disposition: form-data\r\n\r\n--x--".into(),
    ];
    for route in routes(server.contract, &ann) {
        for body in &bodies {
            let answer = ann.ask(route.method.clone(), &route.path, Some(body.clone())).await;
            let body: String = String::from_utf8_lossy(body).chars().take(60).collect();
            is_clear(&answer, &format!("{}: {body}", route.path));
            assert!(answer.status >= 400, "{}: {body}: {}", route.path, answer.text);
        }
    }
    server.still_serves().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_and_a_page_can_read_why() {
    let server =
        Server::with(&[("SOCKEYE_MEDIA_MAX_BYTES", "1000"), ("CORS_ORIGINS", "http://app.example.org")])
            .await;
    let ann = server.person("ann").await;
    let body = |len| format!("{{\"text\":\"{}\"}}", "x".repeat(len));
    for route in routes(server.contract, &ann) {
        // What a page might send by mistake: of what is far larger than its route takes, the rest is not read.
        let takes_pictures = !matches!(route.path.rsplit('/').next(), Some("signup" | "login"));
        let huge = body(if takes_pictures { 11_000_000 } else { 500_000 });
        let http = reqwest::Client::new();
        let request = http.request(route.method, server.url(&route.path)).header("cookie", ann.cookie());
        let request =
            request.header("origin", "http://app.example.org").header("content-type", "application/json");
        let answer = request.body(huge).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error:?}", route.path));
        assert_eq!(answer.status(), 413, "{}", route.path);
        assert_eq!(answer.headers()["access-control-allow-origin"], "http://app.example.org");
        assert_eq!(answer.headers()["access-control-allow-credentials"], "true");
        let body: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        assert!(body["message"].is_string(), "{body}");
    }
    server.still_serves().await;
}

#[tokio::test]
async fn only_pictures_of_the_four_kinds_and_the_allowed_size_are_kept() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let server = Server::with(&[("SOCKEYE_MEDIA_MAX_BYTES", "20000")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let url = |kind: &str, bytes: &[u8]| format!("data:{kind};base64,{}", STANDARD.encode(bytes));
    let mut large = b"\x89PNG\r\n\x1a\n".to_vec();
    large.resize(20_001, 0);
    for (what, image, status) in [
        ("SVG", url("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 400),
        ("SVG called PNG", url("image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 400),
        ("HTML called PNG", url("image/png", b"<html><script>alert(1)</script>"), 400),
        ("nothing", url("image/png", b""), 400),
        ("too large", url("image/png", &large), 413),
        ("a file", "file:///etc/passwd".to_owned(), 400),
        ("an address", server.url("/healthz"), 400),
    ] {
        let body = json!({ "text": "", "image": image });
        let answer = ann.post(&format!("/api/messages/send/{}", bob.id), body).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
        let answer = ann.put(&ann.contract.auth("update-profile"), json!({ "profile_picture": image })).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
    }
    assert_eq!(bob.history(&ann).await.len(), 0);
    assert_eq!(files_below(&server.data_dir().join("media")), 0, "nothing refused is kept");
    ann.put(&ann.contract.auth("update-profile"), json!({ "profile_picture": PNG })).await.expect(200);
    assert_eq!(files_below(&server.data_dir().join("media")), 1);
}

fn files_below(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn operators_in_place_of_texts_open_no_account() {
    for contract in ["direct", "direct-v1"] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        let nobody = Person::nobody(&server);
        for operator in
            [json!({ "$gt": "" }), json!({ "$ne": null }), json!({ "$regex": ".*" }), json!([ann.email])]
        {
            for body in [
                json!({ "email": operator, "password": operator }),
                json!({ "email": ann.email, "password": operator }),
                json!({ "email": operator, "password": ann.password }),
            ] {
                let answer = nobody.post(&nobody.contract.auth("login"), body.clone()).await;
                assert_eq!(answer.status, 400, "{body}");
                assert!(!answer.headers.contains_key("set-cookie"));
            }
        }
    }
}

#[tokio::test]
async fn ids_that_are_none_name_nobody() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    bob.send(&ann, "hello").await;
    let long = "a".repeat(5_000);
    for id in [
        "undefined",
        "null",
        "0",
        "%00",
        "..%2f..",
        "zzzzzzzzzzzzzzzzzzzzzzzz",
        "'%20or%20'1'='1",
        long.as_str(),
    ] {
        let read = ann.get(&format!("/api/messages/{id}")).await;
        let sent = ann.post(&format!("/api/messages/send/{id}"), json!({ "text": "x" })).await;
        for answer in [read, sent] {
            is_clear(&answer, id);
            assert!(answer.status >= 400, "{id}: {}", answer.text);
        }
    }
    let nobody = "0123456789abcdef01234567";
    assert_eq!(ann.get(&format!("/api/messages/{nobody}")).await.expect(200)["data"], json!([]));
    assert_eq!(ann.post(&format!("/api/messages/send/{nobody}"), json!({ "text": "x" })).await.status, 404);
}

#[tokio::test]
async fn without_a_session_nothing_is_read_or_written() {
    for contract in ["direct", "direct-v1"] {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        let nobody = Person::nobody(&server);
        for path in ["/api/messages/users".to_owned(), format!("/api/messages/{}", ann.id)] {
            let answer = nobody.get(&path).await;
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.body["message"].is_string());
        }
        let send = format!("/api/messages/send/{}", ann.id);
        assert_eq!(nobody.post(&send, json!({ "text": "x" })).await.status, 401);
        assert_eq!(nobody.put(&nobody.contract.auth("update-profile"), json!({})).await.status, 401);
        // The sender is who the token says, whatever the body says.
        let bob = server.person("bob").await;
        let sent =
            bob.post(&send, json!({ "text": "x", "senderId": ann.id, "_id": ann.id, "createdAt": 0 })).await;
        let message = if contract == "direct" { sent.body } else { sent.body["data"].clone() };
        assert_eq!(message["senderId"], bob.id.as_str());
        assert_ne!(message["_id"], ann.id.as_str());
    }
}

/// Sends bytes as they are (clients tidy paths up) and gives everything that comes back.
async fn raw(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.addresses.next()).await.expect("a connection");
    // The server may close before it has taken everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    soon("an answer, or the end", async {
        let _ = stream.read_to_end(&mut answer).await;
    })
    .await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn no_path_leads_out_of_the_served_directories() {
    let home = tempfile::tempdir().expect("a directory");
    let site = home.path().join("site");
    std::fs::create_dir(&site).expect("a directory");
    std::fs::write(site.join("index.html"), "the page").expect("written");
    std::fs::write(home.path().join("secret.txt"), "TOP SECRET").expect("written");
    let site = site.display().to_string();
    let server = Server::with(&[("SOCKEYE_STATIC_DIR", site.as_str())]).await;
    let secret = server.jwt_secret();
    for prefix in ["/", "/media/", "/assets/", "//", "/socket.io/"] {
        for step in [
            "../",
            "..%2f",
            "%2e%2e/",
            "%2e%2e%2f",
            "..\\",
            "..%5c",
            "....//",
            "%252e%252e%252f",
            "./../",
            "..;/",
        ] {
            for target in ["secret.txt", "jwt_secret", "log.db", "etc/passwd"] {
                for depth in [1, 2, 3, 8] {
                    let path = format!("{prefix}{}{target}", step.repeat(depth));
                    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                    let answer = raw(&server, request.as_bytes()).await;
                    for leak in ["TOP SECRET", secret.as_str(), "root:", "SQLite format"] {
                        assert!(!answer.contains(leak), "{path}: {answer}");
                    }
                    assert!(!answer.starts_with("HTTP/1.1 5"), "{path}: {answer}");
                }
            }
        }
    }
    assert!(
        raw(&server, b"GET /anything HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .contains("the page")
    );
    server.still_serves().await;
}

#[tokio::test]
async fn bytes_that_are_no_http_harm_nobody() {
    let server = Server::start().await;
    let header = |name: &str, value: &str| {
        format!("GET / HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\n\r\n").into_bytes()
    };
    let mut many = b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec();
    (0..2_000).for_each(|n| many.extend(format!("x-{n}: y\r\n").into_bytes()));
    many.extend(b"\r\n");
    for request in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        vec![0; 10_000],
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        header("Cookie", &"token=x; ".repeat(20_000)),
        header("X", "\u{0}"),
        many,
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
            .to_vec(),
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n".to_vec(),
    ] {
        let mut stream = TcpStream::connect(server.addresses.next()).await.expect("a connection");
        let _ = stream.write_all(&request).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        soon("the end of the connection", async {
            let _ = stream.read_to_end(&mut answer).await;
        })
        .await;
    }
    server.still_serves().await;
}

#[tokio::test]
async fn requests_that_never_end_hold_nobody_up_and_are_ended() {
    let server =
        Server::with(&[("SOCKEYE_HTTP_HEAD_TIMEOUT_MS", "2000"), ("SOCKEYE_HTTP_BODY_STALL_MS", "2000")])
            .await;
    let mut open = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(server.addresses.next()).await.expect("a connection");
        let start: &[u8] = match n % 3 {
            0 => b"",
            1 => b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
            _ => b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        };
        stream.write_all(start).await.expect("written");
        open.push(stream);
    }
    server.still_serves().await;
    for mut stream in open {
        let mut said = Vec::new();
        soon("the end of a request that never ends", async {
            let _ = stream.read_to_end(&mut said).await;
        })
        .await;
    }
    server.still_serves().await;
}

#[tokio::test]
async fn guessing_passwords_is_limited_per_address() {
    let server = Server::with(&[("SOCKEYE_LIMIT_SIGN_IN", "5/1h")]).await;
    let ann = server.person("ann").await;
    let guess = |address: &'static str, forwarded: String| {
        let http =
            reqwest::Client::builder().local_address(Some(address.parse().expect("an address"))).build();
        let request = http.expect("a client").post(server.url(&ann.contract.auth("login")));
        let body = json!({ "email": ann.email, "password": "a guess" }).to_string();
        async move {
            let request =
                request.header("x-forwarded-for", forwarded).header("content-type", "application/json");
            let answer = request.body(body).send().await.expect("an answer");
            (answer.status().as_u16(), answer.headers().contains_key("retry-after"))
        }
    };
    let mut statuses = Vec::new();
    for n in 0..6 {
        // Saying that one is somebody else does not help.
        statuses.push(guess("127.0.0.1", format!("203.0.113.{n}")).await);
    }
    assert_eq!(
        statuses.iter().filter(|(status, _)| *status == 400).count(),
        4,
        "{statuses:?}: the sign-up counted too"
    );
    assert_eq!(statuses[5], (429, true));
    assert_eq!(guess("127.0.0.2", String::new()).await.0, 400, "another address is not held responsible");
    ann.get(&ann.contract.auth("check-auth")).await.expect(200);
}

#[tokio::test]
async fn requests_are_limited_per_address_and_a_page_can_read_why() {
    let server =
        Server::with(&[("SOCKEYE_LIMIT_REQUESTS", "20/1h"), ("CORS_ORIGINS", "http://app.example.org")])
            .await;
    let ann = server.person("ann").await;
    let http = reqwest::Client::new();
    let mut last = None;
    for _ in 0..30 {
        let request = http.get(server.url("/api/messages/users")).header("cookie", ann.cookie());
        last = Some(request.header("origin", "http://app.example.org").send().await.expect("an answer"));
    }
    let last = last.expect("asked");
    assert_eq!(last.status(), 429);
    assert_eq!(last.headers()["access-control-allow-origin"], "http://app.example.org");
    let body: Value = serde_json::from_str(&last.text().await.expect("a body")).expect("JSON");
    assert_eq!(body["message"], "Too many requests");
    assert_eq!(http.get(server.ops_url("/readyz")).send().await.expect("an answer").status(), 200);
}
