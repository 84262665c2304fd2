//! What can be asked of the chat: one file, one verb.

mod acquaintance;
mod authenticate;
pub(crate) mod chat;
pub(crate) mod check_sessions;
mod connect;
mod disconnect;
mod guessing;
pub(crate) mod list_people;
pub(crate) mod log_in;
pub(crate) mod log_out;
mod picture;
pub(crate) mod read_history;
pub(crate) mod resume;
pub(crate) mod send_message;
pub(crate) mod sign_up;
pub(crate) mod update_profile;
