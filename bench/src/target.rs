//! What is measured: where it listens, and which processes it is.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::args;
use crate::errors::Failure;
use crate::process::Process;

/// A running server: one gateway, or several that clients are spread over.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) label: String,
    /// The gateways' addresses, `http://host:port`.
    pub(crate) urls: Vec<String>,
    /// Gateways first, in the order of the addresses, as far as they are known.
    pub(crate) processes: Vec<Watched>,
    /// Where `/metrics` says how many messages are stored, each of its own share.
    pub(crate) metrics_urls: Vec<String>,
}

/// A process to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) process: Process,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Of the server, and holds clients' connections.
    Gateway,
    /// Of the server, and stores.
    Worker,
    /// What the server stands on: Kafka, MongoDB, Redis.
    Service,
}

impl Watched {
    pub(crate) fn new(name: impl Into<String>, role: Role, pid: u32) -> Self {
        Self { name: name.into(), role, process: Process::of(pid) }
    }
}

impl Target {
    /// A server that runs already.
    pub(crate) fn of(args: &args::Target) -> Result<Self, Failure> {
        if args.pid.len() > args.url.len() {
            return Err(Failure::Setup("--pid names more processes than --url has addresses".to_owned()));
        }
        let named = |role: &'static str, pids: &[u32]| {
            let names = (1..=pids.len()).map(|number| format!("{role}-{number}"));
            names.zip(pids.to_vec()).collect::<Vec<_>>()
        };
        let gateways = named("gateway", &args.pid).into_iter();
        let workers = named("worker", &args.worker_pid).into_iter();
        let mut processes: Vec<Watched> =
            gateways.map(|(name, pid)| Watched::new(name, Role::Gateway, pid)).collect();
        processes.extend(workers.map(|(name, pid)| Watched::new(name, Role::Worker, pid)));
        processes.extend(services(&args.services)?);
        let metrics_urls = if args.metrics_url.is_empty() { &args.url } else { &args.metrics_url };
        Ok(Self {
            label: args.label.clone(),
            urls: args.url.clone(),
            processes,
            metrics_urls: metrics_urls.clone(),
        })
    }

    /// Which gateway the `number`-th client or reader goes to.
    pub(crate) fn url(&self, number: usize) -> &str {
        &self.urls[number % self.urls.len()]
    }
}

/// The servers that `scripts/services` started, by its pid files; none when no folder is given.
pub(crate) fn services(args: &args::Services) -> Result<Vec<Watched>, Failure> {
    args.services_dir.as_deref().map_or(Ok(Vec::new()), in_folder)
}

fn in_folder(folder: &Path) -> Result<Vec<Watched>, Failure> {
    let doing = || format!("looking for pid files in {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Failure::io(doing()))? {
        let path = entry.map_err(Failure::io(doing()))?.path();
        if path.extension().is_none_or(|extension| extension != "pid") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(Failure::io(doing()))?;
        let pid = text.trim().parse();
        let pid = pid.map_err(|_| Failure::Setup(format!("{} holds no process id", path.display())))?;
        found.push(Watched::new(name, Role::Service, pid));
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_their_pid_files() {
        let folder = tempfile::tempdir().expect("a folder");
        for (file, text) in [("redis.pid", "12\n"), ("kafka.pid", "11"), ("kafka.log", "no pid")] {
            fs::write(folder.path().join(file), text).expect("written");
        }
        let names = |found: Vec<Watched>| found.into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(in_folder(folder.path()).expect("readable")), ["kafka", "redis"]);
        fs::write(folder.path().join("mongo-0.pid"), "none").expect("written");
        assert!(in_folder(folder.path()).is_err());
    }
}
