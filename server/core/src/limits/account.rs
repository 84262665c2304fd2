use std::fmt;

use sha2::{Digest, Sha256};

/// Stands for the account that somebody names by an e-mail address, whether it exists or not: a digest, so that addresses
/// lie in no counter. How the address was typed makes no difference.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey([u8; 16]);

impl AccountKey {
    pub fn of_email(email: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(email.trim().to_lowercase()).into();
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
    fn an_account_is_the_same_however_its_address_is_typed() {
        let key = AccountKey::of_email;
        assert_eq!(key(" Ana@Example.org "), key("ana@example.org"));
        assert_ne!(key("ana@example.org"), key("bob@example.org"));
        assert!(!key("ana@example.org").to_string().contains("ana"));
    }
}
