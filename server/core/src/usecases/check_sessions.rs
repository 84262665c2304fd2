use std::collections::{HashMap, HashSet};

use crate::{
    Chat, ChatError,
    id::UserId,
    session::{Proven, SessionId},
};

/// Why somebody may not stay connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The session was ended: by its log-out, or with all others of its user.
    SessionEnded,
    /// The account is gone.
    AccountGone,
}

impl Chat {
    /// Those of `proven` that may not stay, and why: as the store has it now. Two questions, however many they are; the caller
    /// bounds the number. Whether a token has expired is the owner's to know.
    pub async fn over(&self, proven: &[Proven]) -> Result<Vec<(Proven, Over)>, ChatError> {
        let sessions = distinct(proven.iter().filter_map(|one| one.session.map(|session| session.id)));
        let users: Vec<UserId> = distinct(proven.iter().map(|one| one.user));
        let ended: Vec<SessionId> =
            if sessions.is_empty() { vec![] } else { self.ports.store.ended_sessions(&sessions).await? };
        let ended: HashSet<SessionId> = ended.into_iter().collect();
        let accounts = if users.is_empty() { vec![] } else { self.ports.store.accounts(&users).await? };
        let accounts: HashMap<_, _> =
            accounts.into_iter().map(|account| (account.user, account.sessions_ended_through)).collect();
        users
            .iter()
            .filter(|user| !accounts.contains_key(user))
            .for_each(|&gone| self.acquaintance.forget(gone));
        let over = |one: &Proven| match (accounts.get(&one.user), one.session) {
            (None, _) => Some(Over::AccountGone),
            (Some(&through), Some(session)) if ended.contains(&session.id) || session.ended_by(through) => {
                Some(Over::SessionEnded)
            }
            _ => None,
        };
        Ok(proven.iter().filter_map(|one| Some((*one, over(one)?))).collect())
    }
}

fn distinct<T: std::hash::Hash + Eq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<HashSet<T>>().into_iter().collect()
}
