//! Identifiers: 12 bytes written as 24 hexadecimal digits, as MongoDB's ObjectId, because existing apps and data use them.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// A 12-byte identifier: 4 bytes of seconds since 1970, 5 random bytes per process, 3 bytes of a counter
/// (MongoDB manual, "ObjectId").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub [u8; 12]);

/// The text is not 24 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 24 hexadecimal digits")]
pub struct ParseIdError;

impl FromStr for ObjectId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let digits = text.as_bytes();
        if digits.len() != 24 {
            return Err(ParseIdError);
        }
        let mut bytes = [0u8; 12];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand, in one write: lists of all ids go to every client.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 24];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub ObjectId);

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id!(
    /// A person with an account.
    UserId
);
id!(
    /// One message. Existing databases key messages by it.
    MessageId
);
id!(
    /// A conversation that is not direct.
    GroupId
);
id!(
    /// One connected client (a browser tab, a phone app). It outlives a reconnect when the client can prove who it was.
    DeviceId
);

impl MessageId {
    /// The id of a message that its client named: a retry with the same name by the same sender in the same
    /// conversation is the same message (promise G2), on whichever node it arrives and however much later.
    pub fn of_client(sender: UserId, conversation_key: &str, client_id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(sender.0.0);
        hash.update((conversation_key.len() as u64).to_be_bytes());
        hash.update(conversation_key);
        hash.update(client_id);
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0u8; 12];
        bytes.copy_from_slice(&digest[..12]);
        Self(ObjectId(bytes))
    }
}

/// Makes ids that are unique over processes and rise with time within one.
#[derive(Debug)]
pub struct IdMint {
    process: [u8; 5],
    counter: AtomicU32,
}

impl IdMint {
    /// `seed`: eight random bytes, new at every start of the process.
    pub fn new(seed: [u8; 8]) -> Self {
        let [a, b, c, d, e, x, y, z] = seed;
        Self { process: [a, b, c, d, e], counter: AtomicU32::new(u32::from_be_bytes([0, x, y, z])) }
    }

    pub fn mint(&self, now: Timestamp) -> ObjectId {
        let [_, _, _, _, s0, s1, s2, s3] = (now.as_millis() / 1000).to_be_bytes();
        let [_, c0, c1, c2] = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [p0, p1, p2, p3, p4] = self.process;
        ObjectId([s0, s1, s2, s3, p0, p1, p2, p3, p4, c0, c1, c2])
    }
}

fn hex_digit(digit: u8) -> Result<u8, ParseIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(ParseIdError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn minted_ids_rise_within_a_process_and_carry_the_second() {
        let mint = IdMint::new([1, 2, 3, 4, 5, 0, 0, 0]);
        let now = Timestamp::from_millis(1_700_000_000_123);
        let (first, second) = (mint.mint(now), mint.mint(now));
        assert!(first < second);
        assert_eq!(first.to_string(), "6553f1000102030405000000");
    }

    #[test]
    fn a_client_named_message_has_one_id_per_sender_conversation_and_name() {
        let sender = UserId(ObjectId([1; 12]));
        let id = MessageId::of_client(sender, "d:a:b", "one");
        assert_eq!(id, MessageId::of_client(sender, "d:a:b", "one"));
        assert_ne!(id, MessageId::of_client(UserId(ObjectId([2; 12])), "d:a:b", "one"));
        assert_ne!(id, MessageId::of_client(sender, "d:a:c", "one"));
        assert_ne!(id, MessageId::of_client(sender, "d:a:b", "two"));
        assert_ne!(MessageId::of_client(sender, "ab", "c"), MessageId::of_client(sender, "a", "bc"));
    }

    proptest! {
        #[test]
        fn text_of_an_id_parses_back(bytes in any::<[u8; 12]>()) {
            prop_assert_eq!(ObjectId(bytes).to_string().parse(), Ok(ObjectId(bytes)));
        }

        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,40}") {
            let hex = text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit());
            prop_assert_eq!(text.parse::<ObjectId>().is_ok(), hex);
        }
    }
}
