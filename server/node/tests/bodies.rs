//! Request bodies: what is taken from whom, and what it may cost.

mod common;

use std::io::Write;

use common::{Answer, Contract, PNG, Person, Server, eventually, soon};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CONTRACTS: [&str; 2] = ["direct", "direct-v1"];

/// A request with these headers and no others.
async fn ask(person: &Person, method: Method, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    let mut request = http.request(method, url).body(body);
    if !person.token.is_empty() {
        request = request.header("cookie", person.cookie());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.expect("a body");
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
}

fn message(server: &Server, answer: Answer) -> Value {
    match server.contract {
        Contract::Direct => answer.expect(201),
        Contract::DirectV1 => answer.expect(200)["data"].take(),
    }
}

#[tokio::test]
async fn half_an_emoji_is_taken_as_the_socket_takes_it() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let send = format!("/api/messages/send/{}", bob.id);
        let cut = ann.ask(Method::POST, &send, Some(br#"{"text":"cut \ud83d","x\ud83d":1}"#.to_vec())).await;
        assert_eq!(message(&server, cut)["text"], "cut \u{fffd}");

        let name = if server.contract == Contract::Direct { "fullName" } else { "full_name" };
        let account = format!(r#"{{"{name}":"cut \ud83d","email":"c@example.org","password":"secret1"}}"#);
        let nobody = Person::nobody(&server);
        let signed_up = nobody.ask(Method::POST, &server.contract.auth("signup"), Some(account.into())).await;
        let body = signed_up.expect(201);
        let user = if server.contract == Contract::Direct { &body } else { &body["user"] };
        assert_eq!(user[name], "cut \u{fffd}");
    }
}

#[tokio::test]
async fn what_no_route_reads_may_be_any_json() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    let deep = format!(r#"{{"x":{}1e400{},"text":"hello"}}"#, "[".repeat(200), "]".repeat(200));
    let sent = ann.ask(Method::POST, &format!("/api/messages/send/{}", ann.id), Some(deep.into())).await;
    assert_eq!(message(&server, sent)["text"], "hello");
}

/// Bodies of the other types can be sent by any page of any site, without asking first.
#[tokio::test]
async fn only_json_is_taken() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        let nobody = Person::nobody(&server);
        let account = json!({ "email": ann.email, "password": ann.password }).to_string();
        let picture = if server.contract == Contract::Direct { "profilePic" } else { "profile_picture" };
        let routes = [
            (&nobody, Method::POST, server.contract.auth("signup"), account.clone()),
            (&nobody, Method::POST, server.contract.auth("login"), account),
            (&ann, Method::PUT, server.contract.auth("update-profile"), json!({ picture: PNG }).to_string()),
            (
                &ann,
                Method::POST,
                format!("/api/messages/send/{}", ann.id),
                json!({ "text": "x" }).to_string(),
            ),
        ];
        for (person, method, path, body) in routes {
            for (content_type, code) in [
                (None, "body_no_json"),
                (Some("text/plain"), "body_no_json"),
                (Some("text/plain; charset=application/json"), "body_no_json"),
                (Some("application/x-www-form-urlencoded"), "body_no_json"),
                (Some("multipart/form-data; boundary=x"), "body_no_json"),
                (Some("application/json; charset=utf-16"), "charset_unsupported"),
            ] {
                let headers: Vec<_> = content_type.map(|kind| ("content-type", kind)).into_iter().collect();
                let url = server.url(&path);
                let answer = ask(person, method.clone(), &url, &headers, body.clone().into()).await;
                assert_eq!(answer.status, 415, "{path} {content_type:?}: {}", answer.text);
                assert_eq!(answer.body["code"], code, "{path} {content_type:?}");
                assert!(answer.body["message"].is_string());
                assert!(!answer.headers.contains_key("set-cookie"));
            }
        }
        assert_eq!(ann.history(&ann).await.len(), 0);
        let send = server.url(&format!("/api/messages/send/{}", ann.id));
        for content_type in [
            "application/json",
            "Application/JSON; Charset=\"UTF-8\"",
            "application/vnd.api+json; charset=utf-8",
        ] {
            let headers = [("content-type", content_type)];
            let answer = ask(&ann, Method::POST, &send, &headers, br#"{"text":"x"}"#.to_vec()).await;
            assert_eq!(message(&server, answer)["text"], "x", "{content_type}");
        }
    }
}

#[tokio::test]
async fn an_empty_body_needs_no_type() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let signed_up = server.person("ann").await;
        let send = server.url(&format!("/api/messages/send/{}", signed_up.id));
        for headers in [&[][..], &[("content-type", "application/x-www-form-urlencoded")]] {
            let ann = signed_up.log_in().await;
            let answer = ask(&ann, Method::POST, &send, headers, vec![]).await;
            assert_eq!(answer.status, 400, "an empty message, not an unreadable one: {}", answer.text);
            let out =
                ask(&ann, Method::POST, &server.url(&ann.contract.auth("logout")), headers, vec![]).await;
            assert_eq!(out.status, 200);
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

#[tokio::test]
async fn compressed_bodies_are_read_and_bounded_by_what_is_in_them() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(br#"{"text":"deflated"}"#).expect("memory takes it");
    let deflated = deflate.finish().expect("memory takes it");
    let send = server.url(&format!("/api/messages/send/{}", ann.id));
    let encoded =
        |encoding: &'static str| [("content-type", "application/json"), ("content-encoding", encoding)];
    let zipped = ask(&ann, Method::POST, &send, &encoded("gzip"), gzip(br#"{"text":"zipped"}"#)).await;
    assert_eq!(message(&server, zipped)["text"], "zipped");
    let answer = ask(&ann, Method::POST, &send, &encoded("deflate"), deflated).await;
    assert_eq!(message(&server, answer)["text"], "deflated");

    let login = server.url(&ann.contract.auth("login"));
    let bomb = gzip(format!(r#"{{"email":"{}"}}"#, "a".repeat(50_000_000)).as_bytes());
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    for url in [&send, &login] {
        let answer = ask(&ann, Method::POST, url, &encoded("gzip"), bomb.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (413, &"body_too_large".into()), "{url}");
    }
    for encoding in ["br", "zstd", "compress", "gzip, gzip"] {
        let answer = ask(&ann, Method::POST, &login, &encoded(encoding), b"{}".to_vec()).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (415, &"encoding_unsupported".into()),
            "{encoding}"
        );
    }
    let damaged = ask(&ann, Method::POST, &login, &encoded("gzip"), b"{}".to_vec()).await;
    assert_eq!((damaged.status, &damaged.body["code"]), (400, &"body_unreadable".into()));
}

#[tokio::test]
async fn a_log_in_or_sign_up_is_small() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let ann = server.person("ann").await;
        let nobody = Person::nobody(&server);
        let padded = |len: usize| {
            let body = json!({ "email": ann.email, "password": ann.password, "x": "" }).to_string();
            body.replace(r#""x":"""#, &format!(r#""x":"{}""#, "x".repeat(len - body.len())))
        };
        let login = server.contract.auth("login");
        nobody.ask(Method::POST, &login, Some(padded(16 * 1024).into())).await.expect(200);
        for path in [login, server.contract.auth("signup")] {
            let answer = nobody.ask(Method::POST, &path, Some(padded(16 * 1024 + 1).into())).await;
            assert_eq!((answer.status, &answer.body["code"]), (413, &"body_too_large".into()), "{path}");
        }
        // Where a picture goes there is room for one.
        let send = format!("/api/messages/send/{}", ann.id);
        let body = json!({ "text": "x", "x": "x".repeat(5_000_000) });
        message(&server, ann.post(&send, body).await);
    }
}

/// A request's head, and as much of its body as there is to send now.
async fn begin(server: &Server, head: &str, body_len: usize, part: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    let head = format!(
        "{head} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {body_len}\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    stream.write_all(part).await.expect("written");
    stream
}

#[tokio::test]
async fn nothing_is_read_of_a_body_before_its_sender_is_proven() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let paths = [
            format!("PUT {}", server.contract.auth("update-profile")),
            "POST /api/messages/send/0123456789abcdef01234567".to_owned(),
        ];
        for path in paths {
            // Of the 9 MB that are announced, none is ever sent.
            let mut stream = begin(&server, &path, 9_000_000, b"\r\n").await;
            let mut answer = Vec::new();
            soon("an answer", async {
                while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
                    assert_ne!(stream.read_buf(&mut answer).await.expect("a read"), 0, "no answer");
                }
            })
            .await;
            assert!(answer.starts_with(b"HTTP/1.1 401"), "{path}: {}", String::from_utf8_lossy(&answer));
        }
    }
}

#[tokio::test]
async fn bodies_under_way_have_room_for_so_many_bytes_and_no_more() {
    // One picture fits in any case: that is what there is now.
    let server = Server::with(&[("SOCKEYE_BODIES_BYTES_MAX", "1")]).await;
    let ann = server.person("ann").await;
    let send = format!("/api/messages/send/{}", ann.id);
    let half = [b"{\"text\":\"".as_slice(), &[b'x'; 9_000_000]].concat();
    let head = format!("POST {send}");
    let part = [format!("cookie: {}\r\n\r\n", ann.cookie()).as_bytes(), &half].concat();
    let upload = begin(&server, &head, 9_900_000, &part).await;
    let picture = json!({ "text": "x", "x": "x".repeat(2_000_000) });
    let refused = eventually("there is no more room", async || {
        let answer = ann.post(&send, picture.clone()).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused.body["code"], "busy");
    assert!(refused.headers.contains_key("retry-after"), "{:?}", refused.headers);
    // What is small has room: nobody else is held up.
    message(&server, ann.post(&send, json!({ "text": "small" })).await);
    drop(upload);
    eventually("there is room again", async || {
        (ann.post(&send, picture.clone()).await.status == 200).then_some(())
    })
    .await;
}

/// Reproduces what ended a process with the chart's memory limit: one such body cost 1.5 GB.
#[tokio::test]
async fn json_bombs_before_any_proof_cost_next_to_nothing() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        server.still_serves().await;
        let before = server.memory_bytes();
        let login = format!("POST {}", server.contract.auth("login"));
        let bomb = |open: &str, close: &str| {
            let n = 9_900_000 / (open.len() + close.len());
            format!("{{\"a\":[{}1{}]}}", open.repeat(n), close.repeat(n)).into_bytes()
        };
        let bombs = [bomb("[1],", ""), bomb("{\"\":1},", ""), bomb("1,", ""), bomb("[", "]")];
        let sending = bombs.map(|bomb| {
            let (address, login) = (server.address, login.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("a connection");
                let head = format!(
                    "{login} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                     transfer-encoding: chunked\r\n\r\n{:x}\r\n",
                    bomb.len()
                );
                // It may answer and close before it has taken everything.
                for part in [head.as_bytes(), &bomb, b"\r\n0\r\n\r\n"] {
                    let _ = stream.write_all(part).await;
                }
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
            })
        });
        for sending in sending {
            soon("the end of a bomb", sending).await.expect("sent");
        }
        server.still_serves().await;
        let grown = server.memory_bytes().saturating_sub(before);
        assert!(grown < 40_000_000, "grew by {grown} bytes");
    }
}

#[tokio::test]
async fn paths_are_matched_as_express_matches_them() {
    for contract in CONTRACTS {
        let server = Server::with(&[("SOCKEYE_CONTRACT", contract)]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let people = ann.get("/api/messages/users").await.expect(200);
        for path in ["/api/messages/users/", "/API/Messages/USERS", "/api/messages/users/?limit=10"] {
            assert_eq!(ann.get(path).await.expect(200), people, "{path}");
        }
        let id = bob.id.to_uppercase();
        for path in [format!("/api/messages/send/{}/", bob.id), format!("/api/Messages/Send/{id}")] {
            message(&server, ann.post(&path, json!({ "text": "x" })).await);
        }
        let history = ann.history(&bob).await;
        assert_eq!(history.len(), 2);
        assert_eq!(
            ann.get(&format!("/api/messages/{}/", bob.id)).await.expect(200).to_string().len(),
            ann.get(&format!("/API/messages/{id}")).await.expect(200).to_string().len()
        );
        let check = if server.contract == Contract::Direct { "check" } else { "check-auth" };
        ann.get(&format!("{}/", server.contract.auth(check)).to_uppercase()).await.expect(200);

        let head = ann.ask(Method::HEAD, "/api/messages/users/", None).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        for path in ["/api/messages/users//", "/api//messages/users", "/API/nothing/", "/api/messages/"] {
            let answer = ann.get(path).await;
            assert_eq!((answer.status, answer.body["message"].is_string()), (404, true), "{path}");
        }
        assert_eq!(ann.ask(Method::DELETE, "/api/messages/users/", None).await.status, 405);
        assert_eq!(
            ann.get("/Socket.IO/?EIO=4&transport=polling").await.status,
            StatusCode::NOT_FOUND.as_u16()
        );
    }
}

#[tokio::test]
async fn an_answer_ends_at_a_number_of_bytes_and_says_where_the_rest_is() {
    for contract in CONTRACTS {
        let server =
            Server::with(&[("SOCKEYE_CONTRACT", contract), ("SOCKEYE_ANSWER_BYTES_MAX", "20000")]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        for n in 0..10 {
            // In JSON, six bytes each.
            ann.send(&bob, &format!("{n}{}", "\u{1}".repeat(1_000))).await;
        }
        let page = bob.get(&format!("/api/messages/{}", ann.id)).await;
        assert!(page.text.len() < 30_000, "{} bytes", page.text.len());
        let link = page.headers.get("link").expect("a link").to_str().expect("ASCII").to_owned();
        let list = page.expect(200);
        let list = if server.contract == Contract::Direct { list } else { list["data"].clone() };
        let list = list.as_array().expect("a list");
        assert_eq!(list.len(), 4, "the one that reaches the bound is the last");
        assert!(list[3]["text"].as_str().expect("a text").starts_with('9'), "the latest are kept");
        let oldest = list[0]["_id"].as_str().expect("an id");
        assert_eq!(link, format!("<?before={oldest}>; rel=\"next\""));
        let whole = bob.whole_history(&ann).await;
        let firsts: String =
            whole.iter().map(|message| &message["text"].as_str().expect("a text")[..1]).collect();
        assert_eq!(firsts, "0123456789");
    }
}
