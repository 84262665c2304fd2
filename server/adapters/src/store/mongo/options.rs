use std::{fmt, str::FromStr, time::Duration};

use mongodb::{
    Client,
    options::{Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern},
};

use super::error::MongoError;

/// Whose database it is: the contract's, section 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MongoSchema {
    /// `direct`: `fullName`, `profilePic`; a message without picture has no `image`.
    Direct,
    /// `direct-v1`: `full_name`, `profile_picture`, `bio`, `o_auth_*`; a message without picture has `image: ""`.
    DirectV1,
}

/// Which members answer reads of history. Whichever it is, what was acknowledged is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MongoReadPreference {
    #[default]
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
    Nearest,
}

#[derive(Clone)]
pub struct MongoStoreOptions {
    /// `mongodb://` or `mongodb+srv://`. Holds a password: never shown.
    pub uri: String,
    pub schema: MongoSchema,
    pub history_read: MongoReadPreference,
    /// Where browsers reach us (`https://chat.example.org`). Pictures that we keep are then stored by their address, so
    /// that an original backend would show them; else as `sockeye-media:<name>`.
    pub public_url: Option<String>,
    /// Names the log whose positions are stored (Kafka: the topic). A log that starts again from nothing needs a new name.
    pub log_name: String,
    /// A read takes at most this long.
    pub read_deadline_ms: u64,
    /// A write, confirmed by most members, takes at most this long.
    pub write_deadline_ms: u64,
    /// Connections to each member, unless the address says otherwise (`maxPoolSize`).
    pub pool_len_max: u32,
}

impl MongoStoreOptions {
    pub fn new(uri: String, schema: MongoSchema) -> Self {
        Self {
            uri,
            schema,
            history_read: MongoReadPreference::default(),
            public_url: None,
            log_name: "chat-messages".into(),
            read_deadline_ms: 5_000,
            write_deadline_ms: 10_000,
            pool_len_max: 50,
        }
    }

    pub(super) fn read_deadline(&self) -> Duration {
        Duration::from_millis(self.read_deadline_ms)
    }

    pub(super) fn write_deadline(&self) -> Duration {
        Duration::from_millis(self.write_deadline_ms)
    }

    /// The times are chosen so that a network that was silently cut is used again a few seconds after it is back: a member
    /// that does not answer is noticed within `HEARTBEAT` + `CONNECT_TIMEOUT` and asked again every `CONNECT_TIMEOUT`
    /// while anybody waits for it; and no call waits for longer than its deadline, so that none hangs on a connection
    /// whose next TCP repetition is half a minute away.
    pub(super) async fn connect(&self) -> Result<Client, MongoOpenError> {
        // The driver's words may repeat a part of the address, and the password with it.
        let mut options = ClientOptions::parse(&self.uri).await.map_err(|error| match *error.kind {
            mongodb::error::ErrorKind::DnsResolve { .. } => MongoOpenError::Dns,
            _ => MongoOpenError::Address,
        })?;
        options.app_name.get_or_insert_with(|| "sockeye".into());
        options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.server_selection_timeout.get_or_insert(SELECTION_TIMEOUT);
        options.heartbeat_freq.get_or_insert(HEARTBEAT);
        options.max_idle_time.get_or_insert(IDLE_MAX);
        options.max_pool_size.get_or_insert(self.pool_len_max);
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.read_concern = None;
        options.retry_reads = Some(true);
        options.retry_writes = Some(true);
        options.write_concern = Some(
            WriteConcern::builder()
                .w(Acknowledgment::Majority)
                .journal(true)
                .w_timeout(self.write_deadline())
                .build(),
        );
        Client::with_options(options).map_err(|error| MongoOpenError::Client(error.into()))
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const SELECTION_TIMEOUT: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Below the idle time after which load balancers and firewalls forget a connection.
const IDLE_MAX: Duration = Duration::from_secs(120);

impl fmt::Debug for MongoStoreOptions {
    /// Without the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStoreOptions")
            .field("schema", &self.schema)
            .field("history_read", &self.history_read)
            .field("public_url", &self.public_url)
            .field("log_name", &self.log_name)
            .finish_non_exhaustive()
    }
}

impl MongoReadPreference {
    pub(super) fn criteria(self) -> SelectionCriteria {
        SelectionCriteria::ReadPreference(match self {
            Self::Primary => ReadPreference::Primary,
            Self::PrimaryPreferred => ReadPreference::PrimaryPreferred { options: None },
            Self::Secondary => ReadPreference::Secondary { options: None },
            Self::SecondaryPreferred => ReadPreference::SecondaryPreferred { options: None },
            Self::Nearest => ReadPreference::Nearest { options: None },
        })
    }
}

/// The text is no read preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a read preference is primary, primaryPreferred, secondary, secondaryPreferred or nearest")]
pub struct ParseReadPreferenceError;

impl FromStr for MongoReadPreference {
    type Err = ParseReadPreferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReadPreferenceError> {
        Ok(match text {
            "primary" => Self::Primary,
            "primaryPreferred" => Self::PrimaryPreferred,
            "secondary" => Self::Secondary,
            "secondaryPreferred" => Self::SecondaryPreferred,
            "nearest" => Self::Nearest,
            _ => return Err(ParseReadPreferenceError),
        })
    }
}

/// The store cannot be used at all. Says nothing of the address, which holds a password.
#[derive(Debug, thiserror::Error)]
pub enum MongoOpenError {
    #[error(
        "the MongoDB address cannot be understood (mongodb://user:password@host:port/database?replicaSet=name)"
    )]
    Address,
    #[error("the MongoDB address names a host whose DNS records cannot be read")]
    Dns,
    #[error("the MongoDB client cannot be made: {0}")]
    Client(#[source] MongoError),
}
