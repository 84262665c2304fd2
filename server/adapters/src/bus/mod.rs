//! Buses between nodes.

mod local;
pub mod redis;

pub use local::LocalBus;
pub use redis::RedisBus;
