//! The process: commands, configuration, lifecycle, gateway, contracts, worker.

pub mod contracts;
pub mod gateway;

#[cfg(test)]
mod testing;
