//! What the system says of this process, under the names that all Prometheus clients use. Read when it is asked for, from
//! `/proc`: Linux only, nothing elsewhere.

use std::{fmt, fs};

/// `USER_HZ`, in which `/proc` counts time (proc(5)): 100 on every Linux but some Alphas.
const TICKS_PER_SECOND: f64 = 100.0;

/// One metric with its value, in the text format.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: f64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, help, value } = self;
        write!(f, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n")
    }
}

pub(super) fn read() -> Vec<Sample> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let stat = Stat::parse(&stat);
    let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| number_after(&text, "btime "));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let kib = |name| number_after(&status, name).map(|kib| kib * 1024.0);
    let started = stat.zip(boot).map(|(stat, boot)| boot + stat.started_seconds);
    let samples = [
        ("process_cpu_seconds_total", "counter", "Processor time used.", stat.map(|stat| stat.cpu_seconds)),
        ("process_resident_memory_bytes", "gauge", "Memory in use.", kib("VmRSS:")),
        ("process_virtual_memory_bytes", "gauge", "Address space in use.", kib("VmSize:")),
        ("process_open_fds", "gauge", "Open file descriptors.", open_fds()),
        (
            "process_max_fds",
            "gauge",
            "File descriptors it may open.",
            number_after(&limits, "Max open files "),
        ),
        ("process_start_time_seconds", "gauge", "When it started, since 1970.", started),
    ];
    let known = samples.into_iter().filter_map(|(name, kind, help, value)| Some((name, kind, help, value?)));
    known.map(|(name, kind, help, value)| Sample { name, kind, help, value }).collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    /// After the system's own start.
    started_seconds: f64,
}

impl Stat {
    /// `/proc/self/stat`: the name in parentheses may hold anything, what follows it is numbers (proc(5)).
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
        // Fields 14, 15 and 22; the first one here is field 3.
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let cpu_seconds = (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND;
        Some(Self { cpu_seconds, started_seconds: ticks(22)? / TICKS_PER_SECOND })
    }
}

/// Linux 6.2 tells the number as the folder's size; before, entries are to be counted.
fn open_fds() -> Option<f64> {
    let told = fs::metadata("/proc/self/fd").ok()?.len();
    let count =
        if told > 0 { usize::try_from(told).ok()? } else { fs::read_dir("/proc/self/fd").ok()?.count() };
    Some(count as f64)
}

/// The number that follows `name` at the beginning of a line; absent when it is none (`unlimited`).
fn number_after(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 9 0 12345 1000 20 max";
        assert_eq!(Stat::parse(text), Some(Stat { cpu_seconds: 3.0, started_seconds: 123.45 }));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn numbers_are_read_by_name() {
        let text = "VmPeak:\t 9 kB\nVmRSS:\t    20 kB\nMax open files            1024   4096  files\n";
        assert_eq!(number_after(text, "VmRSS:"), Some(20.0));
        assert_eq!(number_after(text, "Max open files "), Some(1024.0));
        assert_eq!(number_after("Max open files  unlimited", "Max open files "), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_everything() {
        let samples = read();
        assert_eq!(samples.len(), 6, "{samples:?}");
        assert!(samples.iter().all(|sample| sample.value.is_finite() && sample.value >= 0.0), "{samples:?}");
    }
}
