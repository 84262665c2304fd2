//! Who is online: a user is, exactly while a device of theirs is connected (promise G6).

use std::collections::BTreeMap;

use crate::id::{DeviceId, UserId};

/// The devices connected, by user. A value: feed it with what happens, ask it who is there.
#[derive(Debug, Default)]
pub struct Roster {
    devices: BTreeMap<UserId, Vec<DeviceId>>,
}

impl Roster {
    /// Whether this made the user come online.
    pub fn connect(&mut self, user: UserId, device: DeviceId) -> bool {
        let devices = self.devices.entry(user).or_default();
        let new = !devices.contains(&device);
        if new {
            devices.push(device);
        }
        new && devices.len() == 1
    }

    /// Whether this made the user go offline.
    pub fn disconnect(&mut self, user: UserId, device: DeviceId) -> bool {
        let Some(devices) = self.devices.get_mut(&user) else { return false };
        devices.retain(|&other| other != device);
        let gone = devices.is_empty();
        if gone {
            self.devices.remove(&user);
        }
        gone
    }

    /// Everybody online, each once, in order of their ids.
    pub fn online(&self) -> Vec<UserId> {
        self.devices.keys().copied().collect()
    }

    /// How many are online.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    #[test]
    fn a_user_stays_online_until_the_last_device_is_gone() {
        let mut roster = Roster::default();
        let user = UserId(ObjectId([1; 12]));
        let (tab, phone) = (DeviceId(ObjectId([2; 12])), DeviceId(ObjectId([3; 12])));
        assert!(roster.connect(user, tab));
        roster.connect(user, phone);
        assert!(!roster.disconnect(user, tab));
        assert_eq!(roster.online(), [user]);
        assert!(roster.disconnect(user, phone));
        assert!(roster.online().is_empty());
    }

    #[test]
    fn a_repeated_or_unknown_disconnect_changes_nothing() {
        let mut roster = Roster::default();
        let user = UserId(ObjectId([1; 12]));
        assert!(!roster.disconnect(user, DeviceId(ObjectId([2; 12]))));
        assert!(roster.connect(user, DeviceId(ObjectId([2; 12]))));
        assert!(!roster.connect(user, DeviceId(ObjectId([2; 12]))));
        assert!(roster.disconnect(user, DeviceId(ObjectId([2; 12]))));
    }
}
