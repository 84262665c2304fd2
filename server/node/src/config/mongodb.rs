use std::fmt;

use super::{Settings, address::is_loopback};

/// The store of a cluster, or an existing database under a single process. Present when `MONGODB_URI` is set.
#[derive(Clone)]
pub struct Mongodb {
    /// `MONGODB_URI`, else `MONGO_URI` as some backends called it; names the database too.
    pub uri: String,
    /// `SOCKEYE_MONGODB_READ_PREFERENCE`: which members answer reads of history, in MongoDB's words. Default `primary`.
    pub read_preference: ReadPreference,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadPreference {
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
    Nearest,
}

impl Mongodb {
    pub(super) fn from_settings(settings: &Settings) -> Option<Self> {
        let read_preference = settings.choice(
            "SOCKEYE_MONGODB_READ_PREFERENCE",
            ReadPreference::Primary,
            &[
                ("primary", ReadPreference::Primary),
                ("primaryPreferred", ReadPreference::PrimaryPreferred),
                ("secondary", ReadPreference::Secondary),
                ("secondaryPreferred", ReadPreference::SecondaryPreferred),
                ("nearest", ReadPreference::Nearest),
            ],
        );
        // Both are asked for, so that both are known to be read.
        let names = ["MONGODB_URI", "MONGO_URI"].map(|name| settings.text(name).map(|uri| (name, uri)));
        let [first, other] = names;
        let (name, uri) = first.or(other)?;
        let Some(parts) = Parts::of(&uri) else {
            settings
                .problem(format!("{name} is no address such as mongodb://user:password@host:27017/database"));
            return None;
        };
        if parts.is_open() {
            settings.warning(format!(
                "{name} has a password but no TLS: whoever can read the network sees all that is stored, and can guess at the \
                 password. Add tls=true, or use a network that nobody else is on"
            ));
        }
        Some(Self { uri, read_preference })
    }
}

/// As much of an address as is looked at here; the driver reads the whole.
struct Parts<'a> {
    /// `mongodb+srv`, which means TLS.
    srv: bool,
    has_user: bool,
    hosts: &'a str,
    options: &'a str,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let srv = match scheme {
            "mongodb" => false,
            "mongodb+srv" => true,
            _ => return None,
        };
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        // A user's name or password must not have a `/` or an `@`.
        let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        let (user, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(u, hosts)| (Some(u), hosts));
        let parts = Self { srv, has_user: user.is_some(), hosts, options };
        (!parts.hosts.is_empty()).then_some(parts)
    }

    fn is_open(&self) -> bool {
        let tls = self.options.split('&').find_map(|option| {
            let (name, value) = option.split_once('=')?;
            let is_tls = name.eq_ignore_ascii_case("tls") || name.eq_ignore_ascii_case("ssl");
            is_tls.then_some(value == "true")
        });
        self.has_user
            && !tls.unwrap_or(self.srv)
            && !self.hosts.split(',').all(|host| is_loopback(super::address::host_of(host)))
    }
}

impl fmt::Debug for Mongodb {
    /// Without the address: it holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mongodb").field("read_preference", &self.read_preference).finish_non_exhaustive()
    }
}
