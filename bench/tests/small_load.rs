//! The tool end to end: a small load against the Node peer, against the peer with planted faults, and against the
//! server named by SOCKEYE_BIN.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Once;

use serde_json::Value;

const PEER_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer");

#[test]
fn the_peer_takes_a_small_load_without_an_error() {
    install_peer();
    let (output, report) = small_load(&["--subjects", "peer", "--in-flight", "8"]);
    assert_clean(&output, &report);
}

#[test]
fn the_server_takes_a_small_load_without_an_error() {
    #[expect(clippy::disallowed_methods, reason = "which binary to test is this test's only setting")]
    let Ok(binary) = std::env::var("SOCKEYE_BIN") else {
        eprintln!("SOCKEYE_BIN is not set: only the peer is measured");
        return;
    };
    let (output, report) =
        small_load(&["--subjects", "embedded", "--sockeye-bin", &binary, "--in-flight", "8"]);
    assert_clean(&output, &report);
}

#[test]
fn idle_connections_are_held_without_an_error() {
    install_peer();
    let (output, report) = run("idle", &["--subjects", "peer", "--seconds", "1"]);
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["reports"][0]["connections"], 20);
}

#[test]
fn every_planted_fault_is_caught() {
    install_peer();
    let faults = [
        ("pipeline", "lose", "missing"),
        ("pipeline", "double", "doubled"),
        ("pipeline", "reorder", "reordered"),
        ("pipeline", "forget", "not stored"),
        ("idle", "hide", "presence wrong"),
    ];
    for (scenario, fault, kind) in faults {
        let fault = format!("PEER_FAULT={fault}");
        let more = ["--subjects", "peer", "--peer-env", &fault, "--in-flight", "4"];
        let (output, report) = run(
            scenario,
            &[&more[..], &["--drain-seconds", "2", "--store-seconds", "2", "--seconds", "2"]].concat(),
        );
        assert!(!output.status.success(), "{fault} must fail the run");
        let count = &report["reports"][0]["errors"]["by_kind"][kind];
        assert!(count.as_u64() >= Some(1), "{fault} must be told as {kind}: {report:#}");
    }
}

fn small_load(more: &[&str]) -> (Output, Value) {
    run("pipeline", more)
}

/// 20 connections; with 5 senders and 200 messages, if the scenario sends.
fn run(scenario: &str, more: &[&str]) -> (Output, Value) {
    let folder = tempfile::tempdir().expect("a folder for the report");
    let json = folder.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args([
            "compare",
            "--scenarios",
            scenario,
            "--connections",
            "20",
            "--senders",
            "5",
            "--messages",
            "200",
        ])
        .args(["--settle-seconds", "0", "--peer-dir", PEER_DIR, "--json"])
        .arg(&json)
        .args(more)
        .output()
        .expect("the tool starts");
    let text = std::fs::read_to_string(&json)
        .unwrap_or_else(|error| panic!("no report ({error}): {}", String::from_utf8_lossy(&output.stderr)));
    (output, serde_json::from_str(&text).expect("the report is JSON"))
}

fn assert_clean(output: &Output, report: &Value) {
    let report = &report["reports"][0];
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["errors"]["total"], 0, "{report:#}");
    for count in ["sent", "acknowledged", "received", "in_history"] {
        assert_eq!(report["traffic"][count], 200, "{count} in {report:#}");
    }
    assert_eq!(report["connections"], 25);
    assert!(report["server"]["rss_connected_kib"].as_u64() > Some(0), "{report:#}");
}

fn install_peer() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if Path::new(PEER_DIR).join("node_modules").exists() {
            return;
        }
        let installed =
            Command::new("npm").args(["ci", "--no-fund", "--no-audit"]).current_dir(PEER_DIR).output();
        let installed = installed.expect("npm is installed");
        assert!(installed.status.success(), "npm ci: {}", String::from_utf8_lossy(&installed.stderr));
    });
}
