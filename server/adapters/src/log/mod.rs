//! Message logs.

pub mod embedded;
