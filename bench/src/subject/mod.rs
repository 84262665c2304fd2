//! Servers to be measured: started on free ports with nothing in them, stopped when done.

mod cluster;
mod server;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::args::{Compare, Which};
use crate::errors::Failure;
use crate::target::{self, Role, Target, Watched};
use server::{Ready, Server};

const MIGRATED_WITHIN: Duration = Duration::from_secs(60);

/// What the server needs to let one address make and connect thousands of users, and to show all they wrote.
const SOCKEYE_ENV: [(&str, &str); 14] = [
    ("SOCKEYE_CONTRACT", "direct-v1"),
    ("NODE_ENV", "development"),
    // Whatever else is set: readiness and the count of stored messages are read where clients are served.
    ("SOCKEYE_METRICS_PUBLIC", "on"),
    ("SALT_ROUNDS", "4"),
    ("JWT_EXPIRATION", "7d"),
    ("SOCKEYE_LIMIT_REQUESTS", "off"),
    ("SOCKEYE_LIMIT_SIGN_IN", "off"),
    ("SOCKEYE_LIMIT_SIGN_UP", "off"),
    ("SOCKEYE_LIMIT_EVENTS", "off"),
    ("SOCKEYE_LIMIT_USER_EVENTS", "off"),
    ("SOCKEYE_LIMIT_SOCKETS_PER_USER", "1000000"),
    ("SOCKEYE_LIMIT_CONNECTIONS_PER_ADDRESS", "1000000"),
    ("SOCKEYE_HISTORY_LEN_MAX", "1000000"),
    ("SOCKEYE_ANSWER_BYTES_MAX", "1000000000"),
];

/// A running server of one process or several.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) target: Target,
    /// Gateways first.
    servers: Vec<Server>,
    _folder: TempDir,
}

impl Subject {
    /// Starts it and waits until it can be asked.
    pub(crate) async fn start(which: Which, settings: &Compare) -> Result<Self, Failure> {
        let folder = TempDir::with_prefix_in("sockeye-bench-", &settings.scratch_dir)
            .map_err(Failure::io("making a data folder"))?;
        match which {
            Which::Embedded => {
                let mut command = sockeye(settings)?;
                command.env("SOCKEYE_DATA_DIR", folder.path());
                Self::single("embedded", command, Ready::Told, folder).await
            }
            Which::Peer => Self::single("peer", peer(settings, folder.path())?, Ready::Answers, folder).await,
            Which::Cluster => Self::cluster(settings, folder).await,
        }
    }

    /// Asks all of it to end and waits; an unclean end is a failure.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        for server in self.servers {
            server.stop().await?;
        }
        Ok(())
    }

    /// Copies what the servers wrote so far into a folder of its own in `into`, and names it.
    pub(crate) fn keep_logs(&self, into: &Path) -> Result<PathBuf, Failure> {
        let doing = || format!("keeping logs in {}", into.display());
        let kept = into.join(format!("{}-{}", self.target.label, random_hex::<4>()?));
        fs::create_dir_all(&kept).map_err(Failure::io(doing()))?;
        for server in &self.servers {
            fs::copy(&server.log, kept.join(format!("{}.log", server.name))).map_err(Failure::io(doing()))?;
        }
        Ok(kept)
    }

    /// The failure with the servers' last words.
    pub(crate) fn with_log(&self, failure: Failure) -> Failure {
        self.servers.iter().fold(failure, |failure, server| server.with_log(&failure))
    }

    async fn single(
        name: &str,
        mut command: Command,
        ready: Ready,
        folder: TempDir,
    ) -> Result<Self, Failure> {
        let port = free_port()?;
        command.env("SERVER_PORT", port.to_string()).env("JWT_SECRET", random_hex::<32>()?);
        let mut server = Server::start(name, command, folder.path())?;
        let url = url(port);
        server.ready(&url, ready).await?;
        let target = Target {
            label: name.to_owned(),
            urls: vec![url.clone()],
            processes: vec![Watched::new(name, Role::Gateway, server.pid)],
            metrics_urls: vec![url],
        };
        Ok(Self { target, servers: vec![server], _folder: folder })
    }

    async fn cluster(settings: &Compare, folder: TempDir) -> Result<Self, Failure> {
        let name = format!("sockeye-bench-{}", random_hex::<4>()?);
        let shared = cluster::Settings::new(settings.cluster.addresses(), random_hex::<32>()?, name)?;
        let process = |role: &str, name: &str| -> Result<Command, Failure> {
            let data = folder.path().join(name);
            fs::create_dir(&data).map_err(Failure::io("making a data folder"))?;
            let mut command = sockeye(settings)?;
            command.arg(role).env("SOCKEYE_DATA_DIR", data).envs(shared.env(name));
            Ok(command)
        };
        Server::start("migrate", process("migrate", "migrate")?, folder.path())?
            .finished(MIGRATED_WITHIN)
            .await?;

        let mut target = Target {
            label: "cluster".to_owned(),
            urls: Vec::new(),
            processes: Vec::new(),
            metrics_urls: Vec::new(),
        };
        let mut servers = Vec::new();
        for number in 1..=settings.cluster.gateways {
            let (name, port) = (format!("gateway-{number}"), free_port()?);
            let mut command = process("serve", &name)?;
            command.env("SERVER_PORT", port.to_string());
            let server = Server::start(&name, command, folder.path())?;
            target.processes.push(Watched::new(name, Role::Gateway, server.pid));
            target.urls.push(url(port));
            servers.push(server);
        }
        for number in 1..=settings.cluster.workers {
            let (name, port) = (format!("worker-{number}"), free_port()?);
            let mut command = process("work", &name)?;
            command.env("SOCKEYE_OPS_PORT", port.to_string());
            let server = Server::start(&name, command, folder.path())?;
            target.processes.push(Watched::new(name, Role::Worker, server.pid));
            target.metrics_urls.push(url(port));
            servers.push(server);
        }
        target.processes.extend(target::services(&settings.services)?);
        for (server, url) in servers.iter_mut().zip(target.urls.iter().chain(&target.metrics_urls)) {
            server.ready(url, Ready::Told).await?;
        }
        Ok(Self { target, servers, _folder: folder })
    }
}

fn sockeye(settings: &Compare) -> Result<Command, Failure> {
    let binary = settings.sockeye_bin.as_ref().ok_or_else(|| {
        Failure::Setup("say where the server's binary is: --sockeye-bin or SOCKEYE_BIN".to_owned())
    })?;
    let binary =
        fs::canonicalize(binary).map_err(Failure::io(format!("looking for {}", binary.display())))?;
    let mut command = clean(binary);
    command.envs(SOCKEYE_ENV).envs(settings.sockeye_env.iter().cloned());
    Ok(command)
}

fn peer(settings: &Compare, folder: &Path) -> Result<Command, Failure> {
    let script = settings.peer_dir.join("server.mjs");
    let script =
        fs::canonicalize(&script).map_err(Failure::io(format!("looking for {}", script.display())))?;
    if !settings.peer_dir.join("node_modules").exists() {
        return Err(Failure::Setup(format!("run `npm ci` in {} first", settings.peer_dir.display())));
    }
    let mut command = clean("node");
    command.arg(script).env("PEER_DATA_DIR", folder).env("NODE_ENV", "production");
    command.envs(settings.peer_env.iter().cloned());
    Ok(command)
}

/// A command that inherits nothing but the search path, so that a developer's own settings do not leak in.
fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, Failure> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("looking for a free port"))?;
    Ok(listener.local_addr().map_err(Failure::io("looking for a free port"))?.port())
}

fn random_hex<const BYTES: usize>() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Setup(format!("no randomness: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
