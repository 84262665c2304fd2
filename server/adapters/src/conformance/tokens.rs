//! The suite of [`Tokens`].

use std::collections::HashSet;

use sockeye_core::{
    ports::{TokenError, Tokens},
    session::SessionId,
    time::Timestamp,
};

use super::{
    Fixture,
    values::{time, user_id},
};

/// Tests of a [`Tokens`]; give an expression that makes a [`Fixture`].
#[macro_export]
macro_rules! tokens_suite {
    ($fixture:expr) => {
        $crate::conformance_checks!(
            [$crate::conformance::tokens],
            $fixture,
            [
                a_token_proves_its_session_until_it_expires,
                two_tokens_are_never_the_same,
                a_token_outlives_a_restart,
                a_damaged_token_is_invalid,
            ]
        );
    };
}

type AnyTokens = dyn Tokens;

pub async fn a_token_proves_its_session_until_it_expires(fixture: &impl Fixture<AnyTokens>) {
    let tokens = fixture.open().await;
    let (token, session) = tokens.issue(user_id(1), time(999)).expect("issue");
    assert_eq!(session.user, user_id(1));
    assert_eq!(session.id, SessionId::of_token(&token));
    assert!(session.expires_at > time(999));
    assert_eq!(session.issued_at, time(999), "to the millisecond");
    assert_eq!(tokens.verify(&token, time(999)), Ok(session));
    let last = Timestamp::from_millis(session.expires_at.as_millis() - 1);
    assert_eq!(tokens.verify(&token, last), Ok(session));
    assert_eq!(tokens.verify(&token, session.expires_at), Err(TokenError::Expired));
}

/// Not even for the same user in the same second.
pub async fn two_tokens_are_never_the_same(fixture: &impl Fixture<AnyTokens>) {
    let tokens = fixture.open().await;
    let issued: HashSet<_> = (0..100).map(|_| tokens.issue(user_id(1), time(0)).expect("issue").0).collect();
    assert_eq!(issued.len(), 100);
}

pub async fn a_token_outlives_a_restart(fixture: &impl Fixture<AnyTokens>) {
    let (token, session) = fixture.open().await.issue(user_id(1), time(0)).expect("issue");
    assert_eq!(fixture.open().await.verify(&token, time(1)), Ok(session));
}

pub async fn a_damaged_token_is_invalid(fixture: &impl Fixture<AnyTokens>) {
    let tokens = fixture.open().await;
    let (token, session) = tokens.issue(user_id(1), time(0)).expect("issue");
    for (place, _) in token.char_indices() {
        let mut damaged = token.clone();
        damaged.replace_range(place..=place, if &token[place..=place] == "A" { "B" } else { "A" });
        // The last digit of a piece may carry bits that mean nothing; whoever it proves must still be the same.
        let verified = tokens.verify(&damaged, time(1));
        assert!(verified.is_err_and(|error| error == TokenError::Invalid), "{place}: {session:?}");
        assert_eq!(tokens.verify(&token[..place], time(1)), Err(TokenError::Invalid));
    }
    for text in ["", ".", "..", "...", "a.b.c", "\0", "\u{1f44b}", &"x".repeat(100_000)] {
        assert_eq!(tokens.verify(text, time(1)), Err(TokenError::Invalid));
    }
    assert_eq!(tokens.verify(&format!("{token}A"), time(1)), Err(TokenError::Invalid));
}
