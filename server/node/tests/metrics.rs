//! `/metrics` says what was done, under the names that operators were told (docs/operating.md).

mod common;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use common::{Server, Transport, eventually};
use reqwest::Method;
use serde_json::json;

/// One scrape.
#[derive(Debug)]
struct Scrape {
    /// By name and labels, as written.
    series: BTreeMap<String, f64>,
    /// The type of every metric.
    types: BTreeMap<String, String>,
    helped: BTreeSet<String>,
}

impl Scrape {
    async fn of(server: &Server) -> Self {
        let answer = reqwest::get(server.url("/metrics")).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self::parse(&answer.text().await.expect("text"))
    }

    fn parse(text: &str) -> Self {
        let (mut series, mut types, mut helped) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                helped.insert(help.split(' ').next().expect("a name").to_owned());
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
            } else {
                let (name, value) = line.rsplit_once(' ').expect("a name and a value");
                let value = value.parse().expect("a number");
                assert!(series.insert(name.to_owned(), value).is_none(), "{name} is there twice");
            }
        }
        Self { series, types, helped }
    }

    /// The value of a series; 0 when it is not there.
    fn get(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    /// All series of a metric.
    fn of_metric(&self, name: &str) -> BTreeMap<&str, f64> {
        let of = |series: &str| series.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
        self.series.iter().filter(|(series, _)| of(series)).map(|(series, &v)| (series.as_str(), v)).collect()
    }

    /// Names of labels that a metric comes with, those of the format left out.
    fn labels(&self, name: &str) -> BTreeSet<&str> {
        let of = |series: &str| {
            let base = series.split('{').next().unwrap_or_default();
            let base =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| base.strip_suffix(end)).unwrap_or(base);
            base == name
        };
        let of_metric = self.series.keys().filter(|series| of(series));
        let labels = of_metric.filter_map(|series| series.split_once('{')).flat_map(|(_, labels)| {
            labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split('=').next())
        });
        labels.filter(|label| *label != "le").collect()
    }
}

/// Waits until the numbers are these.
async fn until(server: &Server, expected: &[(&str, f64)]) -> Scrape {
    let shown = RefCell::new(Vec::new());
    eventually("the numbers are as expected", || async {
        let scrape = Scrape::of(server).await;
        let wrong = expected.iter().filter(|(series, value)| scrape.get(series) != *value);
        let wrong: Vec<String> =
            wrong.map(|(series, value)| format!("{series} is {}, not {value}", scrape.get(series))).collect();
        if !wrong.is_empty() && *shown.borrow() != wrong {
            eprintln!("not yet: {wrong:#?}");
            shown.replace(wrong.clone());
        }
        wrong.is_empty().then_some(scrape)
    })
    .await
}

#[tokio::test]
async fn the_numbers_are_what_was_done() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    ann.log_in().await;
    let body = json!({ "email": ann.email, "password": "not hers" });
    assert_ne!(bob.post("/api/v1/auth/login", body).await.status, 200);
    let mut sender = ann.connect().await;
    let mut reader = bob.dial().over(Transport::Polling).connect().await.expect("let in");
    for text in ["one", "two", "three"] {
        sender.send(&bob.id, text).await;
    }
    reader.texts_until("three").await;
    sender.emit_ack("typing", &[json!(1)]).await;
    sender.emit_ack("another name", &[]).await;
    ann.send(&bob, "by request").await;
    reader.texts_until("by request").await;
    let refused = bob.with_token("x").dial().connect().await;
    assert!(refused.is_err());

    let scrape = until(
        &server,
        &[
            (r#"sockeye_events_received_total{event="sendMessage"}"#, 3.0),
            (r#"sockeye_events_received_total{event="other"}"#, 2.0),
            // Three to the reader, and one by REST, which the sender's own devices are not told.
            (r#"sockeye_events_sent_total{event="newMessage"}"#, 4.0),
            ("sockeye_ack_latency_seconds_count", 5.0),
            ("sockeye_append_latency_seconds_count", 4.0),
            ("sockeye_append_failures_total", 0.0),
            ("sockeye_delivery_latency_seconds_count", 4.0),
            ("sockeye_messages_stored_total", 4.0),
            ("sockeye_store_batch_size_sum", 4.0),
            ("sockeye_sign_in_failures_total", 1.0),
            // Two sign-ups, a log-in, a log-in that failed.
            ("sockeye_password_duration_seconds_count", 4.0),
            (r#"sockeye_connections{transport="websocket"}"#, 1.0),
            (r#"sockeye_connections{transport="polling"}"#, 1.0),
            ("sockeye_connections_total", 3.0),
            ("sockeye_users_online", 2.0),
            ("sockeye_store_lag_messages", 0.0),
            ("sockeye_delivery_lag_messages", 0.0),
            (r#"sockeye_port_up{port="log"}"#, 1.0),
            (r#"sockeye_port_up{port="store"}"#, 1.0),
            (r#"sockeye_port_up{port="bus"}"#, 1.0),
            (r#"sockeye_slow_clients_dropped_total{queue="device"}"#, 0.0),
            (
                r#"http_request_duration_seconds_count{method="POST",route="/api/v1/auth/signup",code="201"}"#,
                2.0,
            ),
            (r#"http_request_duration_seconds_count{method="POST",route="/api/v1/auth/login",code="200"}"#, 1.0),
            (
                r#"http_request_duration_seconds_count{method="POST",route="/api/messages/send/{id}",code="200"}"#,
                1.0,
            ),
        ],
    )
    .await;
    for bound in ["0.05", "0.1", "0.2", "0.5", "1", "2", "5", "+Inf"] {
        let bucket = format!(
            r#"http_request_duration_seconds_bucket{{method="POST",route="/api/v1/auth/signup",code="201",le="{bound}"}}"#
        );
        assert!(scrape.series.contains_key(&bucket), "{bucket}");
    }
    let sent = r#"http_response_size_bytes{method="POST",route="/api/v1/auth/signup",code="201"}"#;
    assert!(scrape.get(sent) > 100.0, "two answers with a user each: {}", scrape.get(sent));
    assert!(scrape.get("process_resident_memory_bytes") > 1e6);
    assert!(!scrape.series.keys().any(|series| series.contains("socket.io")), "{:?}", scrape.series);
}

#[tokio::test]
async fn ends_of_connections_are_counted_by_their_reason() {
    let server = Server::with(&[("SOCKEYE_LIMIT_EVENTS", "2/1h")]).await;
    let ann = server.person("ann").await;
    let (leaving, mut cut, polling) = (
        ann.connect().await,
        ann.connect().await,
        ann.dial().over(Transport::Polling).connect().await.expect("let in"),
    );
    let mut upgraded = ann.dial().over(Transport::Upgrade).connect().await.expect("let in");
    until(
        &server,
        &[
            (r#"sockeye_connections{transport="websocket"}"#, 3.0),
            (r#"sockeye_connections{transport="polling"}"#, 1.0),
            ("sockeye_connections_total", 4.0),
        ],
    )
    .await;
    leaving.disconnect();
    cut.cut();
    let again = ann.log_in().await;
    let mut logged_out = again.connect().await;
    again.log_out().await;
    logged_out.ended().await;
    let mut flooding = ann.connect().await;
    for _ in 0..2 + 2 * 10 + 1 {
        flooding.ask("sendMessage", &[json!({})]);
    }
    flooding.ended().await;
    polling.disconnect();
    until(
        &server,
        &[
            (r#"sockeye_disconnections_total{reason="log_in_over"}"#, 1.0),
            (r#"sockeye_disconnections_total{reason="flood"}"#, 1.0),
            (r#"sockeye_rate_limited_total{rule="events"}"#, 21.0),
            (r#"sockeye_connections{transport="websocket"}"#, 1.0),
            (r#"sockeye_connections{transport="polling"}"#, 0.0),
            ("sockeye_connections_total", 6.0),
        ],
    )
    .await;
    // Whether a connection was cut or left is what its socket says in time: both ended by their client's doing.
    eventually("the ends of three connections", || async {
        let scrape = Scrape::of(&server).await;
        let of = |reason| scrape.get(&format!("sockeye_disconnections_total{{reason=\"{reason}\"}}"));
        (of("client") + of("lost") == 3.0 && of("client") >= 1.0).then_some(())
    })
    .await;
    upgraded.emit_ack("typing", &[]).await;
}

#[tokio::test]
async fn whatever_is_asked_for_the_number_of_series_is_bounded() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    let mut client = ann.connect().await;
    let ask = async |round: usize, client: &mut common::Client| {
        for nth in 0..20 {
            let name = format!("x{round}-{nth}");
            for path in [
                format!("/{name}"),
                format!("/api/{name}"),
                format!("/api/messages/{name}"),
                format!("/media/{name}"),
                format!("/api/v1/auth/{name}?{name}={name}"),
            ] {
                ann.get(&path).await;
            }
            let method = Method::from_bytes(format!("M{round}X{nth}").as_bytes()).expect("a method");
            ann.ask(method, "/", None).await;
            client.emit_ack(&name, &[]).await;
        }
    };
    let received = r#"sockeye_events_received_total{event="other"}"#;
    ask(1, &mut client).await;
    let before = until(&server, &[(received, 20.0)]).await;
    ask(2, &mut client).await;
    let after = until(&server, &[(received, 40.0)]).await;
    let names = |scrape: &Scrape| scrape.series.keys().cloned().collect::<BTreeSet<_>>();
    // The scrape before was counted meanwhile.
    let of_scrapes = |series: &String| series.contains(r#"route="/metrics""#);
    let new: Vec<String> =
        names(&after).difference(&names(&before)).filter(|s| !of_scrapes(s)).cloned().collect();
    assert_eq!(new, Vec::<String>::new());
    let unmatched = after.of_metric("http_request_duration_seconds_count");
    assert!(unmatched.keys().any(|series| series.contains(r#"route="unmatched""#)), "{unmatched:?}");
    assert!(
        after.series.keys().all(|series| !series.contains("x1-")),
        "a path or an event's name is a label"
    );
}

#[tokio::test]
async fn scrapes_count_against_the_limit_and_health_does_not() {
    let server = Server::with(&[("SOCKEYE_LIMIT_REQUESTS", "3/1h")]).await;
    let status =
        async |path: &str| reqwest::get(server.url(path)).await.expect("an answer").status().as_u16();
    for expected in [200, 200, 200, 429, 429] {
        assert_eq!(status("/metrics").await, expected);
    }
    for _ in 0..5 {
        assert_eq!(status("/healthz").await, 200);
    }
}

/// A row of the operators' table.
#[derive(Debug)]
struct Row {
    kind: String,
    labels: BTreeSet<String>,
    of: String,
}

fn table() -> BTreeMap<String, Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md");
    let page = fs::read_to_string(path).expect("docs/operating.md");
    let rows = page.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let cells: Vec<&str> = rest.split('|').map(str::trim).collect();
        let [kind, labels, of, ..] = cells[..] else { return None };
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        Some((name.to_owned(), Row { kind: kind.to_owned(), labels, of: of.to_owned() }))
    });
    rows.filter(|(name, _)| name.starts_with("sockeye_") || name.starts_with("http_")).collect()
}

#[tokio::test]
async fn the_operators_table_is_what_a_process_exports() {
    let server = Server::start().await;
    let ann = server.person("ann").await;
    ann.get("/api/nothing").await;
    let scrape = until(&server, &[(r#"sockeye_port_up{port="bus"}"#, 1.0)]).await;
    let table = table();
    let exported = scrape.types.iter().filter(|(name, _)| !name.starts_with("process_"));
    for (name, kind) in exported.clone() {
        let row = table.get(name).unwrap_or_else(|| panic!("{name} is not in docs/operating.md"));
        assert_eq!(&row.kind, kind, "{name}");
        let labels: BTreeSet<&str> = row.labels.iter().map(String::as_str).collect();
        assert_eq!(scrape.labels(name), labels, "{name}");
        assert!(scrape.helped.contains(name), "{name} has no HELP");
    }
    let exported: BTreeSet<&String> = exported.map(|(name, _)| name).collect();
    // One process with everything in it has no server's adapter.
    let told = table.iter().filter(|(_, row)| ["gateway", "worker", "both"].contains(&row.of.as_str()));
    let missing: Vec<&String> = told.map(|(name, _)| name).filter(|name| !exported.contains(name)).collect();
    assert!(missing.is_empty(), "in docs/operating.md, but not exported: {missing:?}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md");
    let page = fs::read_to_string(page).expect("docs/operating.md");
    for name in scrape.types.keys().filter(|name| name.starts_with("process_")) {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/operating.md");
    }
}
