//! The tool against a small cluster over the real servers that SOCKEYE_TEST_KAFKA_BROKERS, SOCKEYE_TEST_MONGODB_URI
//! and SOCKEYE_TEST_REDIS_URL name (`scripts/services run`), with the binary SOCKEYE_BIN.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_cluster_takes_a_small_load_and_stores_all_of_it() {
    let (markdown, report) = run("pipeline", &["--senders", "5", "--messages", "200", "--in-flight", "8"]);
    for count in ["sent", "acknowledged", "received", "in_history"] {
        assert_eq!(report["traffic"][count], 200, "{count} in {report:#}");
    }
    assert!(report["stored"]["caught_up_seconds"].as_f64().is_some(), "{report:#}");
    assert!(report["stored"]["messages_per_second"].as_f64() > Some(0.0), "{report:#}");
    if report["stored"]["seen_through"] == "metrics" {
        assert!(report["stored"]["messages"].as_u64() >= Some(200), "{report:#}");
    }

    let processes = report["processes"].as_array().expect("processes");
    let of = |role: &str| processes.iter().filter(|one| one["role"] == role).collect::<Vec<_>>();
    let [first, second] = of("gateway")[..] else { panic!("two gateways: {report:#}") };
    assert_eq!(
        first["connections"].as_u64().zip(second["connections"].as_u64()),
        Some((12, 13)),
        "{report:#}"
    );
    assert_eq!(of("worker").len(), 1, "{report:#}");
    assert!(processes.iter().all(|one| one["rss_connected_kib"].as_u64() > Some(0)), "{report:#}");
    assert!(markdown.contains("| cluster | send, closed loop |"), "{markdown}");
}

#[test]
fn a_cluster_delivers_at_a_fixed_rate() {
    let (_, report) = run("latency", &["--senders", "4", "--rates", "50", "--seconds", "2"]);
    assert_eq!(report["traffic"]["received"], 100, "{report:#}");
    assert_eq!(report["traffic"]["delivery"]["count"], 100, "{report:#}");
}

#[test]
fn everybody_on_two_gateways_sees_everybody() {
    let (_, report) = run("idle", &["--seconds", "2"]);
    assert_eq!(report["connections"], 20);
}

/// 20 connections at two gateways; a run with an error fails the test.
fn run(scenario: &str, more: &[&str]) -> (String, Value) {
    let folder = tempfile::tempdir().expect("a folder for the report");
    let [json, markdown] = ["report.json", "report.md"].map(|file| folder.path().join(file));
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["compare", "--subjects", "cluster", "--connections", "20", "--settle-seconds", "0"])
        .args(["--scenarios", scenario, "--json"])
        .arg(&json)
        .arg("--markdown")
        .arg(&markdown)
        .args(more)
        .output()
        .expect("the tool starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    let read =
        |path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("no report ({error}): {errors}"));
    let report: Value = serde_json::from_str(&read(&json)).expect("the report is JSON");
    let report = &report["reports"][0];
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["errors"]["total"], 0, "{report:#}");
    (read(&markdown), report.clone())
}
