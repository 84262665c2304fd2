//! Servers to be measured: started on a free port with an empty data folder, stopped when done.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::args::{Compare, Which};
use crate::errors::Failure;

const READY_WITHIN: Duration = Duration::from_secs(30);
const READY_POLL_EVERY: Duration = Duration::from_millis(50);
const STOPPED_WITHIN: Duration = Duration::from_secs(20);
const LOG_LINES_SHOWN_MAX: usize = 20;

/// What the server needs to let one address make and connect thousands of users, and to show all they wrote.
const SOCKEYE_ENV: [(&str, &str); 9] = [
    ("SOCKEYE_CONTRACT", "direct-v1"),
    ("NODE_ENV", "development"),
    ("SALT_ROUNDS", "4"),
    ("JWT_EXPIRATION", "7d"),
    ("SOCKEYE_LIMIT_REQUESTS", "off"),
    ("SOCKEYE_LIMIT_SIGN_IN", "off"),
    ("SOCKEYE_LIMIT_EVENTS", "off"),
    ("SOCKEYE_LIMIT_CONNECTIONS_PER_ADDRESS", "1000000"),
    ("SOCKEYE_HISTORY_LEN_MAX", "1000000"),
];

/// A running server.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) pid: u32,
    child: Child,
    folder: TempDir,
}

impl Subject {
    /// Starts it and waits until it answers HTTP.
    pub(crate) async fn start(which: Which, settings: &Compare) -> Result<Self, Failure> {
        let folder = TempDir::with_prefix_in("sockeye-bench-", &settings.scratch_dir)
            .map_err(Failure::io("making a data folder"))?;
        let port = free_port()?;
        let (name, mut command) = match which {
            Which::Sockeye => ("sockeye", sockeye(settings, folder.path())?),
            Which::Peer => ("peer", peer(settings, folder.path())?),
        };
        let output = File::create(log_path(folder.path())).map_err(Failure::io("making a log file"))?;
        let errors = output.try_clone().map_err(Failure::io("making a log file"))?;
        command
            .env("SERVER_PORT", port.to_string())
            .env("JWT_SECRET", secret()?)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .kill_on_drop(true);
        let child = command.spawn().map_err(Failure::io(format!("starting {name}")))?;
        let pid = child.id().ok_or_else(|| Failure::Setup(format!("{name} ended at once")))?;
        let mut subject = Self { name, url: format!("http://127.0.0.1:{port}"), pid, child, folder };
        subject.ready().await?;
        Ok(subject)
    }

    /// Asks it to end and waits; an unclean end is a failure.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let asked = Command::new("kill").arg("-TERM").arg(self.pid.to_string()).status().await;
        asked.map_err(Failure::io("running kill"))?;
        let ended = timeout(STOPPED_WITHIN, self.child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.ended(status)),
            Ok(Err(error)) => Err(Failure::io(format!("waiting for {}", self.name))(error)),
            Err(_) => Err(Failure::Setup(format!("{} did not end within {STOPPED_WITHIN:?}", self.name))),
        }
    }

    /// The failure with the server's last words.
    pub(crate) fn with_log(&self, failure: &Failure) -> Failure {
        let log = fs::read_to_string(log_path(self.folder.path())).unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES_SHOWN_MAX)..].join("\n");
        Failure::Setup(format!("{failure}\nlast output of {}:\n{tail}", self.name))
    }

    async fn ready(&mut self) -> Result<(), Failure> {
        let url = self.url.clone();
        let answers = async {
            while reqwest::get(&url).await.is_err() {
                sleep(READY_POLL_EVERY).await;
            }
        };
        let ready = tokio::select! {
            ended = self.child.wait() => Err(ended.map_err(Failure::io("waiting for the server"))?),
            answered = timeout(READY_WITHIN, answers) => Ok(answered),
        };
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.with_log(&Failure::Setup(format!("not ready within {READY_WITHIN:?}")))),
            Err(status) => Err(self.ended(status)),
        }
    }

    fn ended(&self, status: ExitStatus) -> Failure {
        self.with_log(&Failure::Setup(format!("{} ended: {status}", self.name)))
    }
}

fn sockeye(settings: &Compare, folder: &Path) -> Result<Command, Failure> {
    let binary = settings.sockeye_bin.as_ref().ok_or_else(|| {
        Failure::Setup("say where the server's binary is: --sockeye-bin or SOCKEYE_BIN".to_owned())
    })?;
    let binary =
        fs::canonicalize(binary).map_err(Failure::io(format!("looking for {}", binary.display())))?;
    let mut command = clean(binary);
    command.envs(SOCKEYE_ENV).env("SOCKEYE_DATA_DIR", folder).envs(settings.sockeye_env.iter().cloned());
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

/// A port that was free a moment ago.
fn free_port() -> Result<u16, Failure> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("looking for a free port"))?;
    Ok(listener.local_addr().map_err(Failure::io("looking for a free port"))?.port())
}

fn secret() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Setup(format!("no randomness: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn log_path(folder: &Path) -> std::path::PathBuf {
    folder.join("output.log")
}
