use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{id::UserId, time::Timestamp};

/// Accounts remembered.
const LEN_MAX: usize = 100_000;
/// After this the store is asked again whether an account still exists.
const FRESH_MS: u64 = 60_000;

/// Who is known to have an account: messages to them need no question to the store, and are accepted while it is away.
#[derive(Debug, Default)]
pub(crate) struct Acquaintance(Mutex<HashMap<UserId, Timestamp>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Fresh,
    /// Known a while ago: good enough when the store does not answer.
    Stale,
    No,
}

impl Acquaintance {
    pub(crate) fn ask(&self, user: UserId, now: Timestamp) -> Known {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&user) {
            Some(&met_at) if now.millis_since(met_at) < FRESH_MS => Known::Fresh,
            Some(_) => Known::Stale,
            None => Known::No,
        }
    }

    pub(crate) fn meet(&self, user: UserId, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= LEN_MAX && !known.contains_key(&user) {
            // Whoever is written to is soon known again.
            known.retain(|_, met_at| now.millis_since(*met_at) < FRESH_MS);
            if known.len() >= LEN_MAX {
                known.clear();
            }
        }
        known.insert(user, now);
    }

    pub(crate) fn forget(&self, user: UserId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    fn user(number: u32) -> UserId {
        let mut id = [0; 12];
        id[..4].copy_from_slice(&number.to_be_bytes());
        UserId(ObjectId(id))
    }

    #[test]
    fn an_account_is_known_for_a_while_and_remembered_for_longer() {
        let known = Acquaintance::default();
        let at = |ms: u64| Timestamp::from_millis(1_000_000 + ms);
        assert_eq!(known.ask(user(1), at(0)), Known::No);
        known.meet(user(1), at(0));
        assert_eq!(known.ask(user(1), at(FRESH_MS - 1)), Known::Fresh);
        assert_eq!(known.ask(user(1), at(FRESH_MS)), Known::Stale);
        known.forget(user(1));
        assert_eq!(known.ask(user(1), at(0)), Known::No);
    }

    #[test]
    fn the_number_of_acquaintances_is_bounded() {
        let known = Acquaintance::default();
        let now = Timestamp::from_millis(1);
        for number in 0..=u32::try_from(LEN_MAX).unwrap() {
            known.meet(user(number), now);
        }
        assert!(known.0.lock().unwrap().len() <= LEN_MAX);
    }
}
