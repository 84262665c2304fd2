//! The suites, on the local adapters.

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use sockeye_adapters::{
    auth::{Bcrypt, Jwt},
    blobs::DirectoryBlobs,
    bus::LocalBus,
    conformance::Fixture,
    limiter::LocalLimiter,
    log::embedded::{EmbeddedLog, EmbeddedLogOptions},
    presence::LocalPresence,
    store::sqlite::{SqliteStore, SqliteStoreOptions},
};
use sockeye_core::ports::{Blobs, Bus, Limiter, MessageLog, Passwords, Presence, Store, Tokens};
use support::{Counting, ManualClock};
use tempfile::TempDir;

/// A directory; each adapter finds its own files in it.
struct Local(TempDir, Arc<Counting>);

impl Local {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"), Arc::default())
    }
}

macro_rules! fixture {
    ($port:ident, |$local:ident| $open:expr) => {
        #[async_trait]
        impl Fixture<dyn $port> for Local {
            async fn open(&self) -> Arc<dyn $port> {
                let $local = self;
                Arc::new($open)
            }
        }
    };
}

fixture!(MessageLog, |local| {
    EmbeddedLog::open(local.0.path(), ManualClock::at(0), EmbeddedLogOptions::default()).expect("open")
});
fixture!(Store, |local| {
    SqliteStore::open(local.0.path(), ManualClock::at(0), SqliteStoreOptions::default()).expect("open")
});
fixture!(Bus, |_local| LocalBus::new(64));
fixture!(Presence, |_local| LocalPresence::default());
fixture!(Limiter, |_local| LocalLimiter::new(1_000));
fixture!(Blobs, |local| DirectoryBlobs::open(local.0.path()).expect("open"));
fixture!(Passwords, |local| Bcrypt::new(4, 2, 3_000, local.1.clone()).expect("start"));
fixture!(Tokens, |local| Jwt::new(b"a secret", 3_600_000, "userId", local.1.clone()));

mod log {
    use super::Local;
    sockeye_adapters::log_suite!(Local::new());
}
mod store {
    use super::Local;
    sockeye_adapters::store_suite!(Local::new());
}
mod bus {
    use super::Local;
    sockeye_adapters::bus_suite!(Local::new());
}
mod presence {
    use super::Local;
    sockeye_adapters::presence_suite!(Local::new());
}
mod limiter {
    use super::Local;
    sockeye_adapters::limiter_suite!(Local::new());
}
mod blobs {
    use super::Local;
    sockeye_adapters::blobs_suite!(Local::new());
}
mod passwords {
    use super::Local;
    sockeye_adapters::passwords_suite!(Local::new());
}
mod tokens {
    use super::Local;
    sockeye_adapters::tokens_suite!(Local::new());
}

/// A check that no macro names would never run.
#[test]
fn every_check_is_in_its_suite() {
    let suite = |checks: &str, list: &str| {
        let names = checks.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
        let mut count = 0;
        for name in names {
            assert!(list.contains(&format!("{name},")), "{name} is not in the suite");
            count += 1;
        }
        assert!(count > 0);
    };
    macro_rules! own_list {
        ($($file:literal),*) => { $({
            let text = include_str!(concat!("../src/conformance/", $file));
            suite(text, text);
        })* };
    }
    own_list!("blobs.rs", "bus.rs", "limiter.rs", "log.rs", "passwords.rs", "presence.rs", "tokens.rs");
    let store = include_str!("../src/conformance/store/mod.rs");
    suite(include_str!("../src/conformance/store/messages.rs"), store);
    suite(include_str!("../src/conformance/store/sessions.rs"), store);
    suite(include_str!("../src/conformance/store/users.rs"), store);
}
