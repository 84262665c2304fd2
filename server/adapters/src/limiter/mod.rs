//! Rate limiters.

mod local;
pub mod redis;

pub use local::LocalLimiter;
pub use redis::RedisLimiter;
