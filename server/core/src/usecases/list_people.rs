use crate::{
    Chat, ChatError,
    id::UserId,
    portion::Portion,
    user::{Person, User},
};

/// Which part of the list of people.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeoplePage {
    pub after: Option<UserId>,
    /// At most this many; never more than [`crate::Bounds::people_len_max`] and [`crate::Bounds::answer_bytes_max`].
    pub len_max: Option<usize>,
}

impl Chat {
    /// Everybody but the one who asks, in the order in which they signed up.
    pub async fn list_people(&self, viewer: UserId, page: PeoplePage) -> Result<Vec<Person>, ChatError> {
        let len_max = page.len_max.unwrap_or(usize::MAX).min(self.bounds.people_len_max);
        let portion = Portion { len_max, bytes_max: self.bounds.answer_bytes_max };
        Ok(self.as_others_see(self.ports.store.people_within(viewer, page.after, portion).await?))
    }

    /// Those with whom the one who asks has exchanged messages, latest first; counts every message that was acknowledged
    /// before the call (promise G5).
    pub async fn list_partners(&self, viewer: UserId) -> Result<Vec<Person>, ChatError> {
        let end = self.ports.log.end().await?;
        self.ports.store.wait_stored(&end).await?;
        let portion =
            Portion { len_max: self.bounds.people_len_max, bytes_max: self.bounds.answer_bytes_max };
        Ok(self.as_others_see(self.ports.store.partners_within(viewer, portion).await?))
    }

    fn as_others_see(&self, users: Vec<User>) -> Vec<Person> {
        users.into_iter().map(|user| Person::of(user, self.bounds.shows_emails)).collect()
    }
}
