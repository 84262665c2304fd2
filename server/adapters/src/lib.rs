//! What Sockeye can be plugged into: one folder per port, one file or folder per adapter.
//!
//! The ports' documentation (`sockeye_core::ports`) says what every adapter must do; `conformance` (feature of the same
//! name) holds each to it. The local adapters need nothing but a data directory. Blocking work never runs on the async
//! runtime's threads: every adapter that blocks has its own few threads behind a bounded queue.

pub mod auth;
pub mod blobs;
pub mod bus;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod limiter;
pub mod log;
pub mod presence;
pub mod redis;
mod sqlite;
pub mod store;
mod tls;
mod workers;

pub use sqlite::OpenError;
