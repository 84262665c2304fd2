use std::time::Duration;

use cookie::SameSite;

use super::Settings;

/// How people prove who they are.
#[derive(Clone)]
pub struct Auth {
    /// `JWT_SECRET`: signs tokens. In development one is made and kept in the data directory.
    pub jwt_secret: Option<String>,
    /// `JWT_EXPIRATION`: a token's lifetime. Default `7d`.
    pub token_lifetime_ms: u64,
    /// `SALT_ROUNDS`: bcrypt's cost, 4 to 15. Default 10.
    pub bcrypt_cost: u32,
    /// `SOCKEYE_COOKIE_SECURE`: `auto` (in production), `always` or `never`.
    pub cookie_secure: bool,
    /// `SOCKEYE_COOKIE_SAMESITE`: `strict`, `lax` or `none`. Default `strict`.
    pub cookie_same_site: SameSite,
    /// `SOCKEYE_TRUST_QUERY_USER`: `off`, `loopback` or `always`. Default `off`.
    pub trust_query_user: TrustQueryUser,
    /// `SOCKEYE_PROOF_TIMEOUT_MS`: how long a socket may stay unproven. Default 5 s.
    pub proof_timeout_ms: u64,
    /// `SOCKEYE_SHOW_EMAILS`: whether everybody sees everybody's e-mail address in lists of people. Default off: the field
    /// is there, and empty.
    pub show_emails: bool,
    /// `SOCKEYE_SESSION_CHECK_MS`: about how often it is looked whether those who are connected may stay, beside what nodes tell
    /// each other; at least 100 ms. Default 60 s.
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

const SESSION_CHECK_MS_MIN: u64 = 100;
const SECRET_BYTES_MIN: usize = 16;
const SECRET_DISTINCT_BYTES_MIN: usize = 8;

impl Auth {
    pub(super) fn from_settings(settings: &Settings, production: bool) -> Self {
        let jwt_secret = settings.text("JWT_SECRET");
        if production && jwt_secret.as_deref().is_none_or(is_weak) {
            settings.problem(format!(
                "JWT_SECRET must be set in production, to at least {SECRET_BYTES_MIN} random characters \
                 (for instance: openssl rand -base64 32)"
            ));
        }
        let bcrypt_cost = settings.parse("SALT_ROUNDS", 10);
        if !(4..=15).contains(&bcrypt_cost) {
            settings.problem("SALT_ROUNDS is from 4 to 15");
        }
        let session_check_ms = settings.millis("SOCKEYE_SESSION_CHECK_MS", 60_000);
        if session_check_ms < SESSION_CHECK_MS_MIN {
            settings.problem(format!(
                "SOCKEYE_SESSION_CHECK_MS is at least {SESSION_CHECK_MS_MIN} (milliseconds)"
            ));
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
        Self {
            jwt_secret,
            token_lifetime_ms: settings.millis("JWT_EXPIRATION", 7 * 24 * 3600 * 1000),
            bcrypt_cost,
            cookie_secure: settings.choice(
                "SOCKEYE_COOKIE_SECURE",
                production,
                &[("auto", production), ("always", true), ("never", false)],
            ),
            cookie_same_site: settings.choice(
                "SOCKEYE_COOKIE_SAMESITE",
                SameSite::Strict,
                &[("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)],
            ),
            trust_query_user,
            proof_timeout_ms: settings.millis("SOCKEYE_PROOF_TIMEOUT_MS", 5_000),
            show_emails: settings.switch("SOCKEYE_SHOW_EMAILS", false),
            session_check: Duration::from_millis(session_check_ms),
        }
    }
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
