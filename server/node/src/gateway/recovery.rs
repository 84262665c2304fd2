//! Connection state recovery: which device is returning, and from where it lost us.
//!
//! socket.io-client 4.6 and later remembers the `pid` of the CONNECT answer and the last argument of every event when it is
//! a text ("offset"), and sends both when it reconnects. Our `pid` names the device and its user and is signed, and the
//! offset is a place in the log, so that recovery needs no memory here: it works after a restart and on any node.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sockeye_core::{
    id::{DeviceId, ObjectId, UserId},
    position::Cursor,
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
    /// The last place in the log that it saw.
    pub offset: Cursor,
}

const TAG_LEN: usize = 16;
const PID_LEN: usize = 12 + 12 + TAG_LEN;

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

    pub fn pid(&self, user: UserId, device: DeviceId) -> String {
        let mut bytes = [0; PID_LEN];
        bytes[..12].copy_from_slice(&device.0.0);
        bytes[12..24].copy_from_slice(&user.0.0);
        let tag = mac(&self.key, &bytes[..24]).finalize().into_bytes();
        bytes[24..].copy_from_slice(&tag[..TAG_LEN]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whose `pid` this is; `None` when it is not one of ours.
    pub fn read(&self, pid: &str) -> Option<(UserId, DeviceId)> {
        let bytes: [u8; PID_LEN] = URL_SAFE_NO_PAD.decode(pid).ok()?.try_into().ok()?;
        let signed = |key| mac(key, &bytes[..24]).verify_truncated_left(&bytes[24..]).is_ok();
        std::iter::once(&self.key).chain(&self.previous).find(|key| signed(key))?;
        let id = |range: std::ops::Range<usize>| {
            let mut id = [0; 12];
            id.copy_from_slice(&bytes[range]);
            ObjectId(id)
        };
        Some((UserId(id(12..24)), DeviceId(id(0..12))))
    }

    /// What the CONNECT payload's `pid` and `offset` say; `None` when they are absent or not ours.
    pub fn returning(&self, auth: &Value) -> Option<Returning> {
        let (user, device) = self.read(auth.get("pid")?.as_str()?)?;
        let offset = auth.get("offset")?.as_str()?.parse().ok()?;
        Some(Returning { user, device, offset })
    }
}

fn mac(key: &[u8; 32], data: &[u8]) -> Hmac<Sha256> {
    let mut mac = new_mac(key);
    mac.update(data);
    mac
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

    #[test]
    fn a_device_is_recognised_by_what_it_was_given() {
        let (user, device) = ids();
        let key = RecoveryKey::derive("secret");
        let auth = json!({ "pid": key.pid(user, device), "offset": "0:7", "token": "x" });
        let offset = "0:7".parse().unwrap();
        assert_eq!(key.returning(&auth), Some(Returning { user, device, offset }));
    }

    #[test]
    fn a_device_is_recognised_also_after_the_secret_was_rotated() {
        let (user, device) = ids();
        let pid = RecoveryKey::derive("old").pid(user, device);
        let rotated = RecoveryKey::derive("new").with_previous(&["older".to_owned(), "old".to_owned()]);
        assert_eq!(rotated.read(&pid), Some((user, device)));
        assert_eq!(RecoveryKey::derive("new").read(&rotated.pid(user, device)), Some((user, device)));
        assert_eq!(RecoveryKey::derive("new").with_previous(&["older".to_owned()]).read(&pid), None);
    }

    #[test]
    fn a_forged_or_foreign_pid_is_nobody() {
        let (user, device) = ids();
        let key = RecoveryKey::derive("secret");
        let pid = key.pid(user, device);
        let offset = "0:7";
        assert_eq!(RecoveryKey::derive("other").returning(&json!({ "pid": pid, "offset": offset })), None);
        let mut forged = URL_SAFE_NO_PAD.decode(&pid).unwrap();
        forged[13] ^= 1;
        let forged = URL_SAFE_NO_PAD.encode(forged);
        assert_eq!(key.returning(&json!({ "pid": forged, "offset": offset })), None);
        assert_eq!(key.returning(&json!({ "pid": pid })), None);
        assert_eq!(key.returning(&json!({ "pid": pid, "offset": "x" })), None);
        assert_eq!(key.returning(&json!({ "pid": 7, "offset": offset })), None);
        assert_eq!(key.returning(&Value::Null), None);
    }

    proptest! {
        #[test]
        fn any_pid_is_read_or_refused(pid in ".{0,80}", offset in ".{0,20}") {
            let key = RecoveryKey::derive("secret");
            prop_assert_eq!(key.returning(&json!({ "pid": pid, "offset": offset })), None);
        }
    }
}
