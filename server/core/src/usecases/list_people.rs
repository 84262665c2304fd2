use crate::{
    Chat, ChatError,
    id::UserId,
    user::{Person, User},
};

/// Which part of the list of people.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeoplePage {
    pub after: Option<UserId>,
    /// At most this many; never more than [`crate::Bounds::people_len_max`].
    pub len_max: Option<usize>,
}

impl Chat {
    /// Everybody but the one who asks, in the order in which they signed up.
    pub async fn list_people(&self, viewer: UserId, page: PeoplePage) -> Result<Vec<Person>, ChatError> {
        let len_max = page.len_max.unwrap_or(usize::MAX).min(self.bounds.people_len_max);
        Ok(self.as_others_see(self.ports.store.people(viewer, page.after, len_max).await?))
    }

    /// Those with whom the one who asks has exchanged messages, latest first; counts every message that was acknowledged
    /// before the call (promise G5).
    pub async fn list_partners(&self, viewer: UserId) -> Result<Vec<Person>, ChatError> {
        let end = self.ports.log.end().await?;
        self.ports.store.wait_stored(&end).await?;
        Ok(self.as_others_see(self.ports.store.partners(viewer, self.bounds.people_len_max).await?))
    }

    fn as_others_see(&self, users: Vec<User>) -> Vec<Person> {
        users.into_iter().map(|user| Person::of(user, self.bounds.shows_emails)).collect()
    }
}
