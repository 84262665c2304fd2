//! A database of one's own, dropped at the end.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use mongodb::{
    Client, Collection, Database,
    bson::{Document, oid::ObjectId},
};
use sockeye_adapters::{
    conformance::Fixture,
    store::mongo::{MongoSchema, MongoStore, MongoStoreOptions},
};
use sockeye_core::{id, ports::Store};

pub struct Mongo {
    pub name: String,
    schema: MongoSchema,
}

impl Mongo {
    pub fn new(schema: MongoSchema) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let random = RandomState::new().hash_one(NEXT.fetch_add(1, Ordering::SeqCst));
        Self { name: format!("sockeye_test_{random:016x}"), schema }
    }

    pub fn options(&self) -> MongoStoreOptions {
        MongoStoreOptions::new(self.uri(), self.schema)
    }

    pub async fn store(&self) -> MongoStore {
        self.store_with(self.options()).await
    }

    pub async fn store_with(&self, options: MongoStoreOptions) -> MongoStore {
        let store = MongoStore::open(options).await.expect("open");
        store.migrate().await.expect("migrate");
        store
    }

    /// What is really in the database.
    pub async fn database(&self) -> Database {
        let client = Client::with_uri_str(self.uri()).await.expect("a client");
        client.default_database().expect("its name is in the address")
    }

    pub async fn collection(&self, name: &str) -> Collection<Document> {
        self.database().await.collection(name)
    }

    fn uri(&self) -> String {
        let uri = address();
        let (hosts, options) = uri.split_once("/?").expect("mongodb://hosts/?options");
        format!("{hosts}/{}?{options}", self.name)
    }
}

/// # Panics
/// When there is no MongoDB to test on.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the servers are")]
pub fn address() -> String {
    std::env::var("SOCKEYE_TEST_MONGODB_URI").expect(
        "SOCKEYE_TEST_MONGODB_URI is not set: run this test by `scripts/services run mongo -- cargo test ...`",
    )
}

#[async_trait]
impl Fixture<dyn Store> for Mongo {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        let (uri, name) = (address(), self.name.clone());
        // Another thread: this one may be inside a runtime.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { Client::with_uri_str(uri).await?.database(&name).drop().await })
        });
        let dropped = dropping.join();
        assert!(std::thread::panicking() || matches!(dropped, Ok(Ok(()))), "{dropped:?}");
    }
}

pub fn oid(id: id::ObjectId) -> ObjectId {
    ObjectId::from_bytes(id.0)
}
