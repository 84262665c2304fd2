//! What the tests share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sockeye_core::{
    ports::{Clock, Entropy},
    time::Timestamp,
};

/// A clock that a test sets.
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn at(millis: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(millis)))
    }

    pub fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Never the same bytes twice, and the same in every run.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    }
}
