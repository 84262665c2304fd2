//! One server with its own data and addresses: a single process, or a cluster ([`Shape`]).

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

use super::{Addresses, Contract, Dial, Exit, Node, Person, Shape, text_setting};

/// A running server; stopped, hard, when dropped. Fails the test if the server ever panicked.
pub struct Server {
    /// Of the first gateway; also that of [`Server::url`].
    pub address: SocketAddr,
    /// Of all gateways.
    pub addresses: Addresses,
    pub contract: Contract,
    /// The gateways, then the worker; or the one process that is all.
    pub nodes: Vec<Node>,
    shape: Shape,
    migrated: bool,
    home: TempDir,
}

/// For names and addresses that this test process has not used yet.
static COUNT: AtomicU32 = AtomicU32::new(1);

/// The tests' defaults: no limit is in the way of a test that is not about it.
const SETTINGS: [(&str, &str); 11] = [
    ("SOCKEYE_CONTRACT", "direct-v1"),
    ("SALT_ROUNDS", "4"),
    ("SOCKEYE_LIMIT_SIGN_IN", "off"),
    ("SOCKEYE_LIMIT_REQUESTS", "off"),
    ("SOCKEYE_LIMIT_SIGN_UP", "off"),
    ("SOCKEYE_LIMIT_EVENTS", "off"),
    ("SOCKEYE_LIMIT_USER_EVENTS", "off"),
    ("SOCKEYE_LIMIT_SOCKETS_PER_USER", "100000"),
    ("SOCKEYE_LOG", "info"),
    ("SOCKEYE_LOG_FORMAT", "json"),
    ("RUST_BACKTRACE", "1"),
];

/// Name and command of the processes; gateways first.
const ALONE: [(&str, Option<&str>); 1] = [("sockeye", None)];
const CLUSTER: [(&str, Option<&str>); 3] =
    [("gateway-1", Some("serve")), ("gateway-2", Some("serve")), ("worker-1", Some("work"))];

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
        Self::shaped(Shape::chosen(), settings)
    }

    /// The same, of this shape whatever was chosen.
    pub fn shaped(shape: Shape, settings: &[(&str, &str)]) -> Self {
        // The HTTP client asks for one, though nothing here is encrypted. The only error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = tempfile::tempdir().expect("a temporary directory");
        let binary = own_binary(&home);
        let parts = if shape == Shape::Cluster { &CLUSTER[..] } else { &ALONE };
        let mut nodes: Vec<Node> = parts
            .iter()
            .map(|(name, role)| {
                let ((address, ops), settings, process) = (free_addresses(), vec![], None);
                let ops = if *role == Some("work") { address } else { ops };
                let (binary, home) = (binary.clone(), home.path().to_owned());
                Node { name, role: *role, address, ops, ulimit: None, settings, binary, home, process }
            })
            .collect();
        let gateways = nodes.iter().filter(|node| node.role != Some("work")).map(|node| node.address);
        let addresses = Addresses::of(gateways.collect());
        let (address, shared) = (addresses.all()[0], shape.settings(&own_name(home.path())));
        for node in &mut nodes {
            settings_of(node, shape, address);
            for (name, value) in &shared {
                node.set(name, Some(value));
            }
            for (name, value) in SETTINGS.iter().chain(settings) {
                node.set(name, Some(value));
            }
        }
        let direct = settings.contains(&("SOCKEYE_CONTRACT", "direct"));
        let contract = if direct { Contract::Direct } else { Contract::DirectV1 };
        Self { address, addresses, contract, nodes, shape, migrated: false, home }
    }

    /// Takes a setting away.
    pub fn without(mut self, name: &str) -> Self {
        self.nodes.iter_mut().for_each(|node| node.set(name, None));
        self
    }

    /// Starts (again) on the same data and the same addresses, and waits until it is ready.
    pub async fn run(&mut self) {
        if self.shape == Shape::Cluster && !self.migrated {
            let exit = self.command("migrate", &[]).await;
            assert!(exit.status.success(), "{exit:?}");
            // Once is enough, and three at once cost a test time.
            self.nodes.iter_mut().for_each(|node| node.set("SOCKEYE_MIGRATE_ON_START", Some("off")));
            self.migrated = true;
        }
        self.nodes.iter_mut().for_each(Node::spawn);
        for node in &mut self.nodes {
            node.ready().await;
        }
    }

    /// Starts (in a cluster: a gateway) and waits for the end, which is what is expected.
    pub async fn run_to_end(mut self) -> Exit {
        self.nodes.truncate(1);
        self.nodes[0].spawn();
        self.end().await
    }

    /// Runs `sockeye COMMAND` with the first process's settings, some of them changed or (`None`) taken away.
    pub async fn command(&self, command: &'static str, changes: &[(&str, Option<&str>)]) -> Exit {
        self.nodes[0].command(command, changes).await
    }

    /// `kill -9` of every process: no code of the server runs any more.
    pub async fn kill9(&mut self) {
        for node in &mut self.nodes {
            node.kill9().await;
        }
    }

    /// Asks it to stop, as an operator's supervisor does.
    pub fn sigterm(&self) {
        self.nodes.iter().for_each(Node::sigterm);
    }

    /// Waits until it has ended.
    pub async fn end(&mut self) -> Exit {
        let mut statuses = Vec::new();
        for node in &mut self.nodes {
            statuses.push(node.end().await);
        }
        let failed = statuses.iter().find(|status| !status.success());
        Exit { status: *failed.unwrap_or(&statuses[0]), said: self.log() }
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
        Dial::to(self.addresses.clone())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// On the first gateway's operations port.
    pub fn ops_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.nodes[0].ops)
    }

    /// In a cluster, that of the gateways, who share it for pictures.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// With which it signs tokens.
    pub fn jwt_secret(&self) -> String {
        let set = self.nodes[0].settings.iter().find(|(name, _)| name == "JWT_SECRET");
        set.map(|(_, value)| value.clone()).unwrap_or_else(|| {
            std::fs::read_to_string(self.data_dir().join("jwt_secret")).expect("kept there").trim().to_owned()
        })
    }

    /// Everything it has logged, over all its runs.
    pub fn log(&self) -> String {
        self.nodes.iter().map(Node::log).collect()
    }

    /// Resident memory of all processes that serve clients, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.nodes.iter().take(self.addresses.all().len()).map(Node::memory_bytes).sum()
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
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.never_panicked();
            return;
        }
        for node in &self.nodes {
            let log = node.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the log of {} ends with:", node.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// What differs from process to process. `public`: where people find pictures.
fn settings_of(node: &mut Node, shape: Shape, public: SocketAddr) {
    let (ip, port) = (node.address.ip().to_string(), node.address.port().to_string());
    let worker = node.role == Some("work");
    let data_dir = node.home.join(if worker { "worker" } else { "data" }).display().to_string();
    node.set("SOCKEYE_HOST", Some(&ip));
    node.set("SOCKEYE_OPS_PORT", Some(&node.ops.port().to_string()));
    if !worker {
        node.set("SERVER_PORT", Some(&port));
    }
    node.set("SOCKEYE_DATA_DIR", Some(&data_dir));
    if shape == Shape::Cluster {
        node.set("SOCKEYE_NODE_NAME", Some(node.name));
        node.set("SOCKEYE_PUBLIC_URL", Some(&format!("http://{public}")));
    }
}

/// For a topic, a database and keys of this server's own.
fn own_name(home: &Path) -> String {
    let random = home.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("story-{}-{count}-{}", std::process::id(), random.trim_start_matches('.'))
}

/// The binary that cargo built for these tests, or the one `SOCKEYE_TEST_BINARY` names (a release build, for instance).
/// A link of our own, so that a build that goes on meanwhile does not change the server between two of its runs.
fn own_binary(home: &TempDir) -> PathBuf {
    let built =
        text_setting("SOCKEYE_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_sockeye").to_owned());
    let (built, own) = (PathBuf::from(built), home.path().join("sockeye"));
    // Not possible across file systems; then the built one has to do.
    if std::fs::hard_link(&built, &own).is_ok() { own } else { built }
}

/// Two addresses of our own for every process, so that neither other tests nor the local ends of connections can take their
/// ports while it restarts. Where the system has only one loopback address, on that.
fn free_addresses() -> (SocketAddr, SocketAddr) {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [.., count] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let own = IpAddr::V4(Ipv4Addr::new(127, count, high, low.clamp(1, 254)));
    let listen = || {
        TcpListener::bind((own, 0))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("a free port")
    };
    let (one, other) = (listen(), listen());
    let address = |listener: &TcpListener| listener.local_addr().expect("a bound listener");
    (address(&one), address(&other))
}
