use std::fmt;

use url::Url;

use super::{Settings, address::is_loopback};

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
        let url = settings.read("REDIS_URL", None, |text| address(text).map(Some))?;
        if is_open(&url) {
            settings.warning(
                "REDIS_URL has a password but no TLS: it goes over the network in clear text. Use rediss://, or a network that \
                 nobody else is on",
            );
        }
        Some(Self { url: url.into(), prefix })
    }
}

const SCHEMES: [&str; 2] = ["redis", "valkey"];
const SCHEMES_TLS: [&str; 2] = ["rediss", "valkeys"];
const SCHEMES_LOCAL: [&str; 3] = ["redis+unix", "valkey+unix", "unix"];

fn address(text: &str) -> Result<Url, String> {
    let understood = Url::parse(text).ok().filter(|url| {
        let remote = SCHEMES.contains(&url.scheme()) || SCHEMES_TLS.contains(&url.scheme());
        SCHEMES_LOCAL.contains(&url.scheme()) || (remote && url.has_host())
    });
    understood.ok_or_else(|| {
        "is no address such as redis://user:password@host:6379 (in user and password, other characters than letters and digits \
         are written as %2F)"
            .to_owned()
    })
}

/// Whether a password goes over a network for others to read.
fn is_open(url: &Url) -> bool {
    SCHEMES.contains(&url.scheme()) && url.password().is_some() && !url.host_str().is_some_and(is_loopback)
}

impl fmt::Debug for Redis {
    /// Without the address: it holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
