//! The process.
pub mod gateway;
