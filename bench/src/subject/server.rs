//! One process of a server under test: started, waited for, stopped, its last words kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::errors::Failure;

const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_POLL_EVERY: Duration = Duration::from_millis(50);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
const LOG_LINES_SHOWN_MAX: usize = 20;

/// A running process.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) pid: u32,
    pub(super) log: PathBuf,
    child: Child,
}

/// What tells that a server may be asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ready {
    /// `/readyz` says so.
    Told,
    /// It answers HTTP at all.
    Answers,
}

impl Server {
    /// Starts `command` in `folder`, where its output goes too.
    pub(super) fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self, Failure> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).map_err(Failure::io("making a log file"))?;
        let errors = output.try_clone().map_err(Failure::io("making a log file"))?;
        command.current_dir(folder).stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
        let child = command.spawn().map_err(Failure::io(format!("starting {name}")))?;
        let pid = child.id().ok_or_else(|| Failure::Setup(format!("{name} ended at once")))?;
        Ok(Self { name: name.to_owned(), pid, child, log })
    }

    pub(super) async fn ready(&mut self, url: &str, ready: Ready) -> Result<(), Failure> {
        let answers = async {
            while !is_ready(url, ready).await {
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

    /// Waits for a command that ends by itself; any other end than a clean one is a failure.
    pub(super) async fn finished(mut self, within: Duration) -> Result<(), Failure> {
        match timeout(within, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.ended(status)),
            Ok(Err(error)) => Err(Failure::io(format!("waiting for {}", self.name))(error)),
            Err(_) => Err(self.with_log(&Failure::Setup(format!("did not end within {within:?}")))),
        }
    }

    /// Asks it to end and waits; an unclean end is a failure.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        let asked = Command::new("kill").arg("-TERM").arg(self.pid.to_string()).status().await;
        asked.map_err(Failure::io("running kill"))?;
        self.finished(STOPPED_WITHIN).await
    }

    /// The failure with the server's last words.
    pub(super) fn with_log(&self, failure: &Failure) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES_SHOWN_MAX)..].join("\n");
        Failure::Setup(format!("{failure}\nlast output of {}:\n{tail}", self.name))
    }

    fn ended(&self, status: ExitStatus) -> Failure {
        self.with_log(&Failure::Setup(format!("{} ended: {status}", self.name)))
    }
}

async fn is_ready(url: &str, ready: Ready) -> bool {
    match ready {
        Ready::Told => {
            reqwest::get(format!("{url}/readyz")).await.is_ok_and(|answer| answer.status().is_success())
        }
        Ready::Answers => reqwest::get(url).await.is_ok(),
    }
}
