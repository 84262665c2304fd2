//! What one user may do on this node over all their sockets together.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sockeye_core::{
    id::UserId,
    limits::{Decision, Rule, Window},
    time::Timestamp,
};

/// The sockets and the events of each user with a proven socket here. Users are remembered as long as they have one.
pub struct UserLimits {
    sockets_max: usize,
    events: Rule,
    users: Mutex<HashMap<UserId, Usage>>,
}

#[derive(Default)]
struct Usage {
    sockets: usize,
    events: Window,
}

/// A socket's place among those of its user, given back when it is dropped.
pub struct UserSocket {
    limits: Arc<UserLimits>,
    user: UserId,
}

impl UserLimits {
    /// `sockets_max`: proven sockets of one user. `events`: how many events they may bring together.
    pub fn new(sockets_max: usize, events: Rule) -> Arc<Self> {
        Arc::new(Self { sockets_max, events, users: Mutex::default() })
    }

    /// Counts a socket of `user`. `None`: there are too many.
    pub fn enter(self: &Arc<Self>, user: UserId) -> Option<UserSocket> {
        let mut users = self.users();
        let usage = users.entry(user).or_default();
        if usage.sockets >= self.sockets_max {
            return None;
        }
        usage.sockets += 1;
        Some(UserSocket { limits: self.clone(), user })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Usage>> {
        // What is in there are numbers; a panic elsewhere leaves none of them half written.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserSocket {
    /// Counts an event of this socket's user.
    pub fn take(&self, now: Timestamp) -> Decision {
        self.limits.users().entry(self.user).or_default().events.take(&self.limits.events, now)
    }
}

impl Drop for UserSocket {
    fn drop(&mut self) {
        let mut users = self.limits.users();
        if let Some(usage) = users.get_mut(&self.user) {
            usage.sockets -= 1;
            if usage.sockets == 0 {
                users.remove(&self.user);
            }
        }
    }
}

impl fmt::Debug for UserLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLimits").field("sockets_max", &self.sockets_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sockeye_core::id::ObjectId;

    use super::*;

    fn limits() -> Arc<UserLimits> {
        UserLimits::new(2, Rule { name: "test", events_max: 3, window_ms: 1_000, block_ms: 0 })
    }

    fn user(byte: u8) -> UserId {
        UserId(ObjectId([byte; 12]))
    }

    #[test]
    fn a_user_has_so_many_sockets_and_others_have_theirs() {
        let limits = limits();
        let (one, _two) = (limits.enter(user(1)).unwrap(), limits.enter(user(1)).unwrap());
        assert!(limits.enter(user(1)).is_none());
        assert!(limits.enter(user(2)).is_some());
        drop(one);
        assert!(limits.enter(user(1)).is_some(), "a place is given back");
    }

    #[test]
    fn events_count_over_all_sockets_of_a_user() {
        let (limits, now) = (limits(), Timestamp::from_millis(10_000));
        let (one, two, other) =
            (limits.enter(user(1)).unwrap(), limits.enter(user(1)).unwrap(), limits.enter(user(2)).unwrap());
        assert_eq!([one.take(now), two.take(now), one.take(now)], [Decision::Allowed; 3]);
        assert_eq!(two.take(now), Decision::Refused { retry_after_ms: 1_000 });
        assert_eq!(other.take(now), Decision::Allowed);
    }

    #[test]
    fn nothing_is_kept_of_users_without_sockets() {
        let limits = limits();
        drop((limits.enter(user(1)), limits.enter(user(1)), limits.enter(user(1))));
        assert!(limits.users().is_empty());
    }
}
