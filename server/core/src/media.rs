//! Pictures: what is accepted, and how one is named.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ChatError;

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

/// A picture's bytes, known to be of an accepted kind and size.
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
    /// Reads a `data:image/...;base64,...` URL (RFC 2397), as browsers' `FileReader` makes them.
    ///
    /// # Errors
    /// `Invalid` with code `image_malformed`, `image_type` or `image_too_large`. URLs of other schemes are refused, never fetched.
    pub fn from_data_url(url: &str, bytes_max: usize) -> Result<Self, ChatError> {
        let malformed = || ChatError::invalid("image_malformed", "The image is not a base64 data URL");
        let (header, data) =
            url.strip_prefix("data:").and_then(|rest| rest.split_once(',')).ok_or_else(malformed)?;
        if !header.ends_with(";base64") {
            return Err(malformed());
        }
        if data.len() / 4 * 3 > bytes_max.saturating_add(2) {
            return Err(too_large(bytes_max));
        }
        let bytes = STANDARD.decode(data.trim_end()).map_err(|_| malformed())?;
        if bytes.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        let kind = ImageKind::sniff(&bytes).ok_or_else(|| {
            ChatError::invalid("image_type", "Only PNG, JPEG, GIF and WebP images are accepted")
        })?;
        Ok(Self { kind, bytes })
    }
}

fn too_large(bytes_max: usize) -> ChatError {
    ChatError::invalid("image_too_large", format!("The image is larger than {bytes_max} bytes"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_png_data_url_is_read_whatever_it_claims_to_be() {
        let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(b"\x89PNG\r\n\x1a\nrest"));
        assert_eq!(Image::from_data_url(&url, 100).unwrap().kind, ImageKind::Png);
    }

    #[test]
    fn what_is_no_picture_is_refused_with_its_reason() {
        let code = |url: &str, max| Image::from_data_url(url, max).unwrap_err().code();
        let svg = format!("data:image/svg+xml;base64,{}", STANDARD.encode("<svg/>"));
        assert_eq!(code(&svg, 100), "image_type");
        assert_eq!(code("https://example.org/a.png", 100), "image_malformed");
        assert_eq!(code("data:image/png,plain", 100), "image_malformed");
        assert_eq!(code("data:image/png;base64,***", 100), "image_malformed");
        let long = format!("data:image/png;base64,{}", STANDARD.encode([0u8; 101]));
        assert_eq!(code(&long, 100), "image_too_large");
    }

    #[test]
    fn a_stored_picture_is_named_and_addressed() {
        let id = MediaId::new([0xab; 16], ImageKind::Jpeg);
        assert_eq!(id.to_string().parse(), Ok(id));
        let picture = Picture::Stored(id);
        assert_eq!(Picture::parse(&picture.to_string()), Some(picture.clone()));
        assert_eq!(picture.url("http://h:1"), format!("http://h:1/media/{id}"));
        assert_eq!(Picture::parse(""), None);
    }

    proptest! {
        #[test]
        fn media_names_never_leave_their_folder(text in ".{0,60}") {
            if let Ok(id) = text.parse::<MediaId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn any_data_url_is_read_or_refused(text in "(data:)?[a-z/;,=0-9+]{0,80}") {
            let _ = Image::from_data_url(&text, 40);
        }
    }
}
