//! What stops a run before there is anything to report, and the tally of what went wrong during one.

use std::collections::BTreeMap;

use serde::Serialize;

/// A run that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{doing}: {source}")]
    Io { doing: String, source: std::io::Error },
    #[error("{doing}: {source}")]
    Rest { doing: String, source: reqwest::Error },
    #[error("{doing}: the server answered {status}: {body}")]
    Refused { doing: String, status: u16, body: String },
    #[error("connection: {0}")]
    Handshake(String),
    #[error("{0}")]
    Setup(String),
}

impl Failure {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn rest(doing: impl Into<String>) -> impl FnOnce(reqwest::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Rest { doing, source }
    }
}

/// Errors by kind, with the first of each kind in words.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) total: u64,
    pub(crate) by_kind: BTreeMap<&'static str, u64>,
    pub(crate) examples: BTreeMap<&'static str, String>,
}

impl Tally {
    pub(crate) fn add(&mut self, kind: &'static str, words: impl Into<String>) {
        self.add_many(kind, 1, words);
    }

    /// Counts `count` errors of a kind with one example; none when `count` is 0.
    pub(crate) fn add_many(&mut self, kind: &'static str, count: u64, words: impl Into<String>) {
        if count == 0 {
            return;
        }
        self.total += count;
        *self.by_kind.entry(kind).or_default() += count;
        self.examples.entry(kind).or_insert_with(|| words.into());
    }

    /// Takes over what another tally counted.
    pub(crate) fn merge(&mut self, other: Self) {
        self.total += other.total;
        for (kind, count) in other.by_kind {
            *self.by_kind.entry(kind).or_default() += count;
        }
        for (kind, words) in other.examples {
            self.examples.entry(kind).or_insert(words);
        }
    }
}
