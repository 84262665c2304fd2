//! The process: commands, configuration, lifecycle, gateway, contracts, worker.

pub mod config;
pub mod contracts;
pub mod gateway;
