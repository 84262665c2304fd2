//! Where pictures are kept.

mod directory;
pub mod s3;

pub use directory::DirectoryBlobs;
pub use s3::S3Blobs;
