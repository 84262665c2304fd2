//! Who is online.

mod local;
pub mod redis;

pub use local::LocalPresence;
pub use redis::RedisPresence;
