//! Reports for people.

use std::fmt::Write;

use crate::latency::Percentiles;
use crate::ledger::Counts;
use crate::machine::Machine;
use crate::report::Report;
use crate::stored::{SeenThrough, Stored};
use crate::tables;
use crate::usage::{Usage, exact};

/// Machine, reports and tables.
pub(crate) fn human(machine: &Machine, reports: &[Report]) -> String {
    let mut text = String::new();
    let written = write_machine(&mut text, machine)
        .and_then(|()| reports.iter().try_for_each(|report| write_report(&mut text, report)))
        .and_then(|()| tables::write(&mut text, reports));
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    text
}

fn write_machine(to: &mut String, machine: &Machine) -> std::fmt::Result {
    machine.words().into_iter().enumerate().try_for_each(|(number, line)| match number {
        0 => writeln!(to, "machine    {line}"),
        _ => writeln!(to, "           {line}"),
    })
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
    if let Some(stored) = &report.stored {
        write_stored(to, stored)?;
    }
    if let Some(usages) = &report.usages {
        write_usage(to, &usages.server, report.traffic.is_none())?;
        if let Some(Usage { load_cpu_seconds, messages_per_cpu_second, .. }) = &usages.everything {
            write!(to, "  everything {load_cpu_seconds:.2} CPU s load with what it stands on")?;
            write_per_cpu_second(to, *messages_per_cpu_second)?;
        }
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
    if let (Some(connected), Some(at_end)) =
        (usage.rss_per_connection_kib, usage.rss_per_connection_loaded_kib)
    {
        write!(to, "             {connected:.1} KiB per connection")?;
        match idle {
            true => writeln!(to, " when connected, {at_end:.1} at the end")?,
            false => writeln!(to)?,
        }
    }
    write!(
        to,
        "  server     {:.2} CPU s connecting, {:.2} CPU s load",
        usage.connecting_cpu_seconds, usage.load_cpu_seconds
    )?;
    write_per_cpu_second(to, usage.messages_per_cpu_second)
}

fn write_per_cpu_second(to: &mut String, messages: Option<f64>) -> std::fmt::Result {
    match messages {
        Some(messages) => writeln!(to, ", {messages:.0} messages per CPU second"),
        None => writeln!(to),
    }
}

fn write_stored(to: &mut String, stored: &Stored) -> std::fmt::Result {
    match stored.messages_per_second {
        Some(rate) => write!(to, "  stored     {rate:.0} messages/s")?,
        None => write!(to, "  stored     not everything")?,
    }
    if let (Some(at_end), Some(most)) = (stored.lag_at_end_messages, stored.lag_max_messages) {
        write!(to, "; {at_end} behind at the end, {most} at most")?;
    }
    if let Some(seconds) = stored.caught_up_seconds {
        write!(to, "; all stored {seconds:.2} s after the end")?;
    }
    writeln!(
        to,
        " ({})",
        match stored.seen_through {
            SeenThrough::Metrics => "by its metrics",
            SeenThrough::History => "by the history, so at the latest",
        }
    )
}
