//! What /proc says about a process.

use std::fs;
use std::path::PathBuf;

use crate::errors::Failure;

/// Clock ticks per second in /proc/<pid>/stat: USER_HZ, 100 on every Linux architecture in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    folder: PathBuf,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        Self { folder: PathBuf::from(format!("/proc/{pid}")) }
    }

    pub(crate) fn own() -> Self {
        Self { folder: PathBuf::from("/proc/self") }
    }

    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> Result<u64, Failure> {
        self.status("VmRSS:")
    }

    /// The most resident memory so far, in KiB.
    pub(crate) fn rss_peak_kib(&self) -> Result<u64, Failure> {
        self.status("VmHWM:")
    }

    /// User and system CPU time of all threads so far, in seconds; resolution 10 ms.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        cpu_ticks(&self.read("stat")?)
            .map(|ticks| f64::from(ticks) / TICKS_PER_SECOND)
            .ok_or_else(|| Failure::Setup(format!("{}/stat is unreadable", self.folder.display())))
    }

    fn status(&self, field: &str) -> Result<u64, Failure> {
        status_kib(&self.read("status")?, field)
            .ok_or_else(|| Failure::Setup(format!("{} has no {field}", self.folder.display())))
    }

    fn read(&self, file: &str) -> Result<String, Failure> {
        let path = self.folder.join(file);
        fs::read_to_string(&path).map_err(Failure::io(format!("measuring through {}", path.display())))
    }
}

/// utime + stime: fields 14 and 15, counted after the command name, which may hold spaces and brackets.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?)
}

fn status_kib(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cpu_time_behind_an_awkward_name() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(200));
        assert_eq!(cpu_ticks("12 (a) S 1"), None);
    }

    #[test]
    fn reads_memory() {
        let status = "Name:\ta\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(status_kib(status, "VmRSS:"), Some(1024));
        assert_eq!(status_kib(status, "VmSwap:"), None);
    }

    #[test]
    fn measures_this_process() {
        assert!(Process::own().rss_kib().expect("own status") > 0);
        assert!(Process::own().cpu_seconds().is_ok());
    }
}
