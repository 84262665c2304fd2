//! Stores.

pub mod sqlite;
