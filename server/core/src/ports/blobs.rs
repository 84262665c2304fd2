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

    /// When it returns, the picture is gone, also after a crash. Deleting what is not there is no error.
    async fn delete(&self, id: &MediaId) -> Result<(), BlobError>;
}

/// The media store failed. Trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("media store: {0}")]
pub struct BlobError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
