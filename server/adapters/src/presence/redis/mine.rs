//! This node's users, and what Redis does not have of them yet.

use sockeye_core::{
    id::{DeviceId, UserId},
    presence::Roster,
};

/// Changes that wait for Redis; with more, everything is written again.
const CHANGES_LEN_MAX: usize = 1_024;

/// A user came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Came(UserId),
    Went(UserId),
}

/// The users online on this node. Each change makes a new version: the same version is the same set.
pub(super) struct Mine {
    roster: Roster,
    version: u64,
    /// Those after the version that was written last.
    changes: Vec<Change>,
    /// Redis has nothing, or nobody knows what.
    write_all: bool,
}

/// What to write next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// On top of version `version - changes.len()`; afterwards there are `len` users.
    Changes {
        version: u64,
        changes: Vec<Change>,
        len: usize,
    },
    Whole {
        version: u64,
        users: Vec<UserId>,
    },
}

impl Write {
    /// What Redis has afterwards.
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Changes { version, .. } | Self::Whole { version, .. } => *version,
        }
    }
}

impl Default for Mine {
    fn default() -> Self {
        Self { roster: Roster::default(), version: 0, changes: vec![], write_all: true }
    }
}

impl Mine {
    /// The new version, when this made the user come online.
    pub(super) fn connect(&mut self, user: UserId, device: DeviceId) -> Option<u64> {
        let came = self.roster.connect(user, device);
        came.then(|| self.change(Change::Came(user)))
    }

    /// The new version, when this made the user go offline.
    pub(super) fn disconnect(&mut self, user: UserId, device: DeviceId) -> Option<u64> {
        let went = self.roster.disconnect(user, device);
        went.then(|| self.change(Change::Went(user)))
    }

    pub(super) fn online(&self) -> Vec<UserId> {
        self.roster.online()
    }

    /// The next write is of everything.
    pub(super) fn write_all(&mut self) {
        self.write_all = true;
        self.changes = vec![];
    }

    /// Takes what waits.
    pub(super) fn next_write(&mut self) -> Write {
        let changes = std::mem::take(&mut self.changes);
        if std::mem::take(&mut self.write_all) {
            Write::Whole { version: self.version, users: self.roster.online() }
        } else {
            Write::Changes { version: self.version, changes, len: self.roster.len() }
        }
    }

    fn change(&mut self, change: Change) -> u64 {
        self.version += 1;
        if self.changes.len() == CHANGES_LEN_MAX {
            self.write_all();
        }
        if !self.write_all {
            self.changes.push(change);
        }
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_core::id::ObjectId;

    fn user(n: u8) -> UserId {
        UserId(ObjectId([n; 12]))
    }

    fn device(n: u8) -> DeviceId {
        DeviceId(ObjectId([n; 12]))
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut mine = Mine::default();
        assert_eq!(mine.connect(user(1), device(1)), Some(1));
        assert_eq!(mine.next_write(), Write::Whole { version: 1, users: vec![user(1)] });
        assert_eq!(mine.connect(user(1), device(2)), None);
        assert_eq!(mine.connect(user(2), device(3)), Some(2));
        assert_eq!(mine.disconnect(user(2), device(3)), Some(3));
        let changes = vec![Change::Came(user(2)), Change::Went(user(2))];
        assert_eq!(mine.next_write(), Write::Changes { version: 3, changes, len: 1 });
        assert_eq!(mine.next_write(), Write::Changes { version: 3, changes: vec![], len: 1 });
    }

    #[test]
    fn changes_that_wait_are_bounded() {
        let mut mine = Mine::default();
        mine.next_write();
        for _ in 0..CHANGES_LEN_MAX {
            mine.connect(user(1), device(1));
            mine.disconnect(user(1), device(1));
            assert!(mine.changes.len() <= CHANGES_LEN_MAX);
        }
        let version = 2 * CHANGES_LEN_MAX as u64;
        assert_eq!(mine.next_write(), Write::Whole { version, users: vec![] });
    }
}
