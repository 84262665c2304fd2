//! The real binary as a child process, people who use it over REST, and a small raw Socket.IO client.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this")]

mod addresses;
mod client;
mod line;
mod node;
mod person;
mod server;
mod shape;

use std::{future::Future, time::Duration};

pub use addresses::Addresses;
pub use client::{Client, ConnectError, Dial, Event, Memory, Transport};
pub use line::{Between, RawSocket, open_socket};
pub use node::{Exit, Node};
pub use person::{Answer, Contract, Person};
pub use server::Server;
pub use shape::{Shape, embedded_only};

/// How long anything may take before a test says that it does not happen. Far more than it needs on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A picture of one pixel, as browsers' `FileReader` gives it.
pub const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The outcome of `task`, or a failure that says what did not happen.
pub async fn soon<T>(what: &str, task: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, task)
        .await
        .unwrap_or_else(|_| panic!("did not happen within {PATIENCE:?}: {what}"))
}

/// Asks again and again until the answer is `Some`.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    soon(what, async {
        loop {
            turns.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    })
    .await
}

/// A number that sets the test run, for longer runs than CI has time for.
pub fn setting(name: &str) -> Option<u64> {
    text_setting(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// A setting of the test run.
pub fn text_setting(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests' own settings are no part of the server's configuration"
    )]
    std::env::var(name).ok()
}
