//! The machine's words: numbers mean little without them.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// What the numbers were measured on. Load tool and server share it.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) node: String,
    /// How this tool was built: a debug build measures itself.
    pub(crate) tool_profile: &'static str,
}

pub(crate) fn describe() -> Machine {
    Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        cpu: line("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
        memory_gib: line("/proc/meminfo", "MemTotal")
            .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
            .map_or(0, |kib| (kib + (1 << 19)) >> 20),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| unknown(), |text| text.trim().to_owned()),
        rustc: version("rustc"),
        node: version("node"),
        tool_profile: if cfg!(debug_assertions) { "debug" } else { "release" },
    }
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
