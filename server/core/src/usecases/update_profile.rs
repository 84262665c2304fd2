use crate::{Chat, ChatError, id::UserId, user::User};

impl Chat {
    /// Gives a user a new profile picture, from a data URL.
    ///
    /// # Errors
    /// As [`crate::media::Image::from_data_url`]; `NotFound` with code `user_gone`.
    pub async fn update_picture(&self, user: UserId, data_url: &str) -> Result<User, ChatError> {
        let picture = self.keep_picture(&self.read_image(data_url)?).await?;
        let gone = ChatError::NotFound { code: "user_gone", message: "User not found" };
        self.ports.store.set_picture(user, &picture, self.now()).await?.ok_or(gone)
    }
}
