//! Ports that measure what the core asks of them, so that the core knows nothing of metrics.

use std::sync::Arc;

use async_trait::async_trait;
use metrics::{Counter, Histogram, counter, histogram};
use sockeye_core::{
    Ports,
    message::Record,
    ports::{Appended, LogConsumer, LogError, LogTail, MessageLog, PasswordError, Passwords},
    position::Cursor,
};
use tokio::time::Instant;

/// The same ports, measured.
pub fn measured(mut ports: Ports) -> Ports {
    ports.log = Arc::new(MeasuredLog::new(ports.log));
    ports.passwords = Arc::new(MeasuredPasswords::new(ports.passwords));
    ports
}

/// Times what is appended.
pub struct MeasuredLog {
    log: Arc<dyn MessageLog>,
    latency: Histogram,
    failures: Counter,
}

impl MeasuredLog {
    pub fn new(log: Arc<dyn MessageLog>) -> Self {
        let latency = histogram!("sockeye_append_latency_seconds");
        Self { log, latency, failures: counter!("sockeye_append_failures_total") }
    }
}

#[async_trait]
impl MessageLog for MeasuredLog {
    async fn append(&self, record: &Record) -> Result<Appended, LogError> {
        let began = Instant::now();
        let appended = self.log.append(record).await;
        match &appended {
            Ok(_) => self.latency.record(began.elapsed()),
            Err(_) => self.failures.increment(1),
        }
        appended
    }

    async fn end(&self) -> Result<Cursor, LogError> {
        self.log.end().await
    }

    async fn tail(&self, after: &Cursor) -> Result<Box<dyn LogTail>, LogError> {
        self.log.tail(after).await
    }

    async fn consumer(&self) -> Result<Box<dyn LogConsumer>, LogError> {
        self.log.consumer().await
    }
}

/// Times hashing, and counts passwords that were wrong: only a log-in compares one.
pub struct MeasuredPasswords {
    passwords: Arc<dyn Passwords>,
    duration: Histogram,
    wrong: Counter,
}

impl MeasuredPasswords {
    pub fn new(passwords: Arc<dyn Passwords>) -> Self {
        let duration = histogram!("sockeye_password_duration_seconds");
        Self { passwords, duration, wrong: counter!("sockeye_sign_in_failures_total") }
    }
}

#[async_trait]
impl Passwords for MeasuredPasswords {
    async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let began = Instant::now();
        let hashed = self.passwords.hash(password).await;
        self.duration.record(began.elapsed());
        hashed
    }

    async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, PasswordError> {
        let began = Instant::now();
        let matches = self.passwords.verify(password, hash).await;
        self.duration.record(began.elapsed());
        if let Ok(false) = matches {
            self.wrong.increment(1);
        }
        matches
    }
}
