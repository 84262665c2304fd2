//! HTTP around the contracts' routes.

pub mod api;
pub mod body;
pub mod cookies;
pub mod date;
pub mod limits;
pub mod origin;
pub mod page;
pub mod reply;
