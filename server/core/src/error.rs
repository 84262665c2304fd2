//! What can go wrong for somebody who asks something of the chat, and what they should do next.

use crate::ports::{BlobError, BusError, LimiterError, LogError, PresenceError, StoreError};

/// A refusal or failure of a use case.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The request breaks a rule; sending it again will not help.
    #[error("{message}")]
    Invalid { code: &'static str, message: String },
    /// No, or no valid, proof of who is asking.
    #[error("{message}")]
    Unauthenticated { code: &'static str, message: &'static str },
    /// Known, but not allowed.
    #[error("{message}")]
    Forbidden { code: &'static str, message: &'static str },
    #[error("{message}")]
    NotFound { code: &'static str, message: &'static str },
    #[error("{message}")]
    Conflict { code: &'static str, message: &'static str },
    #[error("too many requests")]
    TooMany { retry_after_ms: u64 },
    /// What one user may bring in a day is used up.
    #[error("{message}")]
    Quota { code: &'static str, message: &'static str, retry_after_ms: u64 },
    /// More is asked at once than can be done. Nothing was done.
    #[error("too much at once, try again in a moment")]
    Busy { retry_after_ms: u64 },
    /// Something behind the chat does not answer. Nothing was accepted.
    #[error("{what} is not available, try again")]
    Unavailable {
        what: &'static str,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// What the asker should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Change the request.
    Correct,
    SignIn,
    /// The same request may succeed later.
    Retry,
    GiveUp,
}

impl ChatError {
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { code, message: message.into() }
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { code, .. }
            | Self::Unauthenticated { code, .. }
            | Self::Forbidden { code, .. }
            | Self::NotFound { code, .. }
            | Self::Conflict { code, .. }
            | Self::Quota { code, .. } => code,
            Self::TooMany { .. } => "too_many_requests",
            Self::Busy { .. } => "busy",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    pub fn next_step(&self) -> NextStep {
        match self {
            Self::Invalid { .. } | Self::Conflict { .. } => NextStep::Correct,
            Self::Unauthenticated { .. } => NextStep::SignIn,
            Self::Forbidden { .. } | Self::NotFound { .. } => NextStep::GiveUp,
            Self::TooMany { .. } | Self::Quota { .. } | Self::Busy { .. } | Self::Unavailable { .. } => {
                NextStep::Retry
            }
        }
    }
}

macro_rules! unavailable {
    ($($error:ty => $what:literal),* $(,)?) => {
        $(impl From<$error> for ChatError {
            fn from(source: $error) -> Self {
                Self::Unavailable { what: $what, source: Some(Box::new(source)) }
            }
        })*
    };
}

unavailable! {
    BlobError => "the media store",
    BusError => "the message bus",
    LimiterError => "the rate limiter",
    LogError => "the message log",
    PresenceError => "presence",
    StoreError => "the store",
}
