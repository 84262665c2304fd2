//! Where pictures are kept.

mod directory;

pub use directory::DirectoryBlobs;
