use async_trait::async_trait;

use crate::{
    message::{Entry, Record},
    position::{Cursor, Position},
};

/// The message log: the truth about which messages were accepted, and in which order.
///
/// * **Durable:** when `append` returns a position, the record survives the crash of any single process or server
///   (embedded: fsynced; Kafka: on all in-sync replicas).
/// * **Order:** records of one conversation share a partition and have one order. Two appends by one caller, the second
///   started after the first returned, keep their order. Offsets are dense from 0 within a partition.
/// * **Visibility:** a record is read only once it is durable; never half of it.
/// * **Repeats:** appending a message id that the log already has either answers the first entry's position or makes a
///   second entry: readers recognise repeats by message id. After an error the record may or may not be in the log; the
///   same append may be tried again.
/// * **Bound:** appends waiting are bounded; over the bound or past the adapter's deadline: [`LogError::Unavailable`].
#[async_trait]
pub trait MessageLog: Send + Sync {
    async fn append(&self, record: &Record) -> Result<Position, LogError>;

    /// Entries of a partition from offset `from` on, in order, at most `len_max`. Empty at the end. Starts later than
    /// `from` when the log no longer has it.
    async fn read(&self, partition: u32, from: u64, len_max: usize) -> Result<Vec<Entry>, LogError>;

    /// Everything now in the log.
    async fn end(&self) -> Result<Cursor, LogError>;

    /// Reads on behalf of `group` from after what it committed (the log's beginning at first). One consumer per group
    /// and process.
    async fn consumer(&self, group: ConsumerGroup) -> Result<Box<dyn LogConsumer>, LogError>;
}

/// Reads entries as they come.
#[async_trait]
pub trait LogConsumer: Send {
    /// Waits for at least one entry after the last one returned; at most `len_max`, in log order per partition.
    /// Safe to cancel.
    async fn next(&mut self, len_max: usize) -> Result<Vec<Entry>, LogError>;

    /// A later consumer of the group starts after these. Entries that every group has committed may be dropped from the log
    /// after the retention time.
    async fn commit(&mut self, done: &Cursor) -> Result<(), LogError>;
}

/// Who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsumerGroup {
    /// Puts entries on the bus for delivery.
    Dispatch,
    /// Puts entries into the store.
    Store,
}

impl ConsumerGroup {
    pub const ALL: [Self; 2] = [Self::Dispatch, Self::Store];

    pub fn name(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Store => "store",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log cannot take or give entries now. Try again later.
    #[error("message log unavailable: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An entry cannot be read. Trying again will not help.
    #[error("message log entry {partition}:{offset} cannot be read: {reason}")]
    Unreadable { partition: u32, offset: u64, reason: String },
}
