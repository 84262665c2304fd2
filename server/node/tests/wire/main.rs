//! The wire, black box: a server in this process on a free port, raw clients on loopback.

mod client;
mod closing;
mod events;
mod handshake;
mod liveness;
mod polling;
mod recovery;
mod server;
mod shared;
mod upgrade;
