//! Reads the log and puts it into the store. Delivery to devices is the gateway's, so that it goes on while the store does
//! not answer.

mod pause;
pub mod store;
