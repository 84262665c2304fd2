use async_trait::async_trait;

use crate::media::{Image, MediaId};

/// Keeps pictures.
///
/// * When `put` returns, the picture survives a crash of the process and of the machine.
/// * A picture is whole or absent: nobody sees half of one.
/// * Pictures do not change: the same id always has the same bytes. One that was deleted does not come back.
#[async_trait]
pub trait Blobs: Send + Sync {
    async fn put(&self, id: &MediaId, image: &Image) -> Result<(), BlobError>;

    /// `None` when there is no such picture.
    async fn get(&self, id: &MediaId) -> Result<Option<Vec<u8>>, BlobError>;

    /// The bytes from `offset` on, as many as suit the adapter (at most [`PART_BYTES_MAX`]), for whoever hands a picture on
    /// and should not have all of it in memory. None are left exactly when `offset` is at the end or behind it. Between two
    /// calls nothing is held. `None` when there is no such picture.
    async fn part(&self, id: &MediaId, offset: u64) -> Result<Option<Part>, BlobError>;

    /// When it returns, the picture is gone, also after a crash. Deleting what is not there is no error.
    async fn delete(&self, id: &MediaId) -> Result<(), BlobError>;
}

/// Bytes of a [`Part`], at most.
pub const PART_BYTES_MAX: usize = 512 * 1024;

/// A part of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub bytes: Vec<u8>,
    /// Bytes of the whole picture.
    pub whole_len: u64,
}

/// The media store failed. Trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("media store: {0}")]
pub struct BlobError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
