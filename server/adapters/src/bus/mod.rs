//! Buses between nodes.

mod local;

pub use local::LocalBus;
