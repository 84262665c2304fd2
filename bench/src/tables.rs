//! Reports as Markdown tables: one line a scenario, and one line a process.

use std::fmt::Write;

use crate::latency::Percentiles;
use crate::machine::Machine;
use crate::report::Report;
use crate::usage::exact;

/// A page of its own: the machine's words above the tables.
pub(crate) fn page(machine: &Machine, reports: &[Report]) -> String {
    let mut text = String::new();
    let written = machine
        .words()
        .iter()
        .try_for_each(|line| writeln!(text, "* {line}"))
        .and_then(|()| write(&mut text, reports));
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    text
}

/// The tables, each after an empty line. Latencies in ms, memory in MiB unless the heading says otherwise.
pub(crate) fn write(to: &mut String, reports: &[Report]) -> std::fmt::Result {
    table(to, &SCENARIO, reports.iter().map(scenario))?;
    table(to, &PROCESS, reports.iter().flat_map(processes))
}

const SCENARIO: [&str; 19] = [
    "server",
    "scenario",
    "connections",
    "acks/s",
    "stored/s",
    "lag at end",
    "lag max",
    "caught up s",
    "ack p50",
    "ack p99",
    "delivery p50",
    "p90",
    "p99",
    "p99.9",
    "tool p99",
    "KiB/conn",
    "msg/CPU s",
    "with services",
    "errors",
];

fn scenario(report: &Report) -> [String; SCENARIO.len()] {
    let traffic = report.traffic.as_ref();
    let (ack, delivery, tool) = (
        traffic.and_then(|of| of.ack.as_ref()),
        traffic.and_then(|of| of.delivery.as_ref()),
        traffic.and_then(|of| of.tool_delay.as_ref()),
    );
    let ms = |of: Option<&Percentiles>, which: fn(&Percentiles) -> f64| number(of.map(which), 2);
    let stored = report.stored.as_ref();
    let server = report.usages.as_ref().map(|of| &of.server);
    let everything = report.usages.as_ref().and_then(|of| of.everything.as_ref());
    [
        report.subject.clone(),
        report.scenario.clone(),
        report.connections.to_string(),
        number(traffic.map(|of| of.acks_per_second), 0),
        number(stored.and_then(|of| of.messages_per_second), 0),
        number(stored.and_then(|of| of.lag_at_end_messages).map(exact), 0),
        number(stored.and_then(|of| of.lag_max_messages).map(exact), 0),
        number(stored.and_then(|of| of.caught_up_seconds), 2),
        ms(ack, |of| of.p50_ms),
        ms(ack, |of| of.p99_ms),
        ms(delivery, |of| of.p50_ms),
        ms(delivery, |of| of.p90_ms),
        ms(delivery, |of| of.p99_ms),
        ms(delivery, |of| of.p999_ms),
        ms(tool, |of| of.p99_ms),
        number(server.and_then(|of| of.rss_per_connection_kib), 1),
        number(server.and_then(|of| of.messages_per_cpu_second), 0),
        number(everything.and_then(|of| of.messages_per_cpu_second), 0),
        report.errors.total.to_string(),
    ]
}

const PROCESS: [&str; 12] = [
    "server",
    "scenario",
    "process",
    "connections",
    "MiB start",
    "users",
    "connected",
    "loaded",
    "peak",
    "KiB/conn",
    "CPU s connecting",
    "CPU s load",
];

fn processes(report: &Report) -> Vec<[String; PROCESS.len()]> {
    let processes = report.usages.iter().flat_map(|usages| &usages.processes);
    let mib = |kib: u64| number(Some(exact(kib) / 1024.0), 1);
    let row = |process: &crate::usage::ProcessUsage| {
        let usage = &process.usage;
        [
            report.subject.clone(),
            report.scenario.clone(),
            process.name.clone(),
            usage.connections.to_string(),
            mib(usage.rss_start_kib),
            mib(usage.rss_before_kib),
            mib(usage.rss_connected_kib),
            mib(usage.rss_loaded_kib),
            mib(usage.rss_peak_kib),
            number(usage.rss_per_connection_kib, 1),
            number(Some(usage.connecting_cpu_seconds), 2),
            number(Some(usage.load_cpu_seconds), 2),
        ]
    };
    processes.map(row).collect()
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// Columns are as wide as their widest cell, so that the text reads as it is; numbers end in one line.
fn table<const COLUMNS: usize>(
    to: &mut String,
    heading: &[&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> std::fmt::Result {
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(rows);
    if lines.len() == 1 {
        return Ok(());
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0).max(2);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let is_words = |column: usize| WORDS.contains(&heading[column]);
    writeln!(to)?;
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            match is_words(column) {
                true => write!(to, "| {cell:<width$} ")?,
                false => write!(to, "| {cell:>width$} ")?,
            }
        }
        writeln!(to, "|")?;
        if number == 0 {
            for (column, width) in widths.into_iter().enumerate() {
                let end = if is_words(column) { "-" } else { ":" };
                write!(to, "|{}{end}", "-".repeat(width + 1))?;
            }
            writeln!(to, "|")?;
        }
    }
    Ok(())
}

const WORDS: [&str; 3] = ["server", "scenario", "process"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_markdown() {
        let mut text = String::new();
        let row = |name: &str, count: &str| [name.to_owned(), count.to_owned()];
        let rows = [row("a", "1"), row("longer", "1000")];
        table(&mut text, &["process", "n"], rows.into_iter()).expect("written");
        let expected = "\n| process |    n |\n|---------|-----:|\n| a       |    1 |\n| longer  | 1000 |\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_rows_make_no_table() {
        let mut text = String::new();
        table(&mut text, &["process"], std::iter::empty()).expect("written");
        assert_eq!(text, "");
    }
}
