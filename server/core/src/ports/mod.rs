//! What the core needs of the outside, as contracts. Each trait's documentation is what every adapter must do; one
//! conformance suite per port (in `sockeye-adapters`) holds all adapters to it.

mod blobs;
mod bus;
mod clock;
mod limiter;
mod log;
mod passwords;
mod presence;
mod store;
mod tokens;

pub use blobs::{BlobError, Blobs, PART_BYTES_MAX, Part};
pub use bus::{Bus, BusError, BusEvent, BusSubscription, Received};
pub use clock::{Clock, Entropy};
pub use limiter::{Limiter, LimiterError};
pub use log::{Appended, Batch, LogConsumer, LogError, LogTail, MessageLog, Unreadable};
pub use passwords::{Asker, PasswordError, Passwords};
pub use presence::{Presence, PresenceError};
pub use store::{Conversations, Messages, Sessions, Store, StoreError, Users};
pub use tokens::{TokenError, Tokens};
