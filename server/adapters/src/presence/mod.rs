//! Who is online.

mod local;

pub use local::LocalPresence;
