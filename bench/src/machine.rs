//! The machine's words: numbers mean little without them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::Serialize;

use crate::errors::Failure;
use crate::latency::Percentiles;

const FDATASYNCS: usize = 100;

/// What the numbers were measured on. Load tool and server share it.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// Average of the last minute before the run, of this machine: what else it was busy with.
    pub(crate) load_average: Option<f64>,
    pub(crate) rustc: String,
    pub(crate) node: String,
    /// A 200-byte append with fdatasync where the servers keep their data, before the first of them starts: part of
    /// every acknowledgement. `None` when the servers were not started by this tool.
    pub(crate) fdatasync: Option<Percentiles>,
    /// How this tool was built: a debug build measures itself.
    pub(crate) tool_profile: &'static str,
}

impl Machine {
    /// In words, one line each.
    pub(crate) fn words(&self) -> Vec<String> {
        let Self { cores, cpu, memory_gib, kernel, load_average, rustc, node, fdatasync, tool_profile } =
            self;
        let mut words = vec![
            format!("{cores} cores ({cpu}), {memory_gib} GiB, Linux {kernel}"),
            format!("{rustc}; node {node}; load tool: {tool_profile} build, on the same cores"),
        ];
        if let Some(load) = load_average {
            words.push(format!("load average before the run: {load:.2}"));
        }
        if let Some(Percentiles { p50_ms, p90_ms, .. }) = fdatasync {
            words.push(format!("append + fdatasync of 200 bytes: p50 {p50_ms:.2}  p90 {p90_ms:.2} ms"));
        }
        words
    }
}

/// `scratch`: where the servers will keep their data, if known.
pub(crate) fn describe(scratch: Option<&Path>) -> Result<Machine, Failure> {
    let fdatasync = scratch.map(fdatasync).transpose().map_err(Failure::io("measuring fdatasync"))?;
    Ok(Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        cpu: line("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
        memory_gib: line("/proc/meminfo", "MemTotal")
            .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
            .map_or(0, |kib| (kib + (1 << 19)) >> 20),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| unknown(), |text| text.trim().to_owned()),
        load_average: fs::read_to_string("/proc/loadavg")
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse().ok()),
        rustc: version("rustc"),
        node: version("node"),
        fdatasync: fdatasync.flatten(),
        tool_profile: if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}

fn fdatasync(folder: &Path) -> std::io::Result<Option<Percentiles>> {
    let mut file = tempfile::tempfile_in(folder)?;
    let durations = (0..FDATASYNCS).map(|_| {
        let start = Instant::now();
        file.write_all(&[b'x'; 200])?;
        file.sync_data()?;
        Ok(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))
    });
    Ok(Percentiles::of(durations.collect::<std::io::Result<_>>()?))
}

/// The value of the first `name : value` line of a /proc file.
fn line(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn version(program: &str) -> String {
    let output =
        Command::new(program).arg("--version").output().ok().filter(|output| output.status.success());
    output.map_or_else(unknown, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
