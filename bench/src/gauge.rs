//! The server's memory and CPU at the turning points of a scenario.

use serde::Serialize;

use crate::errors::{Failure, Tally};
use crate::process::Process;

/// Reads a process at each turning point; reads nothing when no process is known.
#[derive(Debug)]
pub(crate) struct Gauge {
    process: Option<Process>,
    usage: Usage,
    cpu_mark: f64,
    connections: u64,
    lost: Option<Failure>,
}

/// What the server's process used. Memory in KiB, resident.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Usage {
    /// Before anything was asked of it.
    pub(crate) rss_start_kib: u64,
    /// Users signed up, nobody connected.
    pub(crate) rss_before_kib: u64,
    /// Everybody connected.
    pub(crate) rss_connected_kib: u64,
    /// At the end of the load or the hold, everybody still connected.
    pub(crate) rss_loaded_kib: u64,
    /// Everybody gone.
    pub(crate) rss_after_kib: u64,
    pub(crate) rss_peak_kib: u64,
    /// (connected - before) / connections.
    pub(crate) rss_per_connection_kib: f64,
    /// (loaded - before) / connections: with the buffers that heartbeats and messages have grown, and, under load,
    /// with the messages the server keeps in memory.
    pub(crate) rss_per_connection_loaded_kib: f64,
    /// While connecting, settling included.
    pub(crate) connecting_cpu_seconds: f64,
    /// During the load or the hold, until the last message was answered and received.
    pub(crate) load_cpu_seconds: f64,
    /// Acknowledged messages per CPU second of the load.
    pub(crate) messages_per_cpu_second: Option<f64>,
}

impl Gauge {
    pub(crate) fn new(process: Option<Process>) -> Self {
        Self { process, usage: Usage::default(), cpu_mark: 0.0, connections: 0, lost: None }
    }

    pub(crate) fn starts(&mut self) {
        self.read(|process, usage, _| {
            usage.rss_start_kib = process.rss_kib()?;
            Ok(())
        });
    }

    pub(crate) fn connecting_starts(&mut self) {
        self.read(|process, usage, cpu_mark| {
            usage.rss_before_kib = process.rss_kib()?;
            *cpu_mark = process.cpu_seconds()?;
            Ok(())
        });
    }

    /// Everybody is, all `connections`.
    pub(crate) fn connected(&mut self, connections: u64) {
        self.connections = connections;
        self.read(|process, usage, cpu_mark| {
            usage.connecting_cpu_seconds = process.cpu_seconds()? - *cpu_mark;
            usage.rss_connected_kib = process.rss_kib()?;
            Ok(())
        });
    }

    pub(crate) fn load_starts(&mut self) {
        self.read(|process, _, cpu_mark| {
            *cpu_mark = process.cpu_seconds()?;
            Ok(())
        });
    }

    pub(crate) fn load_ends(&mut self) {
        self.read(|process, usage, cpu_mark| {
            usage.load_cpu_seconds = process.cpu_seconds()? - *cpu_mark;
            usage.rss_loaded_kib = process.rss_kib()?;
            Ok(())
        });
    }

    pub(crate) fn disconnected(&mut self) {
        self.read(|process, usage, _| {
            usage.rss_after_kib = process.rss_kib()?;
            usage.rss_peak_kib = process.rss_peak_kib()?;
            Ok(())
        });
    }

    /// `None` when no process was to be measured, or when it was gone at some point, which is an error.
    /// `messages`: how many the load acknowledged, if it had any.
    pub(crate) fn usage(&self, messages: Option<u64>, errors: &mut Tally) -> Option<Usage> {
        self.process.as_ref()?;
        if let Some(lost) = &self.lost {
            errors.add("server process gone", lost.to_string());
            return None;
        }
        let cpu = self.usage.load_cpu_seconds;
        let messages_per_cpu_second = messages.filter(|_| cpu > 0.0).map(|messages| exact(messages) / cpu);
        let per_connection = |rss_kib: u64| {
            (exact(rss_kib) - exact(self.usage.rss_before_kib)) / exact(self.connections.max(1))
        };
        Some(Usage {
            messages_per_cpu_second,
            rss_per_connection_kib: per_connection(self.usage.rss_connected_kib),
            rss_per_connection_loaded_kib: per_connection(self.usage.rss_loaded_kib),
            ..self.usage.clone()
        })
    }

    fn read(&mut self, read: impl FnOnce(&Process, &mut Usage, &mut f64) -> Result<(), Failure>) {
        if let (Some(process), None) = (&self.process, &self.lost) {
            self.lost = read(process, &mut self.usage, &mut self.cpu_mark).err();
        }
    }
}

/// A count as a float: exact below 2^53, which no count here reaches.
pub(crate) fn exact(count: u64) -> f64 {
    count as f64
}
