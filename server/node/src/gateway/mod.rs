//! Where clients arrive.
pub mod wire;
