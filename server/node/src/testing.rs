//! A chat on the local adapters and a browser-like client of its routes, for the tests of this crate.

mod held_store;
mod live;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ::http::{HeaderMap, Request, StatusCode, header};
use axum::{Router, body::Body};
use cookie::SameSite;
use http_body_util::BodyExt;
use serde_json::Value;
use sockeye_adapters::{
    auth::{Bcrypt, Jwt},
    blobs::DirectoryBlobs,
    bus::LocalBus,
    limiter::LocalLimiter,
    log::embedded::{EmbeddedLog, EmbeddedLogOptions},
    presence::LocalPresence,
    store::sqlite::{SqliteStore, SqliteStoreOptions},
};
use sockeye_core::{
    Bounds, Chat, Ports,
    limits::Rule,
    ports::{Clock, Entropy},
    time::Timestamp,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::gateway::{
    Bodies, Gateway,
    contract::{Contract, Profile},
    http::{cookies::CookieRules, limits::AddressLimits, origin::ClientAddress},
};

pub use self::{
    held_store::HeldStore,
    live::{Live, Socket},
};

/// A data URL of a picture of one pixel.
pub const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// How the tests' clients reach us.
pub const BASE_URL: &str = "http://chat.test:5000";

/// Log-ins and sign-ups before the limit.
pub const SIGN_INS_MAX: u32 = 10;
/// Sign-ups before theirs.
pub const SIGN_UPS_MAX: u32 = 5;

/// One contract served, until it is dropped.
pub struct TestChat {
    pub gateway: Gateway,
    pub clock: Arc<TestClock>,
    pub store: Arc<HeldStore>,
    ports: Ports,
    routes: Router,
    storing: JoinHandle<()>,
    _data: TempDir,
}

impl TestChat {
    pub async fn serving(contract: &dyn Contract) -> Self {
        Self::bounded(contract, Bounds::default()).await
    }

    pub async fn bounded(contract: &dyn Contract, bounds: Bounds) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let clock = Arc::new(TestClock(AtomicU64::new(1_700_000_000_000)));
        let mut ports = ports(data.path(), clock.clone(), &contract.profile());
        let store_held = Arc::new(HeldStore::over(ports.store));
        ports.store = store_held.clone();
        let storing = tokio::spawn(store(ports.clone()));
        let rule = |name, events_max| Arc::new(Rule { name, events_max, window_ms: 86_400_000, block_ms: 0 });
        let limits = AddressLimits {
            limiter: ports.limiter.clone(),
            clock: clock.clone(),
            requests: rule("requests", u32::MAX),
            sign_in: rule("sign-in", SIGN_INS_MAX),
            sign_up: rule("sign-up", SIGN_UPS_MAX),
        };
        let gateway = Gateway {
            chat: Arc::new(Chat::new(ports.clone(), bounds)),
            profile: Arc::new(contract.profile()),
            cookies: CookieRules { secure: false, same_site: SameSite::Strict },
            limits,
            bodies: Bodies::new(10_000_000, 64_000_000),
            public_url: None,
        };
        let routes = contract.routes(gateway.clone());
        Self { gateway, clock, store: store_held, ports, routes, storing, _data: data }
    }

    pub fn browser(&self) -> Browser {
        self.browser_at([127, 0, 0, 1].into())
    }

    /// A browser with an address of its own.
    pub fn browser_at(&self, address: IpAddr) -> Browser {
        Browser { routes: self.routes.clone(), address, cookie: None }
    }
}

impl Drop for TestChat {
    fn drop(&mut self) {
        self.storing.abort();
    }
}

/// A page's side of REST: keeps the one cookie there is.
pub struct Browser {
    routes: Router,
    address: IpAddr,
    pub cookie: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, String::new()).await
    }

    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, body.to_string()).await
    }

    pub async fn put(&mut self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, body.to_string()).await
    }

    /// Sends the request and expects JSON, which every answer of every contract is.
    pub async fn ask(&mut self, method: &str, path: &str, body: String) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "chat.test:5000")
            .header(header::CONTENT_TYPE, "application/json")
            .extension(ClientAddress(self.address));
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.routes.clone().oneshot(request).await.expect("routes do not fail");
        let (head, body) = response.into_parts();
        if let Some(cookie) = head.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("cookies are ASCII").split(';').next().unwrap_or_default();
            self.cookie = Some(cookie.to_owned()).filter(|cookie| !cookie.ends_with('='));
        }
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            panic!("{method} {path}: {error}: {:?}", String::from_utf8_lossy(&bytes))
        });
        let status: StatusCode = head.status;
        Answer { status: status.as_u16(), headers: head.headers, body }
    }
}

/// Holds a contract to its table of routes: what is served is in it, and the other way round.
pub async fn routes_are_those_of_the_table(contract: &dyn Contract) {
    let chat = TestChat::serving(contract).await;
    let table = contract.profile().routes;
    // The router tells nobody its paths, but prints them.
    let printed = format!("{:?}", chat.routes);
    let served = printed.split('"').filter(|text| text.starts_with("/api/") && !text.contains("{*"));
    let served: BTreeSet<&str> = served.filter(|path| *path != "/api/").collect();
    let listed: BTreeSet<&str> = table.iter().map(|(_, path)| *path).collect();
    assert_eq!(served, listed);
    for (method, path) in table {
        let path = path.replace("{id}", "0123456789abcdef01234567");
        let answer = chat.browser().ask(method, &path, String::new()).await;
        assert!(!matches!(answer.status, 404 | 405), "{method} {path}: {answer:?}");
    }
}

/// Moves by a millisecond whenever it is read, so that everything has its own time.
#[derive(Debug)]
pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn advance_ms(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system gives random bytes");
    }
}

fn ports(dir: &std::path::Path, clock: Arc<dyn Clock>, profile: &Profile) -> Ports {
    let entropy = Arc::new(SystemEntropy);
    let log = EmbeddedLog::open(dir, clock.clone(), EmbeddedLogOptions::default());
    let store = SqliteStore::open(dir, clock.clone(), SqliteStoreOptions::default());
    let week_ms = 7 * 24 * 60 * 60 * 1000;
    Ports {
        log: Arc::new(log.expect("a log in a fresh directory")),
        store: Arc::new(store.expect("a store in a fresh directory")),
        bus: Arc::new(LocalBus::new(1000)),
        presence: Arc::new(LocalPresence::default()),
        limiter: Arc::new(LocalLimiter::new(100)),
        blobs: Arc::new(DirectoryBlobs::open(dir).expect("a folder in a fresh directory")),
        passwords: Arc::new(Bcrypt::new(4, 1, 3_000, entropy.clone()).expect("a small cost")),
        tokens: Arc::new(Jwt::new(b"a secret of the tests", week_ms, profile.user_claim, entropy.clone())),
        clock,
        entropy,
    }
}

/// What the worker does in the process: without it no history is ever complete.
async fn store(ports: Ports) {
    let mut consumer = ports.log.consumer().await.expect("a consumer");
    loop {
        let batch = consumer.next(100).await.expect("entries");
        ports.store.store_batch(&batch.entries, &batch.through).await.expect("stored");
        consumer.commit(&batch.through).await.expect("committed");
    }
}
