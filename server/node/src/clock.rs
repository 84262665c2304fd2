//! Time and randomness: the only place that asks the system for either.

use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_core::{
    ports::{Clock, Entropy},
    time::Timestamp,
};

/// The system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The system's secure random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness no id and no token is safe to make.
        #[expect(
            clippy::expect_used,
            reason = "the system's random source fails only before the system is up"
        )]
        getrandom::fill(bytes).expect("the system's random source works");
    }
}
