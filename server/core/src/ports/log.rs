use async_trait::async_trait;

use crate::{
    message::{Entry, Record},
    position::{Cursor, Position},
};

/// The message log: the truth about which messages were accepted, and in which order.
///
/// * **Durable:** when `append` returns, the record survives the crash of any single process or server (embedded: fsynced;
///   Kafka: on all in-sync replicas).
/// * **Order:** records of one conversation share a partition and have one order. Two appends by one caller, the second
///   started after the first returned, keep their order. Offsets grow within a partition; ours are dense.
/// * **Visibility:** a record is read only once it is durable; never half of it.
/// * **Repeats:** appending a message id that the log already has either answers the first entry or makes a second one:
///   readers recognise repeats by message id. After an error the record may or may not be in the log; the same append may
///   be tried again.
/// * **Bound:** appends waiting are bounded; over the bound or past the adapter's deadline: [`LogError::Unavailable`].
#[async_trait]
pub trait MessageLog: Send + Sync {
    async fn append(&self, record: &Record) -> Result<Appended, LogError>;

    /// The last entry of every partition that has any: everything appended before this call, by whichever node.
    async fn end(&self) -> Result<Cursor, LogError>;

    /// Follows the whole log, all partitions, from after `after` on; a partition that `after` does not name from its
    /// beginning. Starts later where the log no longer has what follows. Any number per process; nothing is committed.
    async fn tail(&self, after: &Cursor) -> Result<Box<dyn LogTail>, LogError>;

    /// Reads on behalf of all workers together, each its share of the partitions, from after what they committed (the log's
    /// beginning at first). One per process.
    async fn consumer(&self) -> Result<Box<dyn LogConsumer>, LogError>;
}

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub position: Position,
    /// When the log knows that it had the message already: what it has. Then `position` is of that.
    pub first: Option<Record>,
}

/// Follows the log.
#[async_trait]
pub trait LogTail: Send {
    /// Waits for at least one entry after the last one returned; at most `len_max`, in log order per partition.
    /// Safe to cancel.
    ///
    /// # Errors
    /// [`LogError::Unreadable`] once for an entry that cannot be read, when it is its turn: the next call goes on after it.
    async fn next(&mut self, len_max: usize) -> Result<Vec<Entry>, LogError>;
}

/// Reads the log in order to store it.
#[async_trait]
pub trait LogConsumer: Send {
    /// Waits for news: entries after the last ones returned, at most `len_max`, in log order per partition; or partitions
    /// that were newly assigned. Safe to cancel.
    ///
    /// # Errors
    /// [`LogError::Unreadable`] for an entry that cannot be read, when it is its turn, until it is set aside.
    async fn next(&mut self, len_max: usize) -> Result<Batch, LogError>;

    /// These are stored. A later consumer starts after them, and entries before them may be dropped from the log after the
    /// retention time. Partitions that are no longer this consumer's are left out.
    async fn commit(&mut self, done: &Cursor) -> Result<(), LogError>;

    /// Puts an entry that cannot be read where an operator finds it, with the reason (Kafka: the dead-letter topic); when
    /// this returns, it is kept there, and [`LogConsumer::next`] goes on after it.
    async fn set_aside(&mut self, unreadable: &Unreadable) -> Result<(), LogError>;
}

/// What a consumer read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// May be empty, when there is only a new `through`.
    pub entries: Vec<Entry>,
    /// With these entries, everything up to here was returned now, earlier, or to those who committed it: once they are
    /// stored, the log is stored through here, in the partitions named.
    pub through: Cursor,
}

/// An entry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub position: Position,
    /// Without anything of the entry's content.
    pub reason: String,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log cannot take or give entries now. Try again later.
    #[error("message log unavailable: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An entry cannot be read. Trying again will not help.
    #[error("message log entry {}:{} cannot be read: {}", .0.position.partition, .0.position.offset, .0.reason)]
    Unreadable(Unreadable),
}
