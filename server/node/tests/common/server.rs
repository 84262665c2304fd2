//! One server process, its own data directory and address.

use std::{
    fs::{self, OpenOptions},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command as Shell, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Contract, Dial, Person, eventually, soon, text_setting};

/// A running server; stopped, hard, when dropped. Fails the test if the server ever panicked.
pub struct Server {
    pub address: SocketAddr,
    pub contract: Contract,
    settings: Vec<(String, String)>,
    home: TempDir,
    binary: PathBuf,
    process: Option<Child>,
}

/// How a process that was expected to end ended, and all it said.
#[derive(Debug)]
pub struct Exit {
    pub status: ExitStatus,
    pub said: String,
}

/// For names and addresses that this test process has not used yet.
static COUNT: AtomicU32 = AtomicU32::new(1);

/// The tests' defaults: no limit is in the way of a test that is not about it.
const SETTINGS: [(&str, &str); 8] = [
    ("SOCKEYE_CONTRACT", "direct-v1"),
    ("SALT_ROUNDS", "4"),
    ("SOCKEYE_LIMIT_SIGN_IN", "off"),
    ("SOCKEYE_LIMIT_REQUESTS", "off"),
    ("SOCKEYE_LIMIT_EVENTS", "off"),
    ("SOCKEYE_LOG", "info"),
    ("SOCKEYE_LOG_FORMAT", "json"),
    ("RUST_BACKTRACE", "1"),
];

impl Server {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with settings of its own beside (or instead of) the tests' defaults.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let mut server = Self::prepared(settings);
        server.run().await;
        server
    }

    /// A server that is not started yet.
    pub fn prepared(settings: &[(&str, &str)]) -> Self {
        // Built beside the adapters, the HTTP client has TLS, and no cryptography of its own. Set already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = free_address();
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut all: Vec<(String, String)> = vec![
            ("SOCKEYE_HOST".into(), address.ip().to_string()),
            ("SERVER_PORT".into(), address.port().to_string()),
            ("SOCKEYE_DATA_DIR".into(), home.path().join("data").display().to_string()),
        ];
        for (name, value) in SETTINGS.iter().chain(settings) {
            all.retain(|(known, _)| known != name);
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        let contract = match all.iter().find(|(name, _)| name == "SOCKEYE_CONTRACT") {
            Some((_, value)) if value == "direct" => Contract::Direct,
            _ => Contract::DirectV1,
        };
        let binary = own_binary(&home);
        Self { address, contract, settings: all, home, binary, process: None }
    }

    /// Starts (again) on the same data and the same address, and waits until it is ready.
    pub async fn run(&mut self) {
        self.spawn();
        let ready = format!("http://{}/readyz", self.address);
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
            panic!("the server ended instead of starting: {status:?}\n{}", self.log());
        }
    }

    /// Starts and waits for the end, which is what is expected.
    pub async fn run_to_end(mut self) -> Exit {
        self.spawn();
        self.end().await
    }

    /// `kill -9`: no code of the server runs any more.
    pub async fn kill9(&mut self) {
        let process = self.process.as_mut().expect("it runs");
        process.start_kill().expect("a process of ours can be killed");
        soon("a killed process is gone", process.wait()).await.expect("its end can be awaited");
        self.process = None;
    }

    /// Asks it to stop, as an operator's supervisor does.
    pub fn sigterm(&self) {
        let id = self.process.as_ref().and_then(Child::id).expect("it runs");
        let sent = Shell::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().expect("sh runs");
        assert!(sent.success(), "SIGTERM could not be sent");
    }

    /// Waits until it has ended.
    pub async fn end(&mut self) -> Exit {
        let process = self.process.as_mut().expect("it runs");
        let status = soon("the process ends", process.wait()).await.expect("its end can be awaited");
        self.process = None;
        Exit { status, said: self.log() }
    }

    pub async fn restart(&mut self) {
        self.sigterm();
        let exit = self.end().await;
        assert!(exit.status.success(), "{exit:?}");
        self.run().await;
    }

    /// A person with a fresh account here.
    pub async fn person(&self, name: &str) -> Person {
        Person::sign_up(self, name).await
    }

    /// A connection not made yet, of nobody.
    pub fn dial(&self) -> Dial {
        Dial::to(self.address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Everything it has logged, over all its runs.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Resident memory, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let id = self.process.as_ref().and_then(Child::id).expect("it runs");
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("Linux tells about processes");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// After whatever was done to it: somebody new signs up, connects, and two people chat.
    pub async fn still_serves(&self) {
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let (one, other) = (format!("fresh-{nth}-one"), format!("fresh-{nth}-other"));
        let (one, other) = (self.person(&one).await, self.person(&other).await);
        let mut reader = other.connect().await;
        one.send(&other, "still there?").await;
        assert_eq!(reader.next("newMessage").await.args[0]["text"], "still there?");
        self.never_panicked();
    }

    pub fn never_panicked(&self) {
        let log = self.log();
        assert!(!log.contains("panicked at"), "the server panicked:\n{log}");
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn spawn(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log file");
        let process = Command::new(&self.binary)
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            // Away from any `.env` of the developer's.
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file descriptor"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.process = Some(process.expect("the server can be started"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the server's log ends with:");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        } else {
            self.never_panicked();
        }
    }
}

/// The binary that cargo built for these tests, or the one `SOCKEYE_TEST_BINARY` names (a release build, for instance).
/// A link of our own, so that a build that goes on meanwhile does not change the server between two of its runs.
fn own_binary(home: &TempDir) -> PathBuf {
    let built =
        text_setting("SOCKEYE_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_sockeye").to_owned());
    let (built, own) = (PathBuf::from(built), home.path().join("sockeye"));
    // Not possible across file systems; then the built one has to do.
    if fs::hard_link(&built, &own).is_ok() { own } else { built }
}

/// An address of our own for every server, so that neither other tests nor the local ends of connections can take its
/// port while it restarts. Where the system has only one loopback address, that.
fn free_address() -> SocketAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [.., count] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let own = IpAddr::V4(Ipv4Addr::new(127, count, high, low.clamp(1, 254)));
    let listener = TcpListener::bind((own, 0)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    listener.and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Waits until the log says so.
pub async fn logged(server: &Server, text: &str) {
    eventually(text, || async { server.log().contains(text).then_some(()) }).await;
}
