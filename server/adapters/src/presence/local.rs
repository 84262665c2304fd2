use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sockeye_core::{
    id::{DeviceId, UserId},
    ports::{Presence, PresenceError},
    presence::Roster,
};

/// [`Presence`] in a single process: when it dies, so does the roster.
#[derive(Debug, Default)]
pub struct LocalPresence {
    roster: Mutex<Roster>,
}

impl LocalPresence {
    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Presence for LocalPresence {
    async fn connect(&self, user: UserId, device: DeviceId) -> Result<(), PresenceError> {
        self.roster().connect(user, device);
        Ok(())
    }

    async fn disconnect(&self, user: UserId, device: DeviceId) -> Result<(), PresenceError> {
        self.roster().disconnect(user, device);
        Ok(())
    }

    async fn online(&self) -> Result<Vec<UserId>, PresenceError> {
        Ok(self.roster().online())
    }
}
