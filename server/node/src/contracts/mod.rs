//! The vocabularies of existing frontends, a folder each.

pub mod direct;
