use std::fmt;

use super::Settings;

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
        let other = settings.text("MONGO_URI");
        let uri = settings.text("MONGODB_URI").or(other)?;
        Some(Self { uri, read_preference })
    }
}

impl fmt::Debug for Mongodb {
    /// Without the address: it holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mongodb").field("read_preference", &self.read_preference).finish_non_exhaustive()
    }
}
