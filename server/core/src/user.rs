//! People with accounts.

use serde::{Deserialize, Serialize};

use crate::{id::UserId, media::Picture, time::Timestamp};

/// An account. The union of what the contracts keep; a contract shows the fields it knows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// Exactly as typed: existing data is neither trimmed nor lower-cased (contracts, "MongoDB").
    pub email: String,
    pub name: String,
    /// bcrypt (`$2a$`, `$2b$`, `$2y$`); anything else is a wrong password, never an error.
    pub password_hash: String,
    pub picture: Option<Picture>,
    pub bio: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Sessions issued up to and including then are over, whenever their tokens expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_ended_through: Option<Timestamp>,
}

/// As much of an account as decides who may stay connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    pub user: UserId,
    /// As [`User::sessions_ended_through`].
    pub sessions_ended_through: Option<Timestamp>,
}

/// Somebody, as others see them. What an account has beside this is nobody else's: a field that is to be shown to others is
/// put here on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: UserId,
    pub name: String,
    pub picture: Option<Picture>,
    /// Written to be read by others.
    pub bio: String,
    /// Empty unless everybody may see everybody's ([`crate::Bounds::shows_emails`]).
    pub email: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Person {
    pub(crate) fn of(user: User, shows_email: bool) -> Self {
        let User {
            id,
            email,
            name,
            password_hash: _,
            picture,
            bio,
            created_at,
            updated_at,
            sessions_ended_through: _,
        } = user;
        let email = if shows_email { email } else { String::new() };
        Self { id, name, picture, bio, email, created_at, updated_at }
    }
}

/// Whether a name or an address is one line of text that stays within itself: no control characters (a NUL, a line break), and no
/// characters that turn the direction of the text around it.
pub fn is_plain_line(name: &str) -> bool {
    const LINE_BREAKS: [char; 2] = ['\u{2028}', '\u{2029}'];
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !name.chars().any(|c| c.is_control() || LINE_BREAKS.contains(&c) || turns(c))
}

impl std::fmt::Debug for User {
    /// Without the address and the hash: users end up in logs through their neighbours.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    #[test]
    fn others_see_an_address_only_where_all_do() {
        let user = User {
            id: UserId(ObjectId([1; 12])),
            email: "a@b.co".into(),
            name: "A".into(),
            password_hash: "secret".into(),
            picture: None,
            bio: "hello".into(),
            created_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(2),
            sessions_ended_through: None,
        };
        let hidden = Person::of(user.clone(), false);
        assert_eq!((hidden.email.as_str(), hidden.name.as_str(), hidden.bio.as_str()), ("", "A", "hello"));
        assert_eq!(Person::of(user, true).email, "a@b.co");
    }

    #[test]
    fn a_name_is_one_line_of_text() {
        // Marks that only tell where a word belongs are part of Hebrew, Arabic and Persian names, joiners of emoji.
        for good in [
            "Ann",
            "Ann  O'Neil",
            "\u{5d0}\u{5d1}",
            "\u{200f}\u{5d0}",
            "\u{645}\u{200c}\u{631}",
            "👩‍💻",
            "Zoë",
            "",
        ] {
            assert!(is_plain_line(good), "{good:?}");
        }
        for bad in [
            "a\0",
            "a\nb",
            "a\r",
            "a\tb",
            "\u{7f}",
            "\u{85}",
            "\u{1b}[31m",
            "a\u{202e}b",
            "\u{202a}",
            "\u{2066}a\u{2069}",
            "a\u{2028}b",
        ] {
            assert!(!is_plain_line(bad), "{bad:?}");
        }
    }
}
