use std::{ops::RangeInclusive, time::Duration};

use cookie::SameSite;

use super::{Settings, settings::DAY};

/// How people prove who they are.
#[derive(Clone)]
pub struct Auth {
    /// `JWT_SECRET`: signs tokens; taken as it is, with blanks at its ends. In development one is made and kept in the data directory.
    pub jwt_secret: Option<String>,
    /// `JWT_EXPIRATION`: a token's lifetime, from 1 s to 10 years. Default `7d`.
    pub token_lifetime_ms: u64,
    /// `SALT_ROUNDS`: bcrypt's cost, 4 to 15. Default 10.
    pub bcrypt_cost: u32,
    /// `SOCKEYE_COOKIE_SECURE`: `auto` (in production), `always` or `never`.
    pub cookie_secure: bool,
    /// `SOCKEYE_COOKIE_SAMESITE`: `strict`, `lax` or `none`. Default `strict`.
    pub cookie_same_site: SameSite,
    /// `SOCKEYE_TRUST_QUERY_USER`: `off`, `loopback` or `always`. Default `off`.
    pub trust_query_user: TrustQueryUser,
    /// `SOCKEYE_PROOF_TIMEOUT_MS`: how long a socket may stay unproven, up to a day. Default 5 s.
    pub proof_timeout_ms: u64,
    /// `SOCKEYE_SHOW_EMAILS`: whether everybody sees everybody's e-mail address in lists of people. Default off: the field
    /// is there, and empty.
    pub show_emails: bool,
    /// `SOCKEYE_SESSION_CHECK_MS`: about how often it is looked whether those who are connected may stay, beside what nodes tell
    /// each other; from 100 ms to a day. Default 60 s.
    pub session_check: Duration,
}

/// Whether a claimed user id is believed without proof, as the original Node backends did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustQueryUser {
    Off,
    /// From peers on a loopback address.
    Loopback,
    Always,
}

const SESSION_CHECK: RangeInclusive<Duration> = Duration::from_millis(100)..=DAY;
/// Tokens count in seconds.
const TOKEN_LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10 * 365 * 24 * 3600);
const SECRET_BYTES_MIN: usize = 16;
const SECRET_DISTINCT_BYTES_MIN: usize = 8;

impl Auth {
    pub(super) fn from_settings(settings: &Settings, production: bool) -> Self {
        let jwt_secret = settings.verbatim("JWT_SECRET");
        if production && jwt_secret.as_deref().is_none_or(is_weak) {
            settings.problem(format!(
                "JWT_SECRET must be set in production, to at least {SECRET_BYTES_MIN} random characters \
                 (for instance: openssl rand -base64 32)"
            ));
        }
        if jwt_secret.as_ref().is_some_and(|secret| secret.trim() != secret) {
            settings.warning(
                "JWT_SECRET begins or ends with blanks or ends of lines: they are part of the secret",
            );
        }
        let trust_query_user = settings.choice(
            "SOCKEYE_TRUST_QUERY_USER",
            TrustQueryUser::Off,
            &[
                ("off", TrustQueryUser::Off),
                ("loopback", TrustQueryUser::Loopback),
                ("always", TrustQueryUser::Always),
            ],
        );
        if production && trust_query_user == TrustQueryUser::Loopback {
            // Behind a proxy on the same machine every peer is on loopback.
            settings.problem(
                "SOCKEYE_TRUST_QUERY_USER=loopback is not for production; say always if you mean it",
            );
        }
        let cookie_secure = settings.choice(
            "SOCKEYE_COOKIE_SECURE",
            production,
            &[("auto", production), ("always", true), ("never", false)],
        );
        let cookie_same_site = settings.choice(
            "SOCKEYE_COOKIE_SAMESITE",
            SameSite::Strict,
            &[("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)],
        );
        if cookie_same_site == SameSite::None && !cookie_secure {
            settings.problem(
                "SOCKEYE_COOKIE_SAMESITE=none needs SOCKEYE_COOKIE_SECURE=always: browsers drop such a cookie otherwise, \
                 and nobody stays logged in",
            );
        }
        Self {
            jwt_secret,
            token_lifetime_ms: millis(settings.duration_within(
                "JWT_EXPIRATION",
                7 * 24 * 3600 * 1000,
                TOKEN_LIFETIME,
            )),
            bcrypt_cost: settings.bounded("SALT_ROUNDS", 10, 4..=15),
            cookie_secure,
            cookie_same_site,
            trust_query_user,
            proof_timeout_ms: millis(settings.positive_duration("SOCKEYE_PROOF_TIMEOUT_MS", 5_000, DAY)),
            show_emails: settings.switch("SOCKEYE_SHOW_EMAILS", false),
            session_check: settings.duration_within("SOCKEYE_SESSION_CHECK_MS", 60_000, SESSION_CHECK),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn is_weak(secret: &str) -> bool {
    let mut distinct: Vec<u8> = secret.bytes().collect();
    distinct.sort_unstable();
    distinct.dedup();
    secret.len() < SECRET_BYTES_MIN || distinct.len() < SECRET_DISTINCT_BYTES_MIN
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("trust_query_user", &self.trust_query_user).finish_non_exhaustive()
    }
}
