//! Reads the log: [`dispatch`] puts entries on the bus for delivery, [`store`] puts them into the store. Two readers, so that
//! delivery goes on while the store does not answer.

pub mod dispatch;
mod pause;
mod skip;
pub mod store;
