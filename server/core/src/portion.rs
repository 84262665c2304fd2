//! How much of a list one answer takes: texts differ in size by a factor of a thousand, so a number of them is no bound.

use crate::{media::Picture, message::Message, user::User};

/// The part of a list that an answer takes: it ends at a number of entries or of bytes, whichever is reached first, with
/// whole entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    pub len_max: usize,
    /// The entry that reaches it is the last one: so there always is one.
    pub bytes_max: usize,
}

impl Portion {
    /// So many, however large they are.
    pub fn of_len(len_max: usize) -> Self {
        Self { len_max, bytes_max: usize::MAX }
    }

    /// Counts what has been taken.
    pub fn filling(self) -> Filling {
        Filling { len_left: self.len_max, bytes_left: self.bytes_max.max(1) }
    }
}

/// A portion that is being taken.
#[derive(Debug)]
pub struct Filling {
    len_left: usize,
    bytes_left: usize,
}

impl Filling {
    pub fn is_full(&self) -> bool {
        self.len_left == 0 || self.bytes_left == 0
    }

    /// After an entry of this size was taken.
    pub fn add(&mut self, bytes: usize) {
        self.len_left = self.len_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }
}

/// Bytes of the keys, ids, dates and address of a picture beside the texts, as contracts write them.
const AROUND: usize = 500;

impl Message {
    /// About how many bytes it has in an answer.
    pub fn answer_bytes(&self) -> usize {
        let own_name = self.client_id.as_deref().map_or(0, json_bytes);
        // Elsewhere it may be a data URL, in old data.
        AROUND + json_bytes(&self.text) + own_name + picture_bytes(self.picture.as_ref())
    }
}

impl User {
    /// About how many bytes they have in an answer. Contracts may write a picture twice.
    pub fn answer_bytes(&self) -> usize {
        let picture = 2 * picture_bytes(self.picture.as_ref());
        AROUND + json_bytes(&self.name) + json_bytes(&self.email) + json_bytes(&self.bio) + picture
    }
}

/// Of one elsewhere: the address of one of ours is short.
fn picture_bytes(picture: Option<&Picture>) -> usize {
    match picture {
        Some(Picture::External(address)) => json_bytes(address),
        Some(Picture::Stored(_)) | None => 0,
    }
}

/// The length of a text in JSON: a control character takes six bytes.
fn json_bytes(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(of).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_portion_ends_at_the_entry_that_reaches_a_bound() {
        let taken = |len_max, bytes_max| {
            let mut filling = Portion { len_max, bytes_max }.filling();
            let mut taken = 0;
            while !filling.is_full() {
                filling.add(10);
                taken += 1;
            }
            taken
        };
        assert_eq!(taken(5, 1000), 5);
        assert_eq!(taken(5, 30), 3);
        assert_eq!(taken(5, 31), 4);
        assert_eq!((taken(5, 1), taken(5, 0), taken(0, 1000)), (1, 1, 0));
    }

    proptest! {
        #[test]
        fn texts_are_as_long_as_they_are_written(text in any::<String>()) {
            let written = serde_json::to_string(&text).expect("a text is JSON");
            prop_assert_eq!(json_bytes(&text), written.len() - 2);
        }
    }
}
