//! What processes used, for the report.

use serde::Serialize;

use crate::target::Role;

/// What a process, or several together, used. Memory in KiB, resident.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Usage {
    /// Clients' connections it held.
    pub(crate) connections: u64,
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
    /// Of several processes the sum, though they need not have peaked together.
    pub(crate) rss_peak_kib: u64,
    /// (connected - before) / connections; `None` for a process without connections.
    pub(crate) rss_per_connection_kib: Option<f64>,
    /// (loaded - before) / connections: with the buffers that heartbeats and messages have grown, and, under load,
    /// with the messages the server keeps in memory.
    pub(crate) rss_per_connection_loaded_kib: Option<f64>,
    /// While connecting, settling included.
    pub(crate) connecting_cpu_seconds: f64,
    /// During the load or the hold, until the last message was answered, received and stored.
    pub(crate) load_cpu_seconds: f64,
    /// Acknowledged messages per CPU second of the load.
    pub(crate) messages_per_cpu_second: Option<f64>,
}

/// One process' share.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ProcessUsage {
    pub(crate) name: String,
    pub(crate) role: Role,
    #[serde(flatten)]
    pub(crate) usage: Usage,
}

/// What all measured processes used.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Usages {
    /// The server's own processes together: gateways and workers.
    pub(crate) server: Usage,
    /// With what it stands on; `None` when none of that was measured.
    pub(crate) everything: Option<Usage>,
    pub(crate) processes: Vec<ProcessUsage>,
}

impl Usages {
    /// `messages`: how many the load acknowledged, if it had any.
    pub(crate) fn new(processes: Vec<ProcessUsage>, messages: Option<u64>) -> Self {
        let total = |of: fn(Role) -> bool| {
            let chosen = processes.iter().filter(|one| of(one.role));
            chosen.map(|one| &one.usage).fold(Usage::default(), Usage::plus).finished(messages)
        };
        let server = total(|role| role != Role::Service);
        let has_services = processes.iter().any(|one| one.role == Role::Service);
        let everything = has_services.then(|| total(|_| true));
        let finished =
            |one: &ProcessUsage| ProcessUsage { usage: one.usage.clone().finished(messages), ..one.clone() };
        Self { server, everything, processes: processes.iter().map(finished).collect() }
    }
}

impl Usage {
    fn plus(self, other: &Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            rss_start_kib: self.rss_start_kib + other.rss_start_kib,
            rss_before_kib: self.rss_before_kib + other.rss_before_kib,
            rss_connected_kib: self.rss_connected_kib + other.rss_connected_kib,
            rss_loaded_kib: self.rss_loaded_kib + other.rss_loaded_kib,
            rss_after_kib: self.rss_after_kib + other.rss_after_kib,
            rss_peak_kib: self.rss_peak_kib + other.rss_peak_kib,
            connecting_cpu_seconds: self.connecting_cpu_seconds + other.connecting_cpu_seconds,
            load_cpu_seconds: self.load_cpu_seconds + other.load_cpu_seconds,
            rss_per_connection_kib: None,
            rss_per_connection_loaded_kib: None,
            messages_per_cpu_second: None,
        }
    }

    /// With what follows from the rest.
    fn finished(self, messages: Option<u64>) -> Self {
        let per_connection = |rss_kib: u64| {
            let growth = exact(rss_kib) - exact(self.rss_before_kib);
            (self.connections > 0).then(|| growth / exact(self.connections))
        };
        let cpu = self.load_cpu_seconds;
        Self {
            rss_per_connection_kib: per_connection(self.rss_connected_kib),
            rss_per_connection_loaded_kib: per_connection(self.rss_loaded_kib),
            messages_per_cpu_second: messages.filter(|_| cpu > 0.0).map(|messages| exact(messages) / cpu),
            ..self
        }
    }
}

/// A count as a float: exact below 2^53, which no count here reaches.
pub(crate) fn exact(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, role: Role, connections: u64, load_cpu_seconds: f64) -> ProcessUsage {
        let usage = Usage {
            connections,
            rss_before_kib: 100,
            rss_connected_kib: 200,
            load_cpu_seconds,
            ..Usage::default()
        };
        ProcessUsage { name: name.to_owned(), role, usage }
    }

    #[test]
    fn sums_what_is_the_servers_and_what_it_stands_on() {
        let processes = vec![
            process("gateway-1", Role::Gateway, 10, 1.0),
            process("gateway-2", Role::Gateway, 10, 1.0),
            process("kafka", Role::Service, 0, 2.0),
        ];
        let Usages { server, everything, processes } = Usages::new(processes, Some(100));
        assert_eq!((server.connections, server.rss_per_connection_kib), (20, Some(10.0)));
        assert_eq!(server.messages_per_cpu_second, Some(50.0));
        assert_eq!(everything.and_then(|all| all.messages_per_cpu_second), Some(25.0));
        assert_eq!(processes[2].usage.rss_per_connection_kib, None);
        assert!(Usages::new(processes[..2].to_vec(), None).everything.is_none());
    }
}
