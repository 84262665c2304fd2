//! Pictures: what is accepted, what is taken out of them, and how one is named.

mod data_url;
mod editor;
mod exif;
mod gif;
mod jpeg;
mod png;
#[cfg(test)]
mod tests;
mod webp;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{ChatError, id::UserId};

/// The kinds of picture that browsers show and that cannot carry script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageKind {
    Png,
    Jpeg,
    Gif,
    Webp,
}

impl ImageKind {
    const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Gif, Self::Webp];

    /// Looks at the first bytes; what the sender says it is does not count.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }
}

/// Width and height in pixels, neither of them 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    width: u32,
    height: u32,
}

impl Size {
    fn new(width: u32, height: u32) -> Option<Self> {
        (width > 0 && height > 0).then_some(Self { width, height })
    }

    /// What has room for both.
    fn or(self, other: Self) -> Self {
        Self { width: self.width.max(other.width), height: self.height.max(other.height) }
    }

    fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// How large a picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageBounds {
    /// As it is sent, decoded from base64.
    pub bytes_max: usize,
    /// Width times height, of all there is to see at a time. Whoever looks at it needs four bytes of memory for each.
    pub pixels_max: u64,
}

/// A picture's bytes, known to be of an accepted kind and size. What tells of the person who made it and is not needed to
/// show it (places, times, devices, comments, a smaller copy), and what lies behind its end, is gone.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    pub kind: ImageKind,
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

impl Image {
    /// Reads a `data:image/...;base64,...` URL (RFC 2397) as browsers do: white space, missing padding and escapes in
    /// base64 do not matter.
    ///
    /// # Errors
    /// As [`Image::from_bytes`]; `image_malformed` also for URLs of other schemes, which are refused, never fetched.
    pub fn from_data_url(url: &str, bounds: ImageBounds) -> Result<Self, ChatError> {
        let bytes = data_url::decode(url, bounds.bytes_max).map_err(|unread| match unread {
            data_url::Unread::Malformed => {
                ChatError::invalid("image_malformed", "The image is not a base64 data URL")
            }
            data_url::Unread::TooLarge => too_large(bounds.bytes_max),
        })?;
        Self::from_bytes(bytes, bounds)
    }

    /// Takes out what is not needed to show the picture; its pixels stay as they are, bit by bit.
    ///
    /// # Errors
    /// `Invalid` with code `image_type`, `image_malformed` when its beginning does not say how large it is, or
    /// `image_too_large` (in bytes or pixels).
    pub fn from_bytes(bytes: Vec<u8>, bounds: ImageBounds) -> Result<Self, ChatError> {
        if bytes.len() > bounds.bytes_max {
            return Err(too_large(bounds.bytes_max));
        }
        let kind =
            ImageKind::sniff(&bytes).ok_or_else(|| ChatError::invalid("image_type", other_type(&bytes)))?;
        let clean = match kind {
            ImageKind::Png => png::clean(bytes),
            ImageKind::Jpeg => jpeg::clean(bytes),
            ImageKind::Gif => gif::clean(bytes),
            ImageKind::Webp => webp::clean(bytes),
        };
        let damaged = || ChatError::invalid("image_malformed", "The image is damaged");
        let (size, bytes) = clean.ok_or_else(damaged)?;
        if size.pixels() > bounds.pixels_max {
            let Size { width, height } = size;
            let message =
                format!("The image has {width} x {height} pixels, more than {} in all", bounds.pixels_max);
            return Err(ChatError::invalid("image_too_large", message));
        }
        Ok(Self { kind, bytes })
    }
}

fn too_large(bytes_max: usize) -> ChatError {
    ChatError::invalid("image_too_large", format!("The image is larger than {bytes_max} bytes"))
}

/// Phones take pictures of kinds that few browsers show: who sends one is told what to do.
fn other_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => {
            "HEIC, HEIF and AVIF images are not accepted: save the picture as JPEG, and send that"
        }
        _ => "Only PNG, JPEG, GIF and WebP images are accepted",
    }
}

/// Names a stored picture: 32 random hexadecimal digits and the extension of its kind. Knowing it is being allowed to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MediaId {
    name: [u8; 16],
    pub kind: ImageKind,
}

impl MediaId {
    /// `name`: 16 random bytes.
    pub fn new(name: [u8; 16], kind: ImageKind) -> Self {
        Self { name, kind }
    }

    /// For the profile of this user: the last 4 of the 16 random bytes are made to show it.
    ///
    /// Other places can name a picture too: messages do, and an account can be made with any address, ours included. So a
    /// picture that is in somebody's profile need not be theirs; one that was named for it is, and goes with it.
    pub fn of_profile(user: UserId, mut name: [u8; 16], kind: ImageKind) -> Self {
        if let Some((random, mark)) = name.split_last_chunk_mut() {
            *mark = profile_mark(user, random);
        }
        Self { name, kind }
    }

    /// Whether it was named by [`MediaId::of_profile`] for this user.
    pub fn is_profile_of(&self, user: UserId) -> bool {
        self.name.split_last_chunk().is_some_and(|(random, mark)| *mark == profile_mark(user, random))
    }
}

fn profile_mark(user: UserId, random: &[u8]) -> [u8; 4] {
    let digest =
        Sha256::new().chain_update("profile\0").chain_update(user.0.0).chain_update(random).finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
    [a, b, c, d]
}

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, ".{}", self.kind.extension())
    }
}

/// The text names no picture that could have been stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a media name is 32 lower-case hexadecimal digits and .png, .jpg, .gif or .webp")]
pub struct ParseMediaError;

impl FromStr for MediaId {
    type Err = ParseMediaError;

    fn from_str(text: &str) -> Result<Self, ParseMediaError> {
        let (digits, extension) = text.split_once('.').ok_or(ParseMediaError)?;
        let kind =
            ImageKind::ALL.into_iter().find(|kind| kind.extension() == extension).ok_or(ParseMediaError)?;
        if digits.len() != 32 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ParseMediaError);
        }
        let name = u128::from_str_radix(digits, 16).map_err(|_| ParseMediaError)?;
        Ok(Self { name: name.to_be_bytes(), kind })
    }
}

/// A picture of a person or in a message: one of ours, or the address of one elsewhere (existing data).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// Shown under the address by which the viewer reaches us.
    Stored(MediaId),
    External(String),
}

const STORED_PREFIX: &str = "sockeye-media:";

impl Picture {
    /// The absolute address, given ours (`http://host:port`, no slash at the end).
    pub fn url(&self, base_url: &str) -> String {
        match self {
            Self::Stored(id) => format!("{base_url}/media/{id}"),
            Self::External(url) => url.clone(),
        }
    }

    /// As kept in a store: the inverse of [`Picture::to_string`]. An empty text is no picture.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(STORED_PREFIX).map(str::parse) {
            _ if text.is_empty() => None,
            Some(Ok(id)) => Some(Self::Stored(id)),
            _ => Some(Self::External(text.to_owned())),
        }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(id) => write!(f, "{STORED_PREFIX}{id}"),
            Self::External(url) => f.write_str(url),
        }
    }
}

impl Serialize for Picture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Picture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("an empty picture"))
    }
}
