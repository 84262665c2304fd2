//! Connection state recovery: which device is returning, and from where it lost us.
//!
//! socket.io-client 4.6 and later remembers the `pid` of the CONNECT answer and the last argument of every event when it is
//! a text ("offset"), and sends both when it reconnects. Our `pid` names the device, its user and where in the log it joined,
//! and is signed, and the offset is a place in the log, so that recovery needs no memory here: it works after a restart and
//! on any node.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sockeye_core::{
    id::{DeviceId, ObjectId, UserId},
    position::{Cursor, Position},
};

/// Makes and reads `pid`s.
#[derive(Clone)]
pub struct RecoveryKey {
    key: [u8; 32],
    /// Of the secrets before this one: what they signed is read still.
    previous: Vec<[u8; 32]>,
}

/// A device that says it was here before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returning {
    pub user: UserId,
    pub device: DeviceId,
    /// The last place in the log that it saw; at least where it joined.
    pub seen: Cursor,
}

/// What a `pid` says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pid {
    user: UserId,
    device: DeviceId,
    /// Everything up to here was not for the device: it joined then. Absent when it was not to be told, and in `pid`s of
    /// earlier versions.
    joined_at: Option<Cursor>,
}

const TAG_LEN: usize = 16;
const IDS_LEN: usize = 12 + 12;
/// Begins a `pid` with a place; one without is the ids and the tag, as it always was, which is shorter than any with one.
const WITH_PLACE: u8 = 1;
/// A place of more bytes is left out: `pid`s travel with every CONNECT. Enough for a hundred partitions.
const PLACE_BYTES_MAX: usize = 600;
/// Of the text of the longest `pid`.
const TEXT_BYTES_MAX: usize = (1 + IDS_LEN + PLACE_BYTES_MAX + TAG_LEN).div_ceil(3) * 4;

impl RecoveryKey {
    /// Derived from the secret that signs tokens, so that all nodes agree.
    pub fn derive(jwt_secret: &str) -> Self {
        let mut mac = new_mac(jwt_secret.as_bytes());
        mac.update(b"sockeye connection state recovery");
        Self { key: mac.finalize().into_bytes().into(), previous: vec![] }
    }

    /// Reads what was signed with one of these secrets too.
    #[must_use]
    pub fn with_previous(self, jwt_secrets: &[String]) -> Self {
        Self { previous: jwt_secrets.iter().map(|secret| Self::derive(secret).key).collect(), ..self }
    }

    /// A new name for a device of `user`. `joined_at`: up to where the log was delivered when it joined; `None` keeps that from
    /// the client, which can then return only with the place of an event.
    pub fn pid(&self, user: UserId, device: DeviceId, joined_at: Option<&Cursor>) -> String {
        let place = joined_at.map(place_to).filter(|place| place.len() <= PLACE_BYTES_MAX);
        let mut bytes = Vec::with_capacity(1 + IDS_LEN + TAG_LEN + place.as_ref().map_or(0, Vec::len));
        bytes.extend(place.is_some().then_some(WITH_PLACE));
        bytes.extend(device.0.0);
        bytes.extend(user.0.0);
        bytes.extend(place.unwrap_or_default());
        let tag = mac(&self.key, &bytes).finalize().into_bytes();
        bytes.extend(&tag[..TAG_LEN]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` when it is not one of ours.
    fn read(&self, pid: &str) -> Option<Pid> {
        let bytes = Some(pid).filter(|pid| pid.len() <= TEXT_BYTES_MAX)?;
        let bytes = URL_SAFE_NO_PAD.decode(bytes).ok()?;
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_LEN)?)?;
        let is_signed = |key: &&[u8; 32]| mac(key, signed).verify_truncated_left(tag).is_ok();
        std::iter::once(&self.key).chain(&self.previous).find(is_signed)?;
        let (ids, place) = match signed.len() {
            IDS_LEN => (signed, None),
            _ => {
                let (version, rest) = signed.split_first()?;
                let (ids, place) =
                    Some(rest).filter(|_| *version == WITH_PLACE)?.split_at_checked(IDS_LEN)?;
                (ids, Some(place_from(place)?))
            }
        };
        let (device, user) = ids.split_at(IDS_LEN / 2);
        let id = |bytes: &[u8]| bytes.try_into().ok().map(ObjectId);
        Some(Pid { user: UserId(id(user)?), device: DeviceId(id(device)?), joined_at: place })
    }

    /// What the CONNECT payload's `pid` and `offset` say; `None` when they are not ours, or do not say from where.
    ///
    /// A client that got no event since it joined has no offset of this connection; it may still have one from before that.
    pub fn returning(&self, auth: &Value) -> Option<Returning> {
        let Pid { user, device, joined_at } = self.read(auth.get("pid")?.as_str()?)?;
        let seen = match (auth.get("offset"), joined_at) {
            (None, joined_at) => joined_at?,
            (Some(offset), joined_at) => {
                let mut seen: Cursor = offset.as_str()?.parse().ok()?;
                seen.merge(&joined_at.unwrap_or_default());
                seen
            }
        };
        Some(Returning { user, device, seen })
    }
}

fn mac(key: &[u8; 32], data: &[u8]) -> Hmac<Sha256> {
    let mut mac = new_mac(key);
    mac.update(data);
    mac
}

/// Partitions and offsets, in turn, as numbers of as few bytes as they need (LEB128).
fn place_to(place: &Cursor) -> Vec<u8> {
    let mut bytes = vec![];
    for Position { partition, offset } in place.iter() {
        for mut number in [u64::from(partition), offset] {
            while number >= 0x80 {
                bytes.push(number.to_le_bytes()[0] | 0x80);
                number >>= 7;
            }
            bytes.push(number.to_le_bytes()[0]);
        }
    }
    bytes
}

fn place_from(bytes: &[u8]) -> Option<Cursor> {
    let mut rest = bytes.iter().copied();
    let mut place = Cursor::default();
    while rest.len() > 0 {
        let partition = u32::try_from(number_from(&mut rest)?).ok()?;
        place.advance(Position { partition, offset: number_from(&mut rest)? });
    }
    Some(place)
}

fn number_from(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

fn new_mac(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn ids() -> (UserId, DeviceId) {
        (UserId(ObjectId([1; 12])), DeviceId(ObjectId([2; 12])))
    }

    fn cursor(text: &str) -> Cursor {
        text.parse().unwrap()
    }

    #[test]
    fn a_device_is_recognised_by_what_it_was_given() {
        let (user, device) = ids();
        let key = RecoveryKey::derive("secret");
        let with = |joined_at: Option<&str>, offset: Option<&str>| {
            let pid = key.pid(user, device, joined_at.map(cursor).as_ref());
            let mut auth = json!({ "pid": pid, "token": "x" });
            if let Some(offset) = offset {
                auth["offset"] = offset.into();
            }
            let returning = key.returning(&auth)?;
            assert_eq!((returning.user, returning.device), (user, device));
            Some(returning.seen.to_string())
        };
        for (joined_at, offset, seen) in [
            (None, Some("0:7"), Some("0:7")),
            (None, Some(""), Some("")),
            (None, None, None),
            // Before the first event it goes on from where it joined, also on a log that was empty then.
            (Some("0:5,2:9"), None, Some("0:5,2:9")),
            (Some(""), None, Some("")),
            (Some("0:5,2:9"), Some("0:7,1:3,2:9"), Some("0:7,1:3,2:9")),
            // A place from a connection that was not recovered is of no use: what came before this one is the history's.
            (Some("0:5,2:9"), Some("0:3"), Some("0:5,2:9")),
            (Some("0:5"), Some(""), Some("0:5")),
        ] {
            assert_eq!(with(joined_at, offset).as_deref(), seen, "{joined_at:?} {offset:?}");
        }
    }

    /// As version 0.1 gave it out, with this secret.
    #[test]
    fn a_pid_of_an_earlier_version_is_recognised() {
        let (user, device) = ids();
        let key = RecoveryKey::derive("secret");
        let mut bytes = [[2; 12], [1; 12]].concat();
        let mut mac = new_mac(&key.key);
        mac.update(&bytes);
        bytes.extend(&mac.finalize().into_bytes()[..16]);
        let pid = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(pid, key.pid(user, device, None));
        let auth = json!({ "pid": pid, "offset": "0:7" });
        assert_eq!(key.returning(&auth), Some(Returning { user, device, seen: cursor("0:7") }));
    }

    #[test]
    fn a_device_is_recognised_also_after_the_secret_was_rotated() {
        let (user, device) = ids();
        let pid = RecoveryKey::derive("old").pid(user, device, None);
        let rotated = RecoveryKey::derive("new").with_previous(&["older".to_owned(), "old".to_owned()]);
        let found = Some(Pid { user, device, joined_at: None });
        assert_eq!(rotated.read(&pid), found);
        assert_eq!(RecoveryKey::derive("new").read(&rotated.pid(user, device, None)), found);
        assert_eq!(RecoveryKey::derive("new").with_previous(&["older".to_owned()]).read(&pid), None);
    }

    #[test]
    fn a_forged_or_foreign_pid_is_nobody() {
        let (user, device) = ids();
        let key = RecoveryKey::derive("secret");
        for joined_at in [None, Some(cursor("0:5"))] {
            let pid = key.pid(user, device, joined_at.as_ref());
            let offset = "0:7";
            let other = RecoveryKey::derive("other");
            assert_eq!(other.returning(&json!({ "pid": pid, "offset": offset })), None);
            let whole = URL_SAFE_NO_PAD.decode(&pid).unwrap();
            for nth in 0..whole.len() {
                let mut forged = whole.clone();
                forged[nth] ^= 1;
                let forged = URL_SAFE_NO_PAD.encode(forged);
                assert_eq!(key.returning(&json!({ "pid": forged, "offset": offset })), None, "{nth}");
                let cut = URL_SAFE_NO_PAD.encode(&whole[..nth]);
                assert_eq!(key.returning(&json!({ "pid": cut, "offset": offset })), None, "{nth}");
            }
            for offset in [json!("x"), json!(7), json!({}), Value::Null] {
                assert_eq!(key.returning(&json!({ "pid": pid, "offset": offset })), None, "{offset}");
            }
        }
        assert_eq!(key.returning(&json!({ "pid": 7, "offset": "0:7" })), None);
        assert_eq!(key.returning(&Value::Null), None);
    }

    #[test]
    fn a_place_that_would_be_too_long_is_left_out() {
        let (user, device) = ids();
        let key = RecoveryKey::derive("secret");
        let place = |partitions: u32| {
            (0..partitions)
                .map(|partition| Position { partition, offset: u64::from(u32::MAX) })
                .collect::<Cursor>()
        };
        let pid = key.pid(user, device, Some(&place(50)));
        assert_eq!(key.read(&pid).unwrap().joined_at, Some(place(50)));
        assert!(pid.len() <= TEXT_BYTES_MAX);
        assert_eq!(key.pid(user, device, Some(&place(1_000))), key.pid(user, device, None));
    }

    proptest! {
        #[test]
        fn any_pid_is_read_or_refused(pid in ".{0,80}", offset in ".{0,20}") {
            let key = RecoveryKey::derive("secret");
            prop_assert_eq!(key.returning(&json!({ "pid": pid, "offset": offset })), None);
        }

        #[test]
        fn any_place_is_told_again(map in prop::collection::btree_map(any::<u32>(), any::<u64>(), 0..20)) {
            let place: Cursor =
                map.into_iter().map(|(partition, offset)| Position { partition, offset }).collect();
            prop_assert_eq!(place_from(&place_to(&place)), Some(place));
        }

        #[test]
        fn any_bytes_are_a_place_or_not(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            place_from(&bytes);
        }
    }
}
