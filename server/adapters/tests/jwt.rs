//! Tokens of the backends before us, and tokens that must not pass. Made with the npm package jsonwebtoken.

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use sockeye_adapters::{
    auth::Jwt,
    conformance::values::{time, user_id},
};
use sockeye_core::{
    ports::{TokenError, Tokens},
    time::Timestamp,
};
use support::Counting;

const SECRET: &[u8] = b"an old secret";

/// `userId`, 7 days from 1700000000.
const OLD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VySWQiOiIwMTAxMDEwMTAwMDAwMDAwMDAwMDAwMDEiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDYwNDgwMH0.W-vTNgG4eYt4OLwr99pe8eVctCNItV1YYuQCrfjxNQU";
/// `id`, 30 days.
const OTHER_CLAIM: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6IjAxMDEwMTAxMDAwMDAwMDAwMDAwMDAwMSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAyNTkyMDAwfQ.LJbEOgS9XwVfOy2XdY6YbUGtyMy_NaGcx8_NUztrwEg";
const WITHOUT_EXPIRY: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VySWQiOiIwMTAxMDEwMTAwMDAwMDAwMDAwMDAwMDEiLCJpYXQiOjE3MDAwMDAwMDB9.p9RHCpiicLPRYIvyKFK8ZD5fEQNg0h-YTxmMLOXipMc";
const HS512: &str = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJ1c2VySWQiOiIwMTAxMDEwMTAwMDAwMDAwMDAwMDAwMDEiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDYwNDgwMH0.XWVhQqJLP-3-_lFzeWnwsxZtltq58AAnNwq9FAxCs-rTPDDIyPUnawxmWcT6rsNnx7ApzCtKMNwY43sP1m7zuA";
const UNSIGNED: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJ1c2VySWQiOiIwMTAxMDEwMTAwMDAwMDAwMDAwMDAwMDEiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDYwNDgwMH0.";

fn jwt(secret: &[u8], claim: &str) -> Jwt {
    Jwt::new(secret, 7 * 24 * 3_600_000, claim, Arc::new(Counting::default()))
}

#[test]
fn a_token_of_the_backend_before_us_verifies_until_its_expiry() {
    let session = jwt(SECRET, "userId").verify(OLD, time(0)).unwrap();
    assert_eq!(session.user, user_id(1));
    assert_eq!(session.expires_at, Timestamp::from_millis(1_700_604_800_000));
    assert_eq!(session.issued_at, time(0), "its `iat`");
    let last = Timestamp::from_millis(1_700_604_799_999);
    assert!(jwt(SECRET, "userId").verify(OLD, last).is_ok());
    assert_eq!(jwt(SECRET, "userId").verify(OLD, session.expires_at), Err(TokenError::Expired));
    assert_eq!(jwt(SECRET, "id").verify(OTHER_CLAIM, time(0)).unwrap().user, user_id(1));
}

#[test]
fn tokens_of_the_secret_before_are_good_and_none_is_signed_with_it() {
    let rotated = || jwt(b"a new secret", "userId").with_previous([b"an older secret".as_slice(), SECRET]);
    assert_eq!(rotated().verify(OLD, time(0)).unwrap().user, user_id(1));
    assert_eq!(rotated().verify(OLD, Timestamp::from_millis(1_700_604_800_000)), Err(TokenError::Expired));
    let (token, session) = rotated().issue(user_id(1), time(0)).unwrap();
    assert_eq!(rotated().verify(&token, time(1)), Ok(session));
    assert_eq!(jwt(b"a new secret", "userId").verify(&token, time(1)), Ok(session));
    assert_eq!(jwt(SECRET, "userId").verify(&token, time(1)), Err(TokenError::Invalid));
    let of_others = jwt(b"a new secret", "userId").with_previous([b"an older secret".as_slice()]);
    assert_eq!(of_others.verify(OLD, time(0)), Err(TokenError::Invalid));
}

#[test]
fn what_does_not_prove_a_user_is_invalid() {
    for (claim, token) in [("id", OLD), ("userId", OTHER_CLAIM), ("iat", OLD)] {
        assert_eq!(jwt(SECRET, claim).verify(token, time(0)), Err(TokenError::NoUser), "{claim} {token}");
    }
    for (secret, claim, token) in [
        (b"another secret".as_slice(), "userId", OLD),
        (b"", "userId", OLD),
        (SECRET, "userId", WITHOUT_EXPIRY),
        (SECRET, "userId", HS512),
        (SECRET, "userId", UNSIGNED),
    ] {
        assert_eq!(jwt(secret, claim).verify(token, time(0)), Err(TokenError::Invalid), "{claim} {token}");
    }
}

#[test]
fn the_secret_stays_out_of_debug_output() {
    let shown = format!("{:?}", jwt(b"a very secret secret", "userId"));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn our_tokens_have_the_claims_that_others_read() {
    let (token, session) = jwt(SECRET, "userId").issue(user_id(1), time(999)).unwrap();
    assert_eq!(session.expires_at, Timestamp::from_millis(1_700_604_800_000), "whole seconds");
    let payload = token.split('.').nth(1).unwrap();
    let old = OLD.split('.').nth(1).unwrap();
    assert!(payload.len() > old.len(), "the claims of the old tokens, and a jti");
}

proptest! {
    #[test]
    fn any_text_is_verified_or_refused(text in ".{0,200}") {
        prop_assert_eq!(jwt(SECRET, "userId").verify(&text, time(0)), Err(TokenError::Invalid));
    }

    #[test]
    fn any_three_pieces_are_verified_or_refused(text in "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}") {
        prop_assert_eq!(jwt(SECRET, "userId").verify(&text, time(0)), Err(TokenError::Invalid));
    }
}
