//! The store in MongoDB: databases of the contracts `direct` and `direct-v1` (their sections 7) as they are, and what we
//! add to them in forms that the original backends overlook.
//!
//! Ours are the collections `sockeye_*`, the indexes `sockeye_*`, and in each message one sub-document `sockeye`. Messages
//! without it were written by an original backend ("old" below).

mod conversations;
mod describe;
mod documents;
mod error;
mod history;
mod indexes;
mod messages;
mod migrate;
mod options;
mod order;
mod partners;
mod progress;
mod sessions;
mod users;

use std::{fmt, future::IntoFuture, time::Duration};

use mongodb::{
    Client, ClientSession, Collection, Database,
    bson::Document,
    options::{ReadConcern, SelectionCriteria},
};
use sockeye_core::ports::StoreError;

pub use self::{
    describe::{Member, MongoDescription},
    error::MongoError,
    options::{MongoOpenError, MongoReadPreference, MongoSchema, MongoStoreOptions},
};
use self::{
    documents::Pictures,
    progress::{Moment, Progress},
};

/// A [`sockeye_core::ports::Store`] on a MongoDB replica set (6.0 or later). Cheap to make: it connects when it is used.
pub struct MongoStore {
    client: Client,
    database: Database,
    schema: MongoSchema,
    pictures: Pictures,
    log_name: String,
    history_read: SelectionCriteria,
    read_deadline: Duration,
    write_deadline: Duration,
    progress: Progress,
}

impl MongoStore {
    /// Asks no server yet (but DNS, for a `mongodb+srv` address): [`MongoStore::migrate`] and [`MongoStore::describe`] do.
    ///
    /// # Errors
    /// When the address cannot be understood or resolved.
    pub async fn open(options: MongoStoreOptions) -> Result<Self, MongoOpenError> {
        let client = options.connect().await?;
        let database = client.default_database().unwrap_or_else(|| client.database(DEFAULT_DATABASE));
        let progress = Progress::new(
            database.collection(names::PROGRESS),
            options.log_name.clone(),
            options.read_deadline(),
        );
        Ok(Self {
            client,
            database,
            schema: options.schema,
            history_read: options.history_read.criteria(),
            read_deadline: options.read_deadline(),
            write_deadline: options.write_deadline(),
            pictures: Pictures::new(options.public_url),
            log_name: options.log_name,
            progress,
        })
    }

    /// Ends what the driver has under way; nothing can be asked afterwards. For a process that stops: the driver's own
    /// farewell, when the last handle is dropped, would meet a runtime that is going away.
    pub async fn close(&self) {
        self.client.clone().shutdown().immediate(true).await;
    }

    fn users(&self) -> Collection<Document> {
        self.database.collection(names::USERS)
    }

    fn messages(&self) -> Collection<Document> {
        self.database.collection(names::MESSAGES)
    }

    /// A session whose reads, from whichever member, see at least what was there at `moment`.
    async fn session_from(&self, moment: Option<&Moment>) -> mongodb::error::Result<ClientSession> {
        let mut session = self.client.start_session().causal_consistency(true).await?;
        if let Some(moment) = moment {
            moment.advance(&mut session);
        }
        Ok(session)
    }

    /// A read with its deadline. The server is told the same (`maxTimeMS`), so that it does not work for nobody; the driver
    /// closes the connection of what is given up here.
    async fn read<T>(
        &self,
        query: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<T, StoreError> {
        Ok(within(self.read_deadline, query).await?)
    }

    /// A write with its deadline; whether it was done is unknown when that has passed.
    async fn write<T>(
        &self,
        change: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<T, MongoError> {
        within(self.write_deadline, change).await
    }
}

/// What the driver and the original backends (mongoose) use when the address names none.
const DEFAULT_DATABASE: &str = "test";

/// Collections.
mod names {
    pub(super) const USERS: &str = "users";
    pub(super) const MESSAGES: &str = "messages";
    pub(super) const PROGRESS: &str = "sockeye_progress";
    pub(super) const SESSIONS: &str = "sockeye_sessions";
    pub(super) const GROUPS: &str = "sockeye_groups";
}

async fn within<T>(
    deadline: Duration,
    work: impl IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T, MongoError> {
    match tokio::time::timeout(deadline, work.into_future()).await {
        Ok(done) => done.map_err(MongoError::from),
        Err(_) => Err(MongoError::Deadline(deadline)),
    }
}

/// Only what most members have, and will keep.
fn majority() -> ReadConcern {
    ReadConcern::majority()
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("database", &self.database.name())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
