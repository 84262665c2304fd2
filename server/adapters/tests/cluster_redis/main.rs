//! The Redis adapters, over a real server: the suites, several nodes, and everything that can happen to Redis.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod access;
mod bus;
mod limiter;
mod nodes;
mod outages;
mod presence;
mod proxy;
mod server;
mod suites;
