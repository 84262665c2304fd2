use crate::{
    Chat, ChatError,
    id::UserId,
    limits::{Decision, Rule},
    media::{Image, MediaId, Picture},
    ports::Part,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// What pictures are counted in: counters are small numbers.
const KIB: u64 = 1_024;

impl Chat {
    /// Checks the picture in a data URL.
    ///
    /// # Errors
    /// As [`Image::from_data_url`].
    pub fn read_image(&self, data_url: &str) -> Result<Image, ChatError> {
        Image::from_data_url(data_url, self.bounds.image)
    }

    /// Keeps the picture of a message.
    pub(crate) async fn keep_picture(&self, sender: UserId, image: &Image) -> Result<Picture, ChatError> {
        self.count_picture(sender, image).await?;
        let id = MediaId::new(self.random(), image.kind);
        self.ports.blobs.put(&id, image).await?;
        Ok(Picture::Stored(id))
    }

    /// # Errors
    /// `Quota` with code `picture_quota`, when the user has brought as much within a day as is allowed.
    pub(crate) async fn count_picture(&self, user: UserId, image: &Image) -> Result<(), ChatError> {
        let kib = |bytes: u64| u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX);
        let rule = Rule {
            name: "picture_bytes",
            events_max: kib(self.bounds.picture_bytes_per_day_max),
            window_ms: DAY_MS,
            block_ms: 0,
        };
        let size = kib(image.bytes.len().try_into().unwrap_or(u64::MAX));
        match self.ports.limiter.take_many(&rule, &user.to_string(), size, self.now()).await? {
            Decision::Allowed => Ok(()),
            Decision::Refused { retry_after_ms } => Err(ChatError::Quota {
                code: "picture_quota",
                message: "You have sent as many pictures as you may within a day",
                retry_after_ms,
            }),
        }
    }

    pub(crate) fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.ports.entropy.fill(&mut bytes);
        bytes
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
