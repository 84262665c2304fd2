//! Connections: whoever does not finish what it began is shown out, whoever comes slowly but surely is served, and those
//! inside are answered whatever is going on outside.

mod common;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    time::Duration,
};

use common::{PNG, Person, Server, embedded_only, eventually, soon};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// All that a peer may keep waiting for, shortened.
const IMPATIENT: [(&str, &str); 4] = [
    ("SOCKEYE_HTTP_HEAD_TIMEOUT_MS", "300"),
    ("SOCKEYE_HTTP_IDLE_TIMEOUT_MS", "600"),
    ("SOCKEYE_HTTP_BODY_STALL_MS", "300"),
    ("SOCKEYE_WRITE_STALL_MS", "300"),
];

async fn connect(address: SocketAddr) -> TcpStream {
    soon("a connection", TcpStream::connect(address)).await.expect("a connection")
}

/// Everything that comes until the other side closes.
async fn until_closed(what: &str, stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    soon(&format!("{what}: is closed"), async {
        // Reset is closed, too.
        let _ = stream.read_to_end(&mut all).await;
    })
    .await;
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads one answer of a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    soon("an answer", async {
        loop {
            let text = String::from_utf8_lossy(&all).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let len = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                if body.len() >= len.and_then(|len| len.parse().ok()).unwrap_or(0) {
                    return text;
                }
            }
            assert_ne!(stream.read_buf(&mut all).await.expect("readable"), 0, "closed early: {text}");
        }
    })
    .await
}

#[tokio::test]
async fn every_connection_that_never_finishes_is_closed() {
    let server = Server::with(&IMPATIENT).await;
    let endless_head = [b"GET / HTTP/1.1\r\nHost: x\r\nX: ".as_slice(), &[b'x'; 300_000]].concat();
    let login = server.contract.auth("login");
    let post = |path: &str, rest: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\n{rest}").into_bytes();
    let whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let shapes: Vec<(&str, Vec<u8>)> = vec![
        ("nothing sent", vec![]),
        ("half a request line", b"GET /hea".to_vec()),
        ("empty lines", b"\r\n\r\n".to_vec()),
        ("half a head", b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec()),
        ("300 kB of head", endless_head),
        ("an idle connection", whole.to_vec()),
        ("half of the next head", [whole.as_slice(), b"GET / HTTP/1.1\r\nHo"].concat()),
        ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("half of HTTP/2's preface", b"PRI * HTTP/2.0\r\n".to_vec()),
        ("a body that never begins", post(&login, "Content-Length: 100\r\n\r\n")),
        ("a body that stops", post(&login, "Content-Length: 100\r\n\r\n{")),
        ("a chunked body without an end", post(&login, "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n")),
        ("half a chunk", post(&login, "Transfer-Encoding: chunked\r\n\r\nff\r\n{\"a\":")),
        ("trailers without an end", post(&login, "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ")),
        ("a body for nobody", post("/api/nothing", "Content-Length: 100\r\n\r\n{")),
        (
            "a body for a session that is not",
            post("/socket.io/?EIO=4&transport=polling&sid=x", "Content-Length: 9\r\n\r\n4"),
        ),
        (
            "a body where none belongs",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1".to_vec(),
        ),
    ];
    let mut open = Vec::new();
    for (what, bytes) in &shapes {
        for address in [server.address, server.nodes[0].ops] {
            let mut stream = connect(address).await;
            // The server may close before it has taken everything.
            let _ = stream.write_all(bytes).await;
            open.push((*what, stream));
        }
    }
    for (what, stream) in &mut open {
        let said = until_closed(what, stream).await;
        assert!(!said.starts_with("HTTP/2") && !said.starts_with('\0'), "{what}: {said:?}");
    }
    server.still_serves().await;
    let metrics =
        reqwest::get(server.ops_url("/metrics")).await.expect("an answer").text().await.expect("text");
    for series in [
        r#"sockeye_http_connections_cut_total{port="clients",reason="head"}"#,
        r#"sockeye_http_connections_cut_total{port="ops",reason="head"}"#,
    ] {
        // Nothing, half a line, empty lines, half a head; hyper itself ends some of the others.
        assert!(number(&metrics, series) >= 4.0, "{series}\n{metrics}");
    }
}

fn number(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("{series} is not in\n{metrics}"))
}

async fn metric(server: &Server, series: &str) -> f64 {
    let text = reqwest::get(server.ops_url("/metrics")).await.expect("an answer").text().await.expect("text");
    number(&text, series)
}

#[tokio::test]
async fn a_head_has_64_kib_and_more_is_said_to_be_too_large() {
    let server = Server::start().await;
    let request = |len: usize| {
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(len))
    };
    for (len, status) in [(60_000, "HTTP/1.1 200"), (70_000, "HTTP/1.1 431")] {
        let mut stream = connect(server.address).await;
        let _ = stream.write_all(request(len).as_bytes()).await;
        let said = until_closed("a large head", &mut stream).await;
        assert!(said.starts_with(status), "{len}: {said}");
    }
}

#[tokio::test]
async fn a_connection_in_use_is_not_closed_however_long_it_lives() {
    let server = Server::with(&IMPATIENT).await;
    let mut stream = connect(server.address).await;
    // Longer, together, than any of the time-outs.
    for _ in 0..12 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("still open");
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // A poll and a WebSocket with nothing to say, too.
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut polling = ann.dial().over(common::Transport::Polling).connect().await.expect("let in");
    let mut socket = bob.connect().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    polling.send(&bob.id, "over the poll").await;
    socket.send(&ann.id, "over the socket").await;
    assert_eq!(socket.texts_until("over the poll").await.last().map(String::as_str), Some("over the poll"));
    assert_eq!(
        polling.texts_until("over the socket").await.last().map(String::as_str),
        Some("over the socket")
    );
}

#[tokio::test]
async fn half_heads_that_use_up_all_connections_do_not_stop_health_checks_nor_others_for_long() {
    if embedded_only("how many descriptors other servers' clients take is theirs") {
        return;
    }
    let mut server = Server::prepared(&[("SOCKEYE_HTTP_HEAD_TIMEOUT_MS", "5000")]);
    server.nodes[0].ulimit = Some("-n 256");
    server.run().await;
    let mut half = Vec::new();
    for _ in 0..320 {
        let mut stream = connect(server.address).await;
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await;
        half.push(stream);
    }
    let refused = r#"sockeye_http_connections_refused_total{port="clients",reason="full"}"#;
    eventually("the bound is reached", || async { (metric(&server, refused).await > 0.0).then_some(()) })
        .await;
    assert_eq!(metric(&server, r#"sockeye_http_connections{port="clients"}"#).await, 128.0, "half of 256");
    // No connection is reused: each of these is a new one.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    for _ in 0..20 {
        let health = http.get(server.url("/healthz")).send().await.expect("an answer");
        assert_eq!(health.status(), 200);
        assert_eq!(health.headers()["connection"], "close");
    }
    let refused = http.get(server.url("/")).send().await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!(body["code"], "too_many_connections");
    assert!(body["message"].is_string());
    assert_eq!(http.get(server.ops_url("/readyz")).send().await.expect("an answer").status(), 200);
    assert!(server.command("healthcheck", &[]).await.status.success());
    let log = server.log();
    assert_eq!(log.matches("connections are refused").count(), 1, "one line, not one each:\n{log}");
    for stream in &mut half {
        until_closed("half a head", stream).await;
    }
    server.still_serves().await;
}

#[tokio::test]
async fn an_address_has_its_share_of_connections_unless_it_is_a_proxy() {
    let direct = [
        ("NODE_ENV", "production"),
        ("JWT_SECRET", "kT9v-2nQx7LmZpR4-and-more-than-32-bytes"),
        ("SOCKEYE_TRUST_PROXY_HOPS", "0"),
        ("SOCKEYE_HTTP_CONNECTIONS_PER_ADDRESS_MAX", "3"),
    ];
    let proxied = [direct[0], direct[1], ("SOCKEYE_TRUST_PROXY_HOPS", "1"), direct[3]];
    for (settings, fourth) in [(direct, "HTTP/1.1 503"), (proxied, "HTTP/1.1 200")] {
        let server = Server::with(&settings).await;
        let mut open = Vec::new();
        for nth in 0..4 {
            let mut stream = connect(server.address).await;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
            let said = answer(&mut stream).await;
            assert!(said.starts_with(if nth < 3 { "HTTP/1.1 200" } else { fourth }), "{said}");
            open.push(stream);
        }
        drop(open);
        eventually("the connections are given back", || async {
            let mut stream = connect(server.address).await;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.ok()?;
            answer(&mut stream).await.starts_with("HTTP/1.1 200").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let mut server = Server::prepared(&[]);
    server.nodes[0].ulimit = Some("-Sn 256");
    server.run().await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.nodes[0].id())).expect("Linux tells");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let [soft, hard] = line.split_whitespace().take(2).collect::<Vec<_>>()[..] else { panic!("{line}") };
    assert_eq!(soft, hard);
    assert_ne!(soft, "256");
}

#[tokio::test]
async fn a_large_picture_arrives_over_a_slow_line() {
    let server = Server::with(&[
        ("SOCKEYE_CONTRACT", "direct"),
        ("SOCKEYE_REQUEST_TIMEOUT_MS", "500"),
        ("SOCKEYE_HTTP_BODY_STALL_MS", "400"),
    ])
    .await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let body = json!({ "text": "look", "image": large_png(2_000_000) }).to_string();
    let mut stream = connect(server.address).await;
    stream.write_all(head(&ann, &bob, body.len()).as_bytes()).await.expect("written");
    // Two seconds: four times what a request may take otherwise.
    for part in body.as_bytes().chunks(body.len() / 40) {
        stream.write_all(part).await.expect("still taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let said = answer(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 201"), "{said}");
    assert_eq!(bob.history(&ann).await.len(), 1);
}

#[tokio::test]
async fn a_body_that_drips_is_ended_and_told_why() {
    let server = Server::with(&[("SOCKEYE_HTTP_BODY_STALL_MS", "400")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut stream = connect(server.address).await;
    stream.write_all(head(&ann, &bob, 1_000).as_bytes()).await.expect("written");
    let (mut reader, mut writer) = stream.split();
    let mut said = String::new();
    tokio::select! {
        // 100 bytes a second.
        () = async {
            loop {
                let _ = writer.write_all(b" ").await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } => {}
        read = soon("the end", reader.read_to_string(&mut said)) => drop(read),
    }
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert!(said.contains(r#""code":"body_too_slow""#), "{said}");
    assert_eq!(bob.history(&ann).await.len(), 0);
}

fn head(from: &Person, to: &Person, len: usize) -> String {
    format!(
        "POST /api/messages/send/{} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nCookie: {}\r\n\
         Content-Length: {len}\r\n\r\n",
        to.id,
        from.cookie()
    )
}

/// The picture of one pixel with `len` bytes behind its end.
fn large_png(len: usize) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let (kind, small) = PNG.split_once(',').expect("a data URL");
    let mut bytes = STANDARD.decode(small).expect("base64");
    // What follows the end of a picture is not kept: its data itself is large.
    let data = bytes.windows(4).position(|name| name == b"IDAT").expect("data") - 4;
    let (data_len, frame_len) = (u32::try_from(len).expect("a length"), 12);
    bytes.splice(data.., data_len.to_be_bytes());
    bytes.extend(b"IDAT");
    bytes.resize(data + frame_len + len, 0);
    bytes.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    format!("{kind},{}", STANDARD.encode(bytes))
}

#[tokio::test]
async fn readers_who_take_nothing_are_cut_off_and_their_memory_is_given_back() {
    const READERS: usize = 10;
    let server = Server::with(&IMPATIENT).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    // A control character is six bytes of JSON.
    for _ in 0..40 {
        ann.send(&bob, &"\u{1}".repeat(10_000)).await;
    }
    let body = json!({ "text": "look", "image": large_png(4_900_000) });
    let sent = ann.post(&format!("/api/messages/send/{}", bob.id), body).await.expect(200);
    let picture = sent["data"]["image"].as_str().expect("a picture");
    let picture = &picture[picture.find("/media/").expect("kept here")..];
    let before = server.memory_bytes();
    let cut = r#"sockeye_http_connections_cut_total{port="clients",reason="stall"}"#;
    let open = r#"sockeye_http_connections{port="clients"}"#;
    let open_before = metric(&server, open).await;
    let mut expected = metric(&server, cut).await;
    for path in [format!("/api/messages/{}", ann.id), picture.to_owned()] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", bob.cookie());
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_recv_buffer_size(4_096).expect("a small buffer");
            let mut stream = socket.connect(server.address).await.expect("a connection");
            // More than the system's buffers hold, whatever the bound of one answer is.
            stream.write_all(request.repeat(20).as_bytes()).await.expect("written");
            readers.push(stream);
        }
        expected += READERS as f64;
        eventually("the readers are cut off", || async {
            (metric(&server, cut).await >= expected).then_some(())
        })
        .await;
        eventually("the connections are given back", || async {
            (metric(&server, open).await <= open_before).then_some(())
        })
        .await;
        drop(readers);
    }
    let after = server.memory_bytes();
    assert!(after < before + 100_000_000, "{before} before, {after} after");
    server.still_serves().await;
}

#[tokio::test]
async fn pictures_and_files_count_against_a_limit_of_their_own() {
    let server = Server::with(&[("SOCKEYE_LIMIT_FILES", "3/1h")]).await;
    let ann = server.person("ann").await;
    let account =
        ann.put(&ann.contract.auth("update-profile"), json!({ "profile_picture": PNG })).await.expect(200);
    let account = account.to_string();
    let picture = &account[account.find("/media/").expect("kept here")..];
    let picture = &picture[..picture.find('"').expect("an end")];
    let mut statuses = Vec::new();
    for path in [picture, "/", "/media/x", picture, "/index.html"] {
        statuses.push(ann.get(path).await.status);
    }
    assert_eq!(statuses, [200, 200, 404, 429, 429]);
    ann.get(&ann.contract.auth("check-auth")).await.expect(200);
    assert_eq!(ann.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn readiness_and_metrics_are_for_those_inside() {
    let status = async |url: String, forwarded: bool| {
        let mut request = reqwest::Client::new().get(url);
        if forwarded {
            request = request.header("x-forwarded-for", "203.0.113.1");
        }
        request.send().await.expect("an answer").status().as_u16()
    };
    let production = ("NODE_ENV", "production");
    let secret = ("JWT_SECRET", "kT9v-2nQx7LmZpR4-and-more-than-32-bytes");
    let public = ("SOCKEYE_METRICS_PUBLIC", "on");
    for (settings, direct, forwarded) in [
        (vec![], 200, 404),
        (vec![production, secret], 404, 404),
        (vec![public], 200, 200),
        (vec![production, secret, public], 200, 200),
    ] {
        let server = Server::with(&settings).await;
        for path in ["/metrics", "/readyz"] {
            assert_eq!(status(server.ops_url(path), false).await, 200, "{settings:?} {path}");
            assert_eq!(status(server.url(path), false).await, direct, "{settings:?} {path}");
            assert_eq!(status(server.url(path), true).await, forwarded, "{settings:?} {path}, forwarded");
        }
        for url in [server.url("/healthz"), server.ops_url("/healthz")] {
            assert_eq!(status(url, true).await, 200, "{settings:?}");
        }
    }
}

#[tokio::test]
async fn it_listens_on_both_kinds_of_address_and_on_names() {
    if embedded_only("one process is enough to see where it listens") {
        return;
    }
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let here = |address: &IpAddr| std::net::TcpListener::bind((*address, 0)).is_ok();
    let both: Vec<IpAddr> = loopback.into_iter().filter(here).collect();
    let named = ("localhost", 0).to_socket_addrs().expect("every machine has it");
    let named: Vec<IpAddr> = named.map(|address| address.ip()).filter(here).collect();
    for (host, log_says, addresses) in [
        (None, "http://localhost:", both.clone()),
        (Some("localhost"), "http://", named),
        (Some("::"), "http://localhost:", both),
    ] {
        let mut server = Server::prepared(&[("SERVER_PORT", "0"), ("SOCKEYE_OPS_PORT", "0")]);
        server.nodes[0].set("SOCKEYE_HOST", host);
        server.nodes[0].spawn();
        let port = eventually("it listens", || async {
            let log = server.log();
            let line = log.lines().find(|line| line.contains("\"listening\""))?;
            let url = line.split("\"url\":\"").nth(1)?.split('"').next()?.to_owned();
            assert!(url.starts_with(log_says), "{url}");
            url.rsplit(':').next()?.parse::<u16>().ok()
        })
        .await;
        for address in addresses {
            let health = reqwest::get(format!("http://{}/healthz", SocketAddr::new(address, port))).await;
            let health = health.unwrap_or_else(|error| panic!("{host:?} {address}: {error}"));
            assert_eq!(health.status(), 200, "{host:?} {address}");
        }
        let port = port.to_string();
        let check =
            server.command("healthcheck", &[("SERVER_PORT", Some(&port)), ("SOCKEYE_HOST", host)]).await;
        assert!(check.status.success(), "{host:?}: {}", check.said);
        server.sigterm();
        assert!(server.end().await.status.success());
    }
    let exit = Server::prepared(&[("SOCKEYE_HOST", "no such host")]).run_to_end().await;
    assert_eq!(exit.status.code(), Some(2), "{}", exit.said);
    assert!(exit.said.contains("SOCKEYE_HOST"), "{}", exit.said);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_heads_that_never_end() {
    let mut server = Server::start().await;
    let mut open = Vec::new();
    for bytes in [&b""[..], b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = connect(server.address).await;
        stream.write_all(bytes).await.expect("written");
        open.push(stream);
    }
    answer(&mut open[2]).await;
    server.sigterm();
    let exit = server.end().await;
    assert!(exit.status.success(), "{exit:?}");
}
