//! The suite of [`Passwords`]. The hashes are of a low cost and were made by bcryptjs 2.4.3 (`$2a$`) and 3 (`$2b$`), which
//! the backends before us use.

use std::net::{IpAddr, Ipv4Addr};

use sockeye_core::ports::{Asker, Passwords};

use super::{Fixture, poll_once};

/// Tests of a [`Passwords`]; give an expression that makes a [`Fixture`].
#[macro_export]
macro_rules! passwords_suite {
    ($fixture:expr) => {
        $crate::conformance_checks!(
            [$crate::conformance::passwords],
            $fixture,
            [
                a_password_made_its_hash_and_no_other_did,
                the_same_password_never_has_the_same_hash,
                hashes_of_the_backends_before_us_are_known,
                long_passwords_count_as_they_did_before_us,
                a_nul_is_a_byte_like_any_other,
                no_hash_or_one_of_another_kind_is_never_right,
                the_callers_thread_is_not_held_up,
                what_it_makes_is_never_outdated,
            ]
        );
    };
}

type AnyPasswords = dyn Passwords;

const ASKER: Asker = Asker { client: IpAddr::V4(Ipv4Addr::LOCALHOST), account: None };

pub async fn a_password_made_its_hash_and_no_other_did(fixture: &impl Fixture<AnyPasswords>) {
    let passwords = fixture.open().await;
    for password in ["correct horse", "", " ", "Grüße \u{1f44b}", "x\0y"] {
        let hash = passwords.hash(password, ASKER).await.expect("hash");
        assert!(!hash.contains("correct"));
        assert!(passwords.verify(password, Some(&hash), ASKER).await.expect("verify"), "{password:?}");
        let other = format!("{password}!");
        assert!(!passwords.verify(&other, Some(&hash), ASKER).await.expect("verify"), "{password:?}");
    }
}

pub async fn the_same_password_never_has_the_same_hash(fixture: &impl Fixture<AnyPasswords>) {
    let passwords = fixture.open().await;
    let (one, other) = (
        passwords.hash("same", ASKER).await.expect("hash"),
        passwords.hash("same", ASKER).await.expect("hash"),
    );
    assert_ne!(one, other);
}

pub async fn hashes_of_the_backends_before_us_are_known(fixture: &impl Fixture<AnyPasswords>) {
    let passwords = fixture.open().await;
    for (password, hash) in [
        ("correct horse", "$2a$04$4ib164.bS.6gDreatbCHiO2mz4mxXitm0cM5j.OQAe5QWujN8AjBG"),
        ("correct horse", "$2b$04$nYtfZuKYh1Aor0ey.zioYOG2uetsFmrMN.dHEn78pR4VFOojQyRNq"),
        ("correct horse", "$2y$04$nYtfZuKYh1Aor0ey.zioYOG2uetsFmrMN.dHEn78pR4VFOojQyRNq"),
        ("", "$2a$04$hPlAbFs8hki9fNMquFSRhuvq/ZTm62Pi7EdMSXJhajfC9j/oHWOVu"),
        ("Grüße \u{1f44b}", "$2b$04$l3OY8fFEczDBReVmFpHHWecJBlghsEPMrXWujENBDptEdf/tozY.."),
    ] {
        assert!(passwords.verify(password, Some(hash), ASKER).await.expect("verify"), "{password:?} {hash}");
        assert!(!passwords.verify("wrong", Some(hash), ASKER).await.expect("verify"), "{password:?} {hash}");
    }
}

/// bcryptjs reads 72 bytes and no more.
pub async fn long_passwords_count_as_they_did_before_us(fixture: &impl Fixture<AnyPasswords>) {
    let passwords = fixture.open().await;
    let verify = async |password: String, hash: &str| {
        passwords.verify(&password, Some(hash), ASKER).await.expect("no error for a long password")
    };
    let hash = "$2b$04$SF9b2ZcjzakatafW2osNO.4VgIV4e1Ew8L.mJmcfc94MIw5hTLY5i"; // of 72 x and "tail"
    assert!(verify("x".repeat(72) + "tail", hash).await);
    assert!(verify("x".repeat(72) + "other tail", hash).await);
    assert!(!verify("x".repeat(71), hash).await);
    let hash = "$2b$04$70AoiufujGhWISi3qe6JFOlxVLnMfjoHxcsMHY5Tgoy0xoWuRA3iS"; // of 40 two-byte letters
    assert!(verify("\u{e9}".repeat(40), hash).await);
    let hash = "$2b$04$BW4NgjWGQulwGojZzMuj2e9rQrP68L9WzKpA/goEjimfH4YDw3uOK"; // of 71 y
    assert!(verify("y".repeat(71), hash).await);
    assert!(!verify("y".repeat(72), hash).await);
    passwords.hash(&"z".repeat(10_000), ASKER).await.expect("no error for a long password");
}

pub async fn a_nul_is_a_byte_like_any_other(fixture: &impl Fixture<AnyPasswords>) {
    let passwords = fixture.open().await;
    let hash = Some("$2a$04$gWNylotGhiwW6SEeY6.TA.wJ9bxlKeR0x.XKl/Eo339s5asAVF5UO");
    assert!(passwords.verify("nul\0inside", hash, ASKER).await.expect("verify"));
    assert!(!passwords.verify("nul", hash, ASKER).await.expect("verify"));
    assert!(!passwords.verify("nul\0outside", hash, ASKER).await.expect("verify"));
}

pub async fn no_hash_or_one_of_another_kind_is_never_right(fixture: &impl Fixture<AnyPasswords>) {
    let passwords = fixture.open().await;
    assert!(!passwords.verify("", None, ASKER).await.expect("verify"));
    assert!(!passwords.verify("secret", None, ASKER).await.expect("verify"));
    let right = "$2a$04$4ib164.bS.6gDreatbCHiO2mz4mxXitm0cM5j.OQAe5QWujN8AjBG";
    let cost_3 = right.replace("$04$", "$03$");
    let cost_31 = right.replace("$04$", "$31$");
    let unknown = right.replace("$2a$", "$2z$");
    let letters = format!("$2a$04${}", "\u{e9}".repeat(26) + "a");
    for hash in [
        "",
        "correct horse",
        "$",
        "$2a$",
        &right[..59],
        "$1$salt$hash",
        &cost_3,
        &cost_31,
        &unknown,
        &letters,
    ] {
        let matches = passwords
            .verify("correct horse", Some(hash), ASKER)
            .await
            .expect("a wrong password, not an error");
        assert!(!matches, "{hash}");
    }
}

pub async fn the_callers_thread_is_not_held_up(fixture: &impl Fixture<AnyPasswords>) {
    let passwords = fixture.open().await;
    // Computed on the caller's thread, each would be ready when first asked. A busy machine may make some look so.
    let mut waits = false;
    for _ in 0..50 {
        waits |= poll_once(passwords.hash("password", ASKER)).await.is_none();
    }
    assert!(waits, "the first poll computes the hash");
    // Nobody waits for those any more; others are served.
    assert!(!passwords.verify("password", None, ASKER).await.expect("verify"));
}

pub async fn what_it_makes_is_never_outdated(fixture: &impl Fixture<AnyPasswords>) {
    let passwords = fixture.open().await;
    let hash = passwords.hash("password", ASKER).await.expect("hash");
    assert!(!passwords.is_outdated(&hash));
    let costlier = hash.replacen("$04$", "$17$", 1);
    assert!(!passwords.is_outdated(&costlier), "no hash is made weaker");
    assert!(!passwords.is_outdated("no hash"));
}
