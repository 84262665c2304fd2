use std::fmt;

use sha2::{Digest, Sha256};

/// Stands for the account that somebody names by an e-mail address, whether it exists or not: a digest, so that addresses
/// lie in no counter. Accounts are kept as they were typed, so one that is typed otherwise is another: somebody could have made
/// it, and their good log-ins must not speak for this one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey([u8; 16]);

impl AccountKey {
    pub fn of_email(email: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(email).into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_what_was_typed() {
        let key = AccountKey::of_email;
        assert_eq!(key("ana@example.org"), key("ana@example.org"));
        for twin in ["Ana@example.org", " ana@example.org", "ana@example.org\u{a0}"] {
            assert_ne!(key(twin), key("ana@example.org"), "{twin}");
        }
        assert_ne!(key("ana@example.org"), key("bob@example.org"));
        assert!(!key("ana@example.org").to_string().contains("ana"));
    }
}
