//! Rate limiters.

mod local;

pub use local::LocalLimiter;
