use crate::{
    Chat, ChatError,
    media::{Image, MediaId, Picture},
};

impl Chat {
    /// Checks the picture in a data URL.
    ///
    /// # Errors
    /// As [`Image::from_data_url`].
    pub fn read_image(&self, data_url: &str) -> Result<Image, ChatError> {
        Image::from_data_url(data_url, self.bounds.image_bytes_max)
    }

    pub(crate) async fn keep_picture(&self, image: &Image) -> Result<Picture, ChatError> {
        let mut name = [0; 16];
        self.ports.entropy.fill(&mut name);
        let id = MediaId::new(name, image.kind);
        self.ports.blobs.put(&id, image).await?;
        Ok(Picture::Stored(id))
    }

    /// The bytes of a kept picture.
    ///
    /// # Errors
    /// `NotFound` with code `no_such_picture`.
    pub async fn picture(&self, id: &MediaId) -> Result<Vec<u8>, ChatError> {
        let none = ChatError::NotFound { code: "no_such_picture", message: "There is no such picture" };
        self.ports.blobs.get(id).await?.ok_or(none)
    }
}
