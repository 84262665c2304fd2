use std::{ops::RangeInclusive, time::Duration};

use cookie::SameSite;

use super::{
    Settings,
    secret_strength::{SECRET_BYTES_MIN, weakness},
    settings::DAY,
};

/// How people prove who they are.
#[derive(Clone)]
pub struct Auth {
    /// `JWT_SECRET`: signs tokens; taken as it is, with blanks at its ends. In development one is made and kept in the data directory.
    pub jwt_secret: Option<String>,
    /// `JWT_SECRET_PREVIOUS`: secrets before this one, at most two, separated by a comma. What they signed is still good;
    /// nothing is signed with them. Default none.
    pub jwt_secrets_previous: Vec<String>,
    /// `SOCKEYE_ALLOW_WEAK_SECRET`: whether production starts with a secret that can be guessed, for one that came with an
    /// existing database, until it is rotated. Default off.
    pub allow_weak_secret: bool,
    /// `JWT_EXPIRATION`: a token's lifetime, from 1 s to 10 years. Default `7d`.
    pub token_lifetime_ms: u64,
    /// `SALT_ROUNDS`: bcrypt's cost, 4 to 15. Default 10.
    pub bcrypt_cost: u32,
    /// `SOCKEYE_REHASH_PASSWORDS`: whether a good log-in makes a new hash of its password when the one that is kept costs less
    /// than `SALT_ROUNDS`. Default off: an existing database is not changed unasked.
    pub rehash_passwords: bool,
    /// `SOCKEYE_SIGN_UP`: whether anybody may make an account. Default on.
    pub sign_up: bool,
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
const PREVIOUS_LEN_MAX: usize = 2;

impl Auth {
    pub(super) fn from_settings(settings: &Settings, production: bool) -> Self {
        let jwt_secret = settings.verbatim("JWT_SECRET");
        let jwt_secrets_previous = previous(settings);
        let allow_weak_secret = settings.switch("SOCKEYE_ALLOW_WEAK_SECRET", false);
        if production && jwt_secret.is_none() {
            settings.problem(format!(
                "JWT_SECRET must be set in production, to at least {SECRET_BYTES_MIN} random bytes \
                 (for instance: openssl rand -base64 32)"
            ));
        }
        if jwt_secret.as_ref().is_some_and(|secret| secret.trim() != secret) {
            settings.warning(
                "JWT_SECRET begins or ends with blanks or ends of lines: they are part of the secret",
            );
        }
        if production && !allow_weak_secret {
            for (name, weakness) in weak_secrets(jwt_secret.as_ref(), &jwt_secrets_previous) {
                settings.problem(format!(
                    "{name} {weakness}. Make one with: openssl rand -base64 32 (a secret that came with an existing database: \
                     see \"Secrets\" in docs/operating.md)"
                ));
            }
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
            jwt_secrets_previous,
            allow_weak_secret,
            token_lifetime_ms: millis(settings.duration_within(
                "JWT_EXPIRATION",
                7 * 24 * 3600 * 1000,
                TOKEN_LIFETIME,
            )),
            bcrypt_cost: settings.bounded("SALT_ROUNDS", 10, 4..=15),
            rehash_passwords: settings.switch("SOCKEYE_REHASH_PASSWORDS", false),
            sign_up: settings.switch("SOCKEYE_SIGN_UP", true),
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

fn previous(settings: &Settings) -> Vec<String> {
    settings.read("JWT_SECRET_PREVIOUS", vec![], |text| {
        let secrets: Vec<String> =
            text.split(',').map(str::trim).filter(|secret| !secret.is_empty()).map(str::to_owned).collect();
        if secrets.len() > PREVIOUS_LEN_MAX {
            return Err(format!("has more than {PREVIOUS_LEN_MAX} secrets"));
        }
        Ok(secrets)
    })
}

/// The names of those that can be guessed, each with what is wrong with it.
fn weak_secrets(current: Option<&String>, previous: &[String]) -> Vec<(&'static str, &'static str)> {
    let current = current.into_iter().map(|secret| ("JWT_SECRET", secret));
    let all = current.chain(previous.iter().map(|secret| ("JWT_SECRET_PREVIOUS", secret)));
    all.filter_map(|(name, secret)| Some((name, weakness(secret)?))).collect()
}

impl Auth {
    /// Sentences about secrets with which we start, but which can be guessed. None for a development server that only this
    /// machine reaches.
    pub fn secret_warnings(&self, production: bool, only_loopback: bool) -> Vec<String> {
        if !production && only_loopback {
            return vec![];
        }
        let weak = weak_secrets(self.jwt_secret.as_ref(), &self.jwt_secrets_previous);
        weak.into_iter()
            .map(|(name, weakness)| {
                format!(
                    "{name} {weakness}: whoever guesses it is anybody. Rotate it: move it to JWT_SECRET_PREVIOUS, set JWT_SECRET \
                     to a new one (openssl rand -base64 32), and unset both JWT_SECRET_PREVIOUS and SOCKEYE_ALLOW_WEAK_SECRET \
                     once JWT_EXPIRATION has passed"
                )
            })
            .collect()
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("trust_query_user", &self.trust_query_user).finish_non_exhaustive()
    }
}
