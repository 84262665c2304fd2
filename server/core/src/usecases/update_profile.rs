use crate::{
    Chat, ChatError,
    id::UserId,
    media::{MediaId, Picture},
    user::User,
};

/// What came of a new profile picture.
#[derive(Debug)]
pub struct PictureChange {
    pub user: User,
    /// The picture before, when it was brought here for the same purpose: nobody refers to it any more.
    pub replaced: Option<MediaId>,
}

impl Chat {
    /// Gives a user a new profile picture, from a data URL. When this returns, the store has it; then what it replaced may
    /// be deleted by [`Chat::delete_picture`].
    ///
    /// A crash in between, or two changes at the same time, leave a picture behind that nobody refers to: space is lost,
    /// nothing else.
    ///
    /// # Errors
    /// As [`crate::media::Image::from_data_url`]; `Quota` with code `picture_quota`; `NotFound` with code `user_gone`.
    pub async fn update_picture(&self, user: UserId, data_url: &str) -> Result<PictureChange, ChatError> {
        let image = self.read_image(data_url)?;
        let gone = || ChatError::NotFound { code: "user_gone", message: "User not found" };
        let before = self.ports.store.user(user).await?.ok_or_else(gone)?.picture;
        self.count_picture(user, &image).await?;
        let id = MediaId::of_profile(user, self.random(), image.kind);
        self.ports.blobs.put(&id, &image).await?;
        let updated = self.ports.store.set_picture(user, &Picture::Stored(id), self.now()).await?;
        let replaced = match before {
            Some(Picture::Stored(before)) if before.is_profile_of(user) => Some(before),
            _ => None,
        };
        Ok(PictureChange { user: updated.ok_or_else(gone)?, replaced })
    }

    /// Deletes a picture that nobody refers to any more.
    ///
    /// # Errors
    /// `Unavailable`: it may be there still.
    pub async fn delete_picture(&self, replaced: &MediaId) -> Result<(), ChatError> {
        Ok(self.ports.blobs.delete(replaced).await?)
    }
}
