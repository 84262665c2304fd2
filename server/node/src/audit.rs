//! The audit log: one line for each security decision, under the target `sockeye::audit`, so that it can be kept apart
//! and longer than other logs. A line names who was concerned by address, user and digests; never by a secret, a token or
//! an e-mail address.

use std::{
    fmt,
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use sockeye_core::{id::UserId, session::SessionId};

/// What was decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    SignUp,
    LogIn,
    LogOut,
    /// A live session was ended by the server: revoked, expired, or its account is gone.
    SessionEnd,
    /// A socket's proof of identity.
    Socket,
    /// A request that changes state, by the page it came from.
    Origin,
    /// A rate or size limit.
    Limit,
}

const ACT_COUNT: usize = 7;

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::LogIn => "log_in",
            Self::LogOut => "log_out",
            Self::SessionEnd => "session_end",
            Self::Socket => "socket",
            Self::Origin => "origin",
            Self::Limit => "limit",
        }
    }
}

/// How it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    Refused,
}

/// Who was concerned, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    pub address: Option<IpAddr>,
    pub user: Option<UserId>,
    /// The e-mail address that was given. Only a digest of it is written.
    pub account: Option<&'a str>,
    pub session: Option<SessionId>,
}

/// Writes the line. `reason` is a fixed code such as `bad_credentials`; empty when there is nothing to add.
///
/// At most [`LINES_MAX`] lines in [`WINDOW`] are written for one act and outcome; the next line after that says how many
/// were left out, so that an attack does not fill the disk and is still seen.
pub fn record(act: Act, outcome: Outcome, reason: &'static str, subject: Subject<'_>) {
    let budget = &BUDGETS[act as usize * 2 + usize::from(outcome == Outcome::Refused)];
    // A thread that panicked while it held the lock left a number behind, nothing that could be broken.
    let left_out = budget.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(Instant::now());
    let Some(left_out) = left_out else { return };
    tracing::info!(
        target: "sockeye::audit",
        act = act.name(),
        outcome = if outcome == Outcome::Allowed { "allowed" } else { "refused" },
        reason = (!reason.is_empty()).then_some(reason),
        address = subject.address.map(tracing::field::display),
        user = subject.user.map(tracing::field::display),
        account = subject.account.map(|email| tracing::field::display(Hex(digest(email)))),
        session = subject.session.map(|session| tracing::field::display(Hex(session.0[..8].to_vec()))),
        left_out = (left_out > 0).then_some(left_out),
        "audit"
    );
}

/// Lines for one act and outcome in one [`WINDOW`].
const LINES_MAX: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);

static BUDGETS: [Mutex<Budget>; ACT_COUNT * 2] = [const { Mutex::new(Budget::NEW) }; ACT_COUNT * 2];

struct Budget {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Budget {
    const NEW: Self = Self { since: None, written: 0, left_out: 0 };

    /// Whether a line may be written, and how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written == LINES_MAX {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Enough to find the lines of one account, too little to be looked up in a table of digests of whole addresses.
fn digest(email: &str) -> Vec<u8> {
    Sha256::digest(email.trim().to_lowercase())[..8].to_vec()
}

struct Hex(Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_instead_of_written() {
        let (mut budget, start) = (Budget::NEW, Instant::now());
        assert!((0..LINES_MAX).all(|_| budget.take(start) == Some(0)));
        assert!((0..7).all(|_| budget.take(start + WINDOW / 2).is_none()));
        assert_eq!(budget.take(start + WINDOW), Some(7), "the first line afterwards tells of the rest");
        assert_eq!(budget.take(start + WINDOW), Some(0));
    }

    #[test]
    fn an_account_is_told_by_a_digest_that_does_not_depend_on_how_it_was_typed() {
        let shown = |email: &str| Hex(digest(email)).to_string();
        assert_eq!(shown(" Ana@Example.org"), shown("ana@example.org"));
        assert_ne!(shown("ana@example.org"), shown("bob@example.org"));
        assert_eq!(shown("ana@example.org").len(), 16);
    }
}
