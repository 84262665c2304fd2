//! The other nodes' users, as last read.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use sockeye_core::id::UserId;
use tokio::time::Instant;

use super::{mine::Change, scripts::News};

/// The users of every other node whose lease was alive when Redis last answered.
#[derive(Default)]
pub(super) struct Others {
    nodes: HashMap<String, Node>,
    answered_at: Option<Instant>,
    /// Users were forgotten, and nobody was told yet.
    forgot: bool,
}

pub(super) struct Node {
    version: u64,
    users: BTreeSet<UserId>,
}

impl Others {
    /// Nodes and the versions of their users that need not be read again.
    pub(super) fn known(&self) -> impl Iterator<Item = (&str, u64)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node.version))
    }

    /// Takes in an answer: every node that is alive, and what is new there.
    pub(super) fn update(&mut self, alive: Vec<(String, u64, News)>, now: Instant) {
        let mut before = std::mem::take(&mut self.nodes);
        for (name, version, news) in alive {
            let mut users = before.remove(&name).map(|node| node.users).unwrap_or_default();
            match news {
                News::None => {}
                News::Changes(changes) => changes.into_iter().for_each(|change| match change {
                    Change::Came(user) => drop(users.insert(user)),
                    Change::Went(user) => drop(users.remove(&user)),
                }),
                News::Whole(all) => users = all,
            }
            self.nodes.insert(name, Node { version, users });
        }
        self.answered_at = Some(now);
        metrics::gauge!("sockeye_presence_other_nodes")
            .set(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
    }

    /// Forgets everything when the last answer is older than a lease: it would have to be renewed since.
    pub(super) fn expire(&mut self, lease: Duration, now: Instant) {
        if self.answered_at.is_some_and(|at| now > at + lease) {
            let forgot = self.forgot || !self.is_empty();
            *self = Self { forgot, ..Self::default() };
            metrics::gauge!("sockeye_presence_other_nodes").set(0);
        }
    }

    /// Whether users were forgotten since this was asked last.
    pub(super) fn forgot(&mut self) -> bool {
        std::mem::take(&mut self.forgot)
    }

    fn is_empty(&self) -> bool {
        self.nodes.values().all(|node| node.users.is_empty())
    }

    /// Adds all to a sorted list, which stays sorted and has each once.
    pub(super) fn join(&self, online: &mut Vec<UserId>) {
        for node in self.nodes.values() {
            online.extend(&node.users);
        }
        // Few sorted runs, which this sort takes as they are.
        online.sort();
        online.dedup();
    }
}

#[cfg(test)]
mod tests {
    use sockeye_core::id::ObjectId;

    use super::*;

    fn users(numbers: &[u8]) -> Vec<UserId> {
        numbers.iter().map(|&n| UserId(ObjectId([n; 12]))).collect()
    }

    fn online(others: &Others, own: &[u8]) -> Vec<UserId> {
        let mut online = users(own);
        others.join(&mut online);
        online
    }

    #[test]
    fn changes_apply_to_what_is_known_and_the_dead_are_forgotten() {
        let mut others = Others::default();
        let whole = |numbers: &[u8]| News::Whole(users(numbers).into_iter().collect());
        others.update(vec![("a".into(), 3, whole(&[1, 3])), ("b".into(), 1, whole(&[3, 4]))], Instant::now());
        assert_eq!(online(&others, &[2, 4]), users(&[1, 2, 3, 4]));
        let [one, five] = [1, 5].map(|n| UserId(ObjectId([n; 12])));
        let changes = News::Changes(vec![Change::Went(one), Change::Came(five)]);
        others.update(vec![("a".into(), 5, changes), ("b".into(), 1, News::None)], Instant::now());
        assert_eq!(online(&others, &[]), users(&[3, 4, 5]));
        others.update(vec![("b".into(), 1, News::None)], Instant::now());
        assert_eq!(others.known().collect::<Vec<_>>(), [("b", 1)]);
        assert_eq!(online(&others, &[]), users(&[3, 4]));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let (mut others, lease, now) = (Others::default(), Duration::from_millis(9_000), Instant::now());
        others.update(vec![("a".into(), 1, News::Whole(users(&[1]).into_iter().collect()))], now);
        others.expire(lease, now + lease);
        assert!(!others.is_empty());
        others.expire(lease, now + lease + Duration::from_millis(1));
        assert!(others.is_empty());
        assert!(others.forgot());
        others.expire(lease, now + lease * 3);
        assert!(!others.forgot(), "once");
    }
}
