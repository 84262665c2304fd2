//! What chat is.
