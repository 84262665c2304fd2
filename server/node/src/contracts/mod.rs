//! The vocabularies of existing frontends, a folder each.

pub mod direct;
pub mod direct_v1;
