//! A real Kafka for tests.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use async_trait::async_trait;
use sockeye_adapters::{
    conformance::Fixture,
    log::kafka::{KafkaAdmin, KafkaLog, KafkaLogOptions},
};
use sockeye_core::{
    message::Entry,
    ports::{Batch, LogConsumer, LogTail, MessageLog},
    position::Position,
};
use tokio::sync::OnceCell;

/// A setting of the test run, which `scripts/services` makes.
pub fn setting(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests' own settings are no part of the server's configuration"
    )]
    let value = std::env::var(name);
    value.unwrap_or_else(|_| {
        panic!("{name} is not set; real servers are needed: start them with scripts/services run -- cargo test ...")
    })
}

/// A topic and a group of its own.
pub struct Kafka {
    pub options: KafkaLogOptions,
    created: OnceCell<()>,
}

impl Kafka {
    pub fn new(partitions: u32) -> Self {
        let name = format!("test-{:016x}", RandomState::new().build_hasher().finish());
        let mut options = KafkaLogOptions::new(setting("SOCKEYE_TEST_KAFKA_BROKERS"), name.clone(), name);
        options.partitions = partitions;
        options.replication = Some(1);
        options.session_ms = 6_000;
        // Machines that run tests are slow.
        options.deadline_ms = 30_000;
        options.answer_after_ms = 30_000;
        Self { options, created: OnceCell::new() }
    }

    pub async fn create(&self) {
        self.created
            .get_or_init(async || {
                let admin = KafkaAdmin::open(self.options.clone()).expect("settings");
                admin.migrate().await.expect("topics");
            })
            .await;
    }

    pub async fn log(&self) -> Arc<KafkaLog> {
        self.create().await;
        Arc::new(KafkaLog::open(self.options.clone()).expect("settings"))
    }
}

#[async_trait]
impl Fixture<dyn MessageLog> for Kafka {
    async fn open(&self) -> Arc<dyn MessageLog> {
        self.log().await
    }
}

pub fn positions(entries: &[Entry]) -> Vec<Position> {
    entries.iter().map(|entry| entry.position).collect()
}

/// The next `count` entries.
pub async fn follow(tail: &mut dyn LogTail, count: usize) -> Vec<Entry> {
    let mut entries = vec![];
    while entries.len() < count {
        entries.extend(tail.next(count - entries.len()).await.expect("entries"));
    }
    entries
}

/// The next batch that has entries.
pub async fn next(consumer: &mut dyn LogConsumer, len_max: usize) -> Batch {
    loop {
        let batch = consumer.next(len_max).await.expect("a batch");
        if !batch.entries.is_empty() {
            return batch;
        }
    }
}
