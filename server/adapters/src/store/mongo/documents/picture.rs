use mongodb::bson::Bson;
use sockeye_core::media::Picture;

/// Between pictures and the addresses that documents hold.
#[derive(Debug, Clone)]
pub(in super::super) struct Pictures {
    /// `<public url>/media/`
    prefix: Option<String>,
}

impl Pictures {
    pub(in super::super) fn new(public_url: Option<String>) -> Self {
        Self { prefix: public_url.map(|url| format!("{}/media/", url.trim_end_matches('/'))) }
    }

    pub(in super::super) fn text(&self, picture: &Picture) -> String {
        match (picture, &self.prefix) {
            (Picture::Stored(id), Some(prefix)) => format!("{prefix}{id}"),
            _ => picture.to_string(),
        }
    }

    /// Ours is recognised in either form; `""`, null and what is no text are no picture.
    pub(in super::super) fn read(&self, value: Option<&Bson>) -> Option<Picture> {
        let text = value?.as_str()?;
        let name = self.prefix.as_deref().and_then(|prefix| text.strip_prefix(prefix));
        match name.map(str::parse) {
            Some(Ok(id)) => Some(Picture::Stored(id)),
            _ => Picture::parse(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_core::media::{ImageKind, MediaId};

    #[test]
    fn ours_are_stored_by_address_and_recognised_in_either_form() {
        let id = MediaId::new([7; 16], ImageKind::Png);
        let stored = Picture::Stored(id);
        let (with, without) = (Pictures::new(Some("https://h/".into())), Pictures::new(None));
        assert_eq!(with.text(&stored), format!("https://h/media/{id}"));
        assert_eq!(without.text(&stored), format!("sockeye-media:{id}"));
        for text in [with.text(&stored), without.text(&stored)] {
            assert_eq!(with.read(Some(&Bson::String(text))), Some(stored.clone()));
        }
        for other in ["https://h/media/x.png", "https://h/media/../x", "https://res.cloudinary.com/a.png"] {
            let external = Picture::External(other.into());
            assert_eq!(with.text(&external), other);
            assert_eq!(with.read(Some(&Bson::String(other.into()))), Some(external));
        }
        for none in [None, Some(Bson::Null), Some(Bson::String(String::new())), Some(Bson::Int32(1))] {
            assert_eq!(with.read(none.as_ref()), None);
        }
    }
}
