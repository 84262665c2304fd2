//! What a request may cost: the whole server, in the process of the test, whose allocator counts.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use sockeye::{
    app,
    config::{Config, Role, Settings},
    gateway::contract::Contract,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes at the most that the server has at once for each byte it is sent. Growing buffers count twice while they move.
const TIMES_MAX: usize = 4;
/// And beside that: the connection's buffers, whatever else the server does at the time.
const BESIDE_BYTES_MAX: usize = 1_500_000;
const SENT_BYTES: usize = 500_000;

/// Sends what costs most when it is built, to every route of the contract, from a person and from a stranger.
pub async fn every_route_costs_a_small_multiple_of_what_it_is_sent(contract: &dyn Contract) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let data = tempfile::tempdir().expect("a directory");
    let address = serve(contract.profile().name, &data.path().display().to_string()).await;
    let (id, cookie) = sign_up(address, contract).await;
    let bodies = bodies();
    let mut routes = contract.profile().routes.to_vec();
    // The person's session ends with these.
    let logs_out = |path: &str| path.contains("/logout");
    routes.sort_by_key(|(_, path)| logs_out(path));
    for (method, path) in routes {
        let path = path.replace("{id}", &id);
        for (shape, body) in &bodies {
            for cookie in [cookie.as_str(), ""] {
                let cost = Cost::begin();
                let (status, _) = ask(address, method, &path, cookie, body).await;
                cost.end(&format!("{method} {path} ({status}), {shape}"), body.len());
                // Everything is read as far as its route does.
                assert!(!matches!(status, 404 | 405 | 415), "{method} {path}: {status}");
                let proven = !cookie.is_empty() && !logs_out(&path);
                assert!(!proven || status != 401, "{method} {path}: {status}");
            }
        }
    }
    every_packet_of_a_stranger_does_too(address, &id).await;
}

/// Somebody's id is all that a stranger needs for a socket that waits for its proof.
async fn every_packet_of_a_stranger_does_too(address: SocketAddr, id: &str) {
    for (shape, value) in values() {
        let path = format!("/socket.io/?EIO=4&transport=polling&userId={id}");
        for packets in [
            &[format!("40{{\"a\":{value}}}")][..],
            &[format!("40{{\"token\":{value}}}")],
            &["40".to_owned(), format!("42[\"sendMessage\",{value}]")],
            &["40".to_owned(), format!("42[\"sendMessage\",{{\"text\":{value}}}]")],
        ] {
            let (status, opened) = ask(address, "GET", &path, "", b"").await;
            assert_eq!(status, 200, "{opened}");
            let sid = opened.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next());
            let path = format!("{path}&sid={}", sid.expect("a session id"));
            for packet in packets {
                let cost = Cost::begin();
                ask(address, "POST", &path, "", packet.as_bytes()).await;
                cost.end(&format!("{:.20}, {shape}", packet), packet.len());
            }
        }
    }
}

/// What memory the process takes from now on.
struct Cost {
    before: usize,
}

impl Cost {
    fn begin() -> Self {
        MEMORY.reset_peak_usage();
        Self { before: MEMORY.current_usage() }
    }

    fn end(self, what: &str, sent: usize) {
        let grown = MEMORY.peak_usage().saturating_sub(self.before);
        let bound = TIMES_MAX * sent + BESIDE_BYTES_MAX;
        assert!(grown <= bound, "{what}: {grown} bytes for {sent} sent");
    }
}

async fn serve(contract: &str, data_dir: &str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    drop(listener);
    let port = address.port().to_string();
    let config = Config::read(Settings::from_pairs([
        ("SOCKEYE_HOST", "127.0.0.1"),
        ("SERVER_PORT", port.as_str()),
        ("SOCKEYE_CONTRACT", contract),
        ("SOCKEYE_DATA_DIR", data_dir),
        ("SOCKEYE_LIMIT_REQUESTS", "off"),
        ("SOCKEYE_LIMIT_SIGN_IN", "off"),
        ("SALT_ROUNDS", "4"),
    ]));
    tokio::spawn(async move {
        let ended = app::run(config.expect("a configuration"), Role::All).await;
        panic!("the server ended: {ended:?}");
    });
    let ready = format!("http://{address}/readyz");
    loop {
        if reqwest::get(&ready).await.is_ok_and(|answer| answer.status() == 200) {
            return address;
        }
        tokio::task::yield_now().await;
    }
}

/// The id and the cookie.
async fn sign_up(address: SocketAddr, contract: &dyn Contract) -> (String, String) {
    let route = contract.profile().routes.iter().find(|(_, path)| path.ends_with("/signup"));
    let (_, path) = route.expect("a sign-up");
    let body =
        json!({ "fullName": "ann", "full_name": "ann", "email": "ann@example.org", "password": "secret1" });
    let answer = reqwest::Client::new().post(format!("http://{address}{path}")).json(&body).send().await;
    let answer = answer.expect("an answer");
    let cookie = answer.headers()["set-cookie"].to_str().expect("ASCII");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let body: Value = answer.json().await.expect("JSON");
    let id = body["_id"].as_str().or_else(|| body["user"]["_id"].as_str()).expect("an id");
    (id.to_owned(), cookie)
}

/// By shape: in a field that nobody reads, and in every one that some route does.
fn bodies() -> Vec<(String, Vec<u8>)> {
    const KEYS: [&str; 9] =
        ["x", "email", "password", "fullName", "full_name", "profilePic", "profile_picture", "text", "image"];
    let in_fields = KEYS.iter().flat_map(|key| {
        values().into_iter().map(move |(shape, value)| {
            (format!("{shape} in `{key}`"), format!("{{\"{key}\":{value}}}").into_bytes())
        })
    });
    let keys = ("keys".to_owned(), format!("{{{}\"\":1}}", repeat("\"\":1,")).into_bytes());
    let known_keys =
        ("one key".to_owned(), format!("{{{}\"text\":\"\"}}", repeat("\"text\":\"\",")).into_bytes());
    in_fields.chain([keys, known_keys]).collect()
}

fn repeat(part: &str) -> String {
    part.repeat(SENT_BYTES / part.len())
}

/// What costs most when it is built, by its shape.
fn values() -> [(&'static str, String); 11] {
    let list = |part: &str| format!("[{}1]", repeat(part));
    [
        ("numbers", list("1,")),
        ("texts", list("\"\",")),
        ("lists", list("[1],")),
        ("objects", list("{\"\":1},")),
        ("nested lists", format!("{}{}", "[".repeat(SENT_BYTES / 2), "]".repeat(SENT_BYTES / 2))),
        ("nested objects", format!("{}1{}", "{\"a\":".repeat(SENT_BYTES / 6), "}".repeat(SENT_BYTES / 6))),
        ("a text", format!("\"{}\"", repeat("x"))),
        ("escapes", format!("\"{}\"", repeat("\\u0001"))),
        ("half an emoji", format!("\"{}\"", repeat("\\ud83d"))),
        ("a number", repeat("1")),
        ("a picture", format!("\"data:image/png;base64,iVBORw0KGgo{}\"", repeat("AAAA"))),
    ]
}

/// The status, and the beginning of the answer. Itself takes no memory to speak of.
async fn ask(address: SocketAddr, method: &str, path: &str, cookie: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n", body.len());
    // The length is not said, so that it is read as far as it may be. An empty chunk is the end.
    let body = [chunk.as_bytes(), body, b"\r\n", b"0\r\n\r\n"];
    let body = if chunk.starts_with('0') { &body[3..] } else { &body[..] };
    let mut answer = [0; 4096];
    let mut len = 0;
    let (mut reader, mut writer) = stream.split();
    let send = async {
        for part in std::iter::once(&head.as_bytes()).chain(body) {
            // It may have answered, and want no more.
            if writer.write_all(part).await.is_err() {
                return;
            }
        }
    };
    let receive = async {
        while len < answer.len() {
            match reader.read(&mut answer[len..]).await {
                Ok(0) | Err(_) => return,
                Ok(more) => len += more,
            }
        }
    };
    tokio::join!(send, receive);
    let answer = String::from_utf8_lossy(&answer[..len]).into_owned();
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    (status.unwrap_or_else(|| panic!("{method} {path}: no answer")), answer)
}
