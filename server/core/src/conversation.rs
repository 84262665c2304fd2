//! Who talks with whom.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{GroupId, ParseIdError, UserId};

/// Names a conversation. A direct one is named by its two members, so existing databases, which keep no record of
/// direct conversations, need none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConversationId {
    /// Two people, the smaller id first; both the same when somebody writes to themselves.
    Direct(UserId, UserId),
    Group(GroupId),
}

impl ConversationId {
    pub fn direct(one: UserId, other: UserId) -> Self {
        if one <= other { Self::Direct(one, other) } else { Self::Direct(other, one) }
    }

    /// The other member of a direct conversation (oneself when writing to oneself); `None` for groups and strangers.
    pub fn peer_of(&self, user: UserId) -> Option<UserId> {
        match *self {
            Self::Direct(one, other) if one == user => Some(other),
            Self::Direct(one, other) if other == user => Some(one),
            _ => None,
        }
    }

    /// The log's partition key and the store's key: `d:<id>:<id>` or `g:<id>`.
    pub fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(one, other) => write!(f, "d:{one}:{other}"),
            Self::Group(id) => write!(f, "g:{id}"),
        }
    }
}

impl FromStr for ConversationId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text.split_once(':') {
            Some(("g", id)) => Ok(Self::Group(id.parse()?)),
            Some(("d", pair)) => {
                let (one, other) = pair.split_once(':').ok_or(ParseIdError)?;
                Ok(Self::direct(one.parse()?, other.parse()?))
            }
            _ => Err(ParseIdError),
        }
    }
}

impl Serialize for ConversationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConversationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A conversation and the people in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub id: ConversationId,
    /// Sorted, each once.
    pub members: Vec<UserId>,
}

impl Conversation {
    /// Two people talking; one, when they are the same.
    pub fn direct(one: UserId, other: UserId) -> Self {
        let mut members = vec![one, other];
        members.sort_unstable();
        members.dedup();
        Self { id: ConversationId::direct(one, other), members }
    }

    pub fn has(&self, user: UserId) -> bool {
        self.members.binary_search(&user).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    #[test]
    fn a_direct_conversation_has_one_name_from_either_side() {
        let (a, b) = (UserId(ObjectId([1; 12])), UserId(ObjectId([2; 12])));
        let id = ConversationId::direct(b, a);
        assert_eq!(id, ConversationId::direct(a, b));
        assert_eq!(id.key().parse(), Ok(id));
        assert_eq!(id.peer_of(a), Some(b));
        assert_eq!(id.peer_of(UserId(ObjectId([3; 12]))), None);
    }

    #[test]
    fn writing_to_oneself_is_a_conversation_of_one() {
        let a = UserId(ObjectId([1; 12]));
        assert_eq!(Conversation::direct(a, a).members, [a]);
        assert_eq!(ConversationId::direct(a, a).peer_of(a), Some(a));
    }
}
