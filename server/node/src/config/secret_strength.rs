//! Whether a secret could be guessed. One token is enough to try out secrets against, on as many machines as somebody has.

use std::collections::BTreeSet;

/// As many as the digest of HS256 has (RFC 7518, 3.2).
pub const SECRET_BYTES_MIN: usize = 32;
/// Less than 32 random hexadecimal digits have (about 115 by the estimate below), more than any phrase of the words below.
const ENTROPY_BITS_MIN: f64 = 72.0;

/// What is wrong with a secret, as the end of a sentence that begins with its name; `None`: nothing that we know of.
pub fn weakness(secret: &str) -> Option<&'static str> {
    if secret.len() < SECRET_BYTES_MIN {
        return Some("has less than 32 bytes");
    }
    (entropy_bits(secret) < ENTROPY_BITS_MIN).then_some(
        "can be guessed: it repeats itself, or is made of what templates, tutorials and keyboards have",
    )
}

/// An estimate from above: each character counts as random within the set of characters that occur, once repetitions, runs
/// along the alphabet or the keyboard, and known words are taken out.
fn entropy_bits(secret: &str) -> f64 {
    let typed: Vec<char> = secret.chars().filter(|c| c.is_alphanumeric() || !c.is_ascii()).collect();
    let mut plain: Vec<char> = typed.iter().map(char::to_ascii_lowercase).collect();
    plain.truncate(period(&plain));
    let letters: Vec<char> = plain.iter().map(|&c| as_letter(c)).collect();
    let mut known = vec![false; plain.len()];
    mark_runs(&plain, &mut known);
    for row in KEYBOARD {
        mark_walks(&plain, row, &mut known);
    }
    for word in WORDS {
        mark_word(&plain, word, &mut known);
        if word.len() >= SPELT_LEN_MIN {
            mark_word(&letters, word, &mut known);
        }
    }
    let unknown: Vec<char> =
        typed.iter().zip(&known).filter(|(_, known)| !**known).map(|(&c, _)| c).collect();
    let distinct = unknown.iter().collect::<BTreeSet<_>>().len();
    let (len, distinct) = (u32::try_from(unknown.len()), u32::try_from(distinct));
    f64::from(len.unwrap_or(u32::MAX)) * f64::from(distinct.unwrap_or(u32::MAX).max(1)).log2()
}

/// The length of the shortest beginning that the text is repetitions of.
fn period(text: &[char]) -> usize {
    let repeats = |&len: &usize| text.iter().zip(text.iter().skip(len)).all(|(a, b)| a == b);
    (1..=text.len() / 2).find(repeats).unwrap_or(text.len())
}

/// What a digit stands for in `s3cr3t` and `p4ssw0rd`.
fn as_letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        other => other,
    }
}

/// Shorter words with digits in place of letters are in every random number.
const SPELT_LEN_MIN: usize = 4;
/// A run of at least so many characters is none by accident.
const RUN_LEN_MIN: usize = 4;

/// `aaaa`, `abcd`, `4321`: neighbours in the alphabet, one way.
fn mark_runs(text: &[char], known: &mut [bool]) {
    let step = |pair: &[char]| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0]));
    let mut start = 0;
    while start + 1 < text.len() {
        let first = step(&text[start..start + 2]);
        let len = 1 + text[start..].windows(2).take_while(|pair| step(pair) == first).count();
        if (-1..=1).contains(&first) && len >= RUN_LEN_MIN {
            known[start..start + len].fill(true);
        }
        start += (len - 1).max(1);
    }
}

/// `qwer`, `lkjh`: neighbours on the keyboard, one way.
fn mark_walks(text: &[char], row: &str, known: &mut [bool]) {
    let reversed: String = row.chars().rev().collect();
    for (start, window) in text.windows(RUN_LEN_MIN).enumerate() {
        let window: String = window.iter().collect();
        if row.contains(&window) || reversed.contains(&window) {
            known[start..start + RUN_LEN_MIN].fill(true);
        }
    }
}

fn mark_word(text: &[char], word: &str, known: &mut [bool]) {
    let word: Vec<char> = word.chars().collect();
    for (start, window) in text.windows(word.len()).enumerate() {
        if window == word {
            known[start..start + word.len()].fill(true);
        }
    }
}

const KEYBOARD: &[&str] = &[
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1234567890",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/// Of what stands for a secret where none was made. In a random secret they take away a character or two.
const WORDS: &[&str] = &[
    "access",
    "admin",
    "anything",
    "app",
    "auth",
    "authentication",
    "backend",
    "bar",
    "base",
    "baz",
    "before",
    "between",
    "bits",
    "bytes",
    "cat",
    "change",
    "changed",
    "changeit",
    "changeme",
    "changethis",
    "character",
    "characters",
    "chars",
    "chat",
    "cluster",
    "complex",
    "config",
    "contract",
    "cookie",
    "correct",
    "horse",
    "battery",
    "staple",
    "default",
    "demo",
    "deploy",
    "deployment",
    "dev",
    "development",
    "docker",
    "dont",
    "dragon",
    "dummy",
    "encryption",
    "enter",
    "env",
    "environment",
    "example",
    "express",
    "extremely",
    "fake",
    "fill",
    "foo",
    "for",
    "from",
    "generate",
    "generated",
    "generator",
    "goes",
    "guess",
    "hard",
    "hash",
    "have",
    "hello",
    "here",
    "his",
    "hmac",
    "hs256",
    "iloveyou",
    "in",
    "insecure",
    "insert",
    "integration",
    "ipsum",
    "is",
    "it",
    "jason",
    "json",
    "jsonwebtoken",
    "jwt",
    "keep",
    "key",
    "keyboard",
    "least",
    "length",
    "letmein",
    "local",
    "localhost",
    "login",
    "long",
    "lorem",
    "make",
    "master",
    "me",
    "mern",
    "messenger",
    "minimum",
    "modify",
    "mongo",
    "mongodb",
    "monkey",
    "more",
    "must",
    "my",
    "never",
    "nextauth",
    "no",
    "node",
    "nodejs",
    "not",
    "of",
    "ones",
    "only",
    "openssl",
    "or",
    "our",
    "own",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "paste",
    "phrase",
    "placeholder",
    "please",
    "private",
    "prod",
    "production",
    "project",
    "public",
    "put",
    "random",
    "randomly",
    "react",
    "real",
    "redis",
    "refresh",
    "replace",
    "replaceme",
    "root",
    "safe",
    "salt",
    "sample",
    "secret",
    "secrets",
    "secure",
    "secured",
    "security",
    "server",
    "session",
    "set",
    "share",
    "shh",
    "shhh",
    "should",
    "sign",
    "signature",
    "signing",
    "simple",
    "socket",
    "sockeye",
    "some",
    "something",
    "staging",
    "string",
    "strong",
    "super",
    "supersecret",
    "temp",
    "temporary",
    "test",
    "testing",
    "tests",
    "text",
    "than",
    "that",
    "the",
    "this",
    "to",
    "todo",
    "token",
    "top",
    "tutorial",
    "ultra",
    "unique",
    "unsafe",
    "use",
    "used",
    "user",
    "value",
    "variable",
    "very",
    "web",
    "webtoken",
    "welcome",
    "with",
    "word",
    "world",
    "xxx",
    "you",
    "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_templates_and_tutorials_have_is_weak() {
        for secret in [
            "",
            "a",
            "kT9v-2nQx7LmZpR4", // random, but short
            "your_jwt_secret_key",
            "your-super-secret-jwt-key-change-this-in-production",
            "your_super_secret_jwt_key_change_in_production_please",
            "mysecretkey12345mysecretkey12345",
            "my-very-long-and-super-secure-secret-key",
            "supersecretkey123supersecretkey1",
            "changeme-changeme-changeme-changeme-1",
            "jwt_secret_key_here_jwt_secret_key_here",
            "thisisasecretkey!thisisasecretkey!",
            "th1s_1s_4_v3ry_s3cr3t_k3y_f0r_j50n_w3b_t0k3n5",
            "12345678901234567890123456789012",
            "abcdefghijklmnopqrstuvwxyz123456",
            "abcdefgh12345678abcdefgh12345678",
            "qwertyuiopasdfghjklzxcvbnmqwertyuiop",
            "1q2w3e4r5t6y7u8i9o0p1q2w3e4r5t6y7u8i9o0p",
            "<paste-a-secret-of-at-least-32-bytes-here>",
            "REPLACE_WITH_RANDOM_SECRET_STRING_AT_LEAST_32_CHARS",
            "generate-with-openssl-rand-base64-32-and-put-it-here",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababababababababababab",
            "kT9vkT9vkT9vkT9vkT9vkT9vkT9vkT9vkT9v",
            "00000000-0000-0000-0000-000000000000",
            "contract-tests-only-0123456789abcdef0123456789abcdef",
        ] {
            assert!(weakness(secret).is_some(), "{secret}: {} bits", entropy_bits(secret));
        }
    }

    #[test]
    fn what_generators_make_is_strong() {
        for secret in [
            "Jm6vQ0c1q2xkYVx8m4yqDHb0b9nR3mJv1xT9mZ5t8fE=", // openssl rand -base64 32
            "9f86d081884c7d659a2feaa0c55ad015",             // openssl rand -hex 16
            "a3c1f0b97e5d4826b1f09c3e7a5d8f426c0b9e1d3f7a5c8842e6d0b1f9a3c7e5",
            "550e8400-e29b-41d4-a716-446655440000", // uuidgen
            "ZsKV3wXn7TqLhYpB2dRfGcMj8tUvAe4W",
            "umbrella violin tractor meadow sandwich glacier",
        ] {
            assert_eq!(weakness(secret), None, "{secret}: {} bits", entropy_bits(secret));
        }
    }

    /// Seeds of a generator, so that the figure is the same every time.
    #[test]
    fn hardly_any_random_secret_is_taken_for_a_weak_one() {
        let mut state = 7u64;
        let mut digit = |alphabet: &[u8]| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let nth = usize::try_from((state >> 33) % alphabet.len() as u64).unwrap();
            char::from(alphabet[nth])
        };
        let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (alphabet, len) in [(&base64[..], 43), (&base64[..62], 32), (b"0123456789abcdef", 32)] {
            let weak = (0..20_000).filter(|_| {
                let secret: String = (0..len).map(|_| digit(alphabet)).collect();
                weakness(&secret).is_some()
            });
            assert_eq!(weak.count(), 0, "of {len} out of {}", alphabet.len());
        }
    }
}
