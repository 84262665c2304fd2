//! What chat is: values, rules, use cases and ports.
//!
//! The core decides; it does no input or output of its own. What is asked of it (send, list, sign in) is a short async
//! function over [`ports`]; what lives long ([`presence::Roster`], [`sequencer::Sequencer`]) is a value fed with events.
//! Nothing here reads the clock, makes randomness, spawns a task or names a driver.

pub mod conversation;
pub mod error;
pub mod id;
pub mod limits;
pub mod media;
pub mod message;
pub mod portion;
pub mod ports;
pub mod position;
pub mod presence;
pub mod sequencer;
pub mod session;
pub mod time;
mod usecases;
pub mod user;

pub use error::{ChatError, NextStep};
pub use usecases::{
    chat::{Bounds, Chat, Ports},
    check_sessions::Over,
    list_people::PeoplePage,
    log_in::SignedIn,
    log_out::sessions_end_through,
    read_history::HistoryPage,
    resume::Missed,
    send_message::Outgoing,
    sign_up::NewAccount,
    update_profile::PictureChange,
};
