//! Message logs.

pub mod embedded;
pub mod kafka;
