//! Stores.

pub mod mongo;
pub mod sqlite;
