//! HTTP around the contracts' routes.

pub mod body;
pub mod cookies;
pub mod limits;
pub mod origin;
pub mod reply;
