use crate::{
    Chat, ChatError,
    media::{Image, MediaId, Picture},
    ports::Part,
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

    /// A part of a kept picture, from `offset` on; empty at its end.
    ///
    /// # Errors
    /// `NotFound` with code `no_such_picture`.
    pub async fn picture_part(&self, id: &MediaId, offset: u64) -> Result<Part, ChatError> {
        let none = ChatError::NotFound { code: "no_such_picture", message: "There is no such picture" };
        self.ports.blobs.part(id, offset).await?.ok_or(none)
    }
}
