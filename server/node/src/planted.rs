//! Mistakes made on purpose, one at a time, chosen by `SOCKEYE_PLANTED_BUG`: a fault test that does not find them proves
//! nothing. Only in builds with the feature `planted-bugs`, which are for nothing else.

use std::sync::LazyLock;

static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "no setting of the server: ordinary builds do not have it")]
    std::env::var("SOCKEYE_PLANTED_BUG").ok()
});

/// Positions are committed before the store has confirmed them.
pub fn commit_before_store() -> bool {
    CHOSEN.as_deref() == Some("commit-before-store")
}

/// Every message is delivered to every device twice.
pub fn deliver_twice() -> bool {
    CHOSEN.as_deref() == Some("deliver-twice")
}
