//! Places in the message log.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One entry's place in the log. Offsets are dense within a partition: the entry after `n` is `n + 1`, which is what
/// lets a reader notice a hole. A conversation lives in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    pub partition: u32,
    pub offset: u64,
}

impl Position {
    /// The place after this one in its partition.
    pub fn next(self) -> Self {
        Self { offset: self.offset + 1, ..self }
    }
}

/// How far something has read: the last offset seen, per partition. Written as `0:41,3:7` and given to clients as an
/// opaque text (Socket.IO connection state recovery's "offset").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cursor(BTreeMap<u32, u64>);

/// Partitions a cursor from outside may name.
const PARTITIONS_MAX: usize = 1024;

impl Cursor {
    /// Everything up to and including `position` has been seen.
    pub fn advance(&mut self, position: Position) {
        let seen = self.0.entry(position.partition).or_insert(position.offset);
        *seen = (*seen).max(position.offset);
    }

    /// Everything up to `other` has been seen too.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|position| self.advance(position));
    }

    /// The last offset seen in `partition`, or `None` when nothing of it was.
    pub fn offset(&self, partition: u32) -> Option<u64> {
        self.0.get(&partition).copied()
    }

    /// Whether `position` was seen.
    pub fn covers(&self, position: Position) -> bool {
        self.offset(position.partition).is_some_and(|seen| seen >= position.offset)
    }

    /// Whether everything up to `other` was seen.
    pub fn covers_all(&self, other: &Self) -> bool {
        other.iter().all(|position| self.covers(position))
    }

    pub fn iter(&self) -> impl Iterator<Item = Position> + '_ {
        self.0.iter().map(|(&partition, &offset)| Position { partition, offset })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Position> for Cursor {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut cursor = Self::default();
        positions.into_iter().for_each(|position| cursor.advance(position));
        cursor
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (partition, offset)) in self.0.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(f, "{comma}{partition}:{offset}")?;
        }
        Ok(())
    }
}

/// The text is no cursor this log could have given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is partition:offset pairs joined by commas")]
pub struct ParseCursorError;

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        let mut cursor = Self::default();
        if text.is_empty() {
            return Ok(cursor);
        }
        for pair in text.split(',').take(PARTITIONS_MAX + 1) {
            let (partition, offset) = pair.split_once(':').ok_or(ParseCursorError)?;
            let partition = partition.parse().map_err(|_| ParseCursorError)?;
            let offset = offset.parse().map_err(|_| ParseCursorError)?;
            let repeated = cursor.0.insert(partition, offset).is_some();
            if repeated || cursor.0.len() > PARTITIONS_MAX {
                return Err(ParseCursorError);
            }
        }
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_never_goes_back() {
        let mut cursor: Cursor = "0:5".parse().unwrap();
        cursor.advance(Position { partition: 0, offset: 3 });
        assert_eq!(cursor.offset(0), Some(5));
        assert!(cursor.covers(Position { partition: 0, offset: 5 }));
        assert!(!cursor.covers(Position { partition: 0, offset: 6 }));
        assert!(!cursor.covers(Position { partition: 1, offset: 0 }));
    }

    proptest! {
        #[test]
        fn text_of_a_cursor_parses_back(map in prop::collection::btree_map(any::<u32>(), any::<u64>(), 0..20)) {
            let cursor = Cursor(map);
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn any_text_parses_or_is_refused(text in "[0-9:,a-]{0,60}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
            }
        }
    }
}
