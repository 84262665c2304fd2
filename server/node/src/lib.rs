//! The process: commands, configuration, lifecycle, gateway, contracts, worker.

pub mod app;
pub mod audit;
pub mod clock;
pub mod config;
pub mod contracts;
pub mod gateway;
pub mod lifecycle;
pub mod listener;
pub mod logging;
pub mod ops;
#[cfg(feature = "planted-bugs")]
mod planted;
pub mod private;
mod secret;
pub mod worker;

#[cfg(test)]
mod testing;
