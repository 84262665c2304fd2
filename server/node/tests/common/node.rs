//! One process of a server: all of it, or a gateway or worker of a cluster.

use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::PathBuf,
    process::{Command as Shell, ExitStatus, Stdio},
};

use tokio::process::{Child, Command};

use super::soon;

/// A process that may run, or not now. Stopped, hard, when dropped.
pub struct Node {
    pub name: &'static str,
    /// The binary's arguments, between blanks.
    pub role: Option<&'static str>,
    /// Where it serves clients; a worker has only the other.
    pub address: SocketAddr,
    /// Where it answers `/readyz` and `/metrics`.
    pub ops: SocketAddr,
    /// Arguments of the shell's `ulimit` that it is started under.
    pub ulimit: Option<&'static str>,
    pub settings: Vec<(String, String)>,
    pub binary: PathBuf,
    /// Its working directory, and that of its log.
    pub home: PathBuf,
    pub process: Option<Child>,
}

/// How processes that were expected to end ended, and all they said.
#[derive(Debug)]
pub struct Exit {
    /// The first that is no success, if any.
    pub status: ExitStatus,
    pub said: String,
}

impl Node {
    pub fn spawn(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log file");
        let mut command = match self.ulimit {
            None => Command::new(&self.binary),
            Some(ulimit) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("ulimit {ulimit}; exec \"$0\" \"$@\"")).arg(&self.binary);
                shell
            }
        };
        let process = command
            .args(self.role.into_iter().flat_map(str::split_whitespace))
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            // Away from any `.env` of the developer's.
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file descriptor"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.process = Some(process.expect("the server can be started"));
    }

    /// Waits until it, just started, is ready.
    pub async fn ready(&mut self) {
        let ready = format!("http://{}/readyz", self.ops);
        let http = reqwest::Client::new();
        let process = self.process.as_mut().expect("it was just started");
        let mut ended = None;
        let mut turns = tokio::time::interval(std::time::Duration::from_millis(10));
        soon("the server is ready", async {
            loop {
                tokio::select! {
                    status = process.wait() => { ended = Some(status); return; }
                    _ = turns.tick() => {}
                }
                if http.get(&ready).send().await.is_ok_and(|answer| answer.status() == 200) {
                    return;
                }
            }
        })
        .await;
        if let Some(status) = ended {
            panic!("{} ended instead of starting: {status:?}\n{}", self.name, self.log());
        }
    }

    /// `kill -9`: none of its code runs any more.
    pub async fn kill9(&mut self) {
        let process = self.process.as_mut().expect("it runs");
        process.start_kill().expect("a process of ours can be killed");
        soon("a killed process is gone", process.wait()).await.expect("its end can be awaited");
        self.process = None;
    }

    /// Asks it to stop, as an operator's supervisor does.
    pub fn sigterm(&self) {
        let id = self.id();
        let sent = Shell::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().expect("sh runs");
        assert!(sent.success(), "SIGTERM could not be sent");
    }

    /// Waits until it has ended.
    pub async fn end(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("it runs");
        let status = soon("the process ends", process.wait()).await.expect("its end can be awaited");
        self.process = None;
        status
    }

    /// Runs `sockeye COMMAND` with its settings, some of them changed or (`None`) taken away.
    pub async fn command(&self, command: &'static str, changes: &[(&str, Option<&str>)]) -> Exit {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut node = Self {
            name: "command",
            role: Some(command),
            address: self.address,
            ops: self.ops,
            ulimit: None,
            settings: self.settings.clone(),
            binary: self.binary.clone(),
            home: home.path().to_owned(),
            process: None,
        };
        for (name, value) in changes {
            node.set(name, *value);
        }
        node.spawn();
        let status = node.end().await;
        Exit { status, said: node.log() }
    }

    /// Everything it has logged, over all its runs.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Resident memory, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.id())).expect("Linux tells about processes");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// Sets or, with `None`, takes away a setting.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Of its process, which runs.
    pub fn id(&self) -> u32 {
        self.process.as_ref().and_then(Child::id).expect("it runs")
    }

    fn log_path(&self) -> PathBuf {
        self.home.join(format!("log-{}", self.name))
    }
}
