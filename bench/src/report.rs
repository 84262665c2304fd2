//! What a scenario found, as JSON and for people.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::args::Load;
use crate::errors::{Failure, Tally};
use crate::gauge::{Usage, exact};
use crate::latency::Percentiles;
use crate::ledger::{Conversation, Counts};
use crate::machine::Machine;

/// One scenario against one server.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) subject: String,
    pub(crate) scenario: &'static str,
    pub(crate) load: Load,
    pub(crate) connections: usize,
    pub(crate) connecting_seconds: f64,
    /// From opening TCP to the accepted CONNECT, while the others connect too.
    pub(crate) handshakes: Option<Percentiles>,
    pub(crate) pings: u64,
    pub(crate) presence_lists: u64,
    pub(crate) presence_bytes: u64,
    pub(crate) server: Option<Usage>,
    /// What the tool itself used during the load: it shares the machine.
    pub(crate) tool_cpu_seconds: f64,
    pub(crate) traffic: Option<Traffic>,
    pub(crate) errors: Tally,
}

/// The messages of a scenario. Latencies count from the intended sending time.
#[derive(Debug, Serialize)]
pub(crate) struct Traffic {
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) sending_seconds: f64,
    /// Acknowledged messages by the time from the first intended sending to the last acknowledgement.
    pub(crate) acks_per_second: f64,
    pub(crate) ack: Option<Percentiles>,
    pub(crate) delivery: Option<Percentiles>,
    /// How late the tool itself began to write: part of the two above.
    pub(crate) tool_delay: Option<Percentiles>,
}

impl Traffic {
    pub(crate) fn new(conversations: &[Conversation], counts: Counts, sending: Duration) -> Self {
        let (mut ack, mut delivery, mut tool_delay) = (Vec::new(), Vec::new(), Vec::new());
        let (mut first_us, mut last_us) = (u64::MAX, 0);
        for conversation in conversations {
            let since = |seq: u32, at_us: u64| {
                let intended_us = conversation.sent.get(seq as usize)?.intended_us;
                Some(at_us.saturating_sub(intended_us))
            };
            ack.extend(conversation.acks.iter().filter_map(|ack| since(ack.seq, ack.at_us)));
            delivery
                .extend(conversation.receipts.iter().filter_map(|receipt| since(receipt.seq, receipt.at_us)));
            tool_delay.extend(
                conversation.sent.iter().map(|sent| sent.started_us.saturating_sub(sent.intended_us)),
            );
            first_us = conversation.sent.iter().map(|sent| sent.intended_us).fold(first_us, u64::min);
            last_us = conversation.acks.iter().map(|ack| ack.at_us).fold(last_us, u64::max);
        }
        let span = Duration::from_micros(last_us.saturating_sub(first_us)).as_secs_f64();
        Self {
            counts,
            sending_seconds: sending.as_secs_f64(),
            acks_per_second: if span > 0.0 { exact(counts.acknowledged) / span } else { 0.0 },
            ack: Percentiles::of(ack),
            delivery: Percentiles::of(delivery),
            tool_delay: Percentiles::of(tool_delay),
        }
    }
}

impl Report {
    pub(crate) fn is_clean(&self) -> bool {
        self.errors.total == 0
    }
}

/// Writes machine and reports as one JSON object.
pub(crate) fn write_json(path: &Path, machine: &Machine, reports: &[Report]) -> Result<(), Failure> {
    let report = serde_json::json!({ "machine": machine, "reports": reports });
    fs::write(path, format!("{report:#}\n")).map_err(Failure::io(format!("writing {}", path.display())))
}

/// Machine and reports in words.
pub(crate) fn human(machine: &Machine, reports: &[Report]) -> String {
    let mut text = String::new();
    let written = write_machine(&mut text, machine)
        .and_then(|()| reports.iter().try_for_each(|report| write_report(&mut text, report)))
        .and_then(|()| write_summary(&mut text, reports));
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    text
}

fn write_machine(to: &mut String, machine: &Machine) -> std::fmt::Result {
    let Machine { cores, cpu, memory_gib, kernel, rustc, node, fdatasync, tool_profile } = machine;
    writeln!(to, "machine    {cores} cores ({cpu}), {memory_gib} GiB, Linux {kernel}")?;
    writeln!(to, "           {rustc}; node {node}; load tool: {tool_profile} build, on the same cores")?;
    match fdatasync {
        Some(Percentiles { p50_ms, p90_ms, .. }) => {
            writeln!(to, "           append + fdatasync of 200 bytes: p50 {p50_ms:.2}  p90 {p90_ms:.2} ms")
        }
        None => Ok(()),
    }
}

fn write_report(to: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(to, "\n{} · {}", report.subject, report.scenario)?;
    write!(to, "  connected  {} in {:.1} s", report.connections, report.connecting_seconds)?;
    writeln!(
        to,
        "; {} pings, {} presence lists ({} KiB)",
        report.pings,
        report.presence_lists,
        report.presence_bytes / 1024
    )?;
    write_percentiles(to, "handshake", report.handshakes.as_ref())?;
    if let Some(traffic) = &report.traffic {
        let Counts { sent, acknowledged, received, in_history } = traffic.counts;
        writeln!(
            to,
            "  messages   {sent} sent, {acknowledged} acknowledged, {received} received, {in_history} in history"
        )?;
        writeln!(
            to,
            "  rate       {:.0} acks/s over {:.1} s",
            traffic.acks_per_second, traffic.sending_seconds
        )?;
        write_percentiles(to, "ack", traffic.ack.as_ref())?;
        write_percentiles(to, "delivery", traffic.delivery.as_ref())?;
        write_percentiles(to, "tool delay", traffic.tool_delay.as_ref())?;
    }
    if let Some(usage) = &report.server {
        write_usage(to, usage, report.traffic.is_none())?;
    }
    writeln!(to, "  tool       {:.2} CPU s during the load", report.tool_cpu_seconds)?;
    writeln!(to, "  errors     {}", report.errors.total)?;
    for (kind, count) in &report.errors.by_kind {
        let example = report.errors.examples.get(kind).map_or("", String::as_str);
        writeln!(to, "             {count} × {kind}, e.g. {example}")?;
    }
    Ok(())
}

fn write_percentiles(to: &mut String, name: &str, of: Option<&Percentiles>) -> std::fmt::Result {
    let Some(Percentiles { p50_ms, p90_ms, p99_ms, p999_ms, max_ms, .. }) = of else { return Ok(()) };
    writeln!(
        to,
        "  {name:<10} p50 {p50_ms:.2}  p90 {p90_ms:.2}  p99 {p99_ms:.2}  p99.9 {p999_ms:.2}  max {max_ms:.2} ms"
    )
}

fn write_usage(to: &mut String, usage: &Usage, idle: bool) -> std::fmt::Result {
    let mib = |kib: u64| exact(kib) / 1024.0;
    writeln!(
        to,
        "  memory     start {:.1}, users {:.1}, connected {:.1}, loaded {:.1}, after {:.1}, peak {:.1} MiB RSS",
        mib(usage.rss_start_kib),
        mib(usage.rss_before_kib),
        mib(usage.rss_connected_kib),
        mib(usage.rss_loaded_kib),
        mib(usage.rss_after_kib),
        mib(usage.rss_peak_kib)
    )?;
    write!(to, "             {:.1} KiB per connection", usage.rss_per_connection_kib)?;
    match idle {
        true => writeln!(to, " when connected, {:.1} at the end", usage.rss_per_connection_loaded_kib)?,
        false => writeln!(to)?,
    }
    write!(
        to,
        "  server     {:.2} CPU s connecting, {:.2} CPU s load",
        usage.connecting_cpu_seconds, usage.load_cpu_seconds
    )?;
    match usage.messages_per_cpu_second {
        Some(per_second) => writeln!(to, ", {per_second:.0} messages per CPU second"),
        None => writeln!(to),
    }
}

/// One line a scenario, for the eye and for notes.
fn write_summary(to: &mut String, reports: &[Report]) -> std::fmt::Result {
    if reports.len() < 2 {
        return Ok(());
    }
    writeln!(
        to,
        "\n{:<9} {:<18} {:>7} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>7}",
        "server",
        "scenario",
        "acks/s",
        "ack p50",
        "ack p99",
        "del p50",
        "del p99",
        "KiB/conn",
        "msg/CPUs",
        "errors"
    )?;
    for report in reports {
        let traffic = report.traffic.as_ref();
        let ms = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2}"));
        let whole = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |count| format!("{count:.0}"));
        let (ack, delivery) =
            (traffic.and_then(|of| of.ack.as_ref()), traffic.and_then(|of| of.delivery.as_ref()));
        let usage = report.server.as_ref();
        writeln!(
            to,
            "{:<9} {:<18} {:>7} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>7}",
            report.subject,
            report.scenario,
            whole(traffic.map(|of| of.acks_per_second)),
            ms(ack.map(|of| of.p50_ms)),
            ms(ack.map(|of| of.p99_ms)),
            ms(delivery.map(|of| of.p50_ms)),
            ms(delivery.map(|of| of.p99_ms)),
            ms(usage.map(|of| of.rss_per_connection_kib)),
            whole(usage.and_then(|of| of.messages_per_cpu_second)),
            report.errors.total,
        )?;
    }
    Ok(())
}
