use std::fmt;

use super::Settings;

/// What joins the gateways of a cluster. Present when `REDIS_URL` is set.
#[derive(Clone)]
pub struct Redis {
    /// `REDIS_URL`: `redis://` or `rediss://` (TLS).
    pub url: String,
    /// `SOCKEYE_REDIS_PREFIX`: every key and channel begins with it. Default `sockeye`.
    pub prefix: String,
}

impl Redis {
    pub(super) fn from_settings(settings: &Settings) -> Option<Self> {
        let prefix = settings.text("SOCKEYE_REDIS_PREFIX").unwrap_or_else(|| "sockeye".to_owned());
        Some(Self { url: settings.text("REDIS_URL")?, prefix })
    }
}

impl fmt::Debug for Redis {
    /// Without the address: it holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
