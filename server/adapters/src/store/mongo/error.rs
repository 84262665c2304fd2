use std::time::Duration;

use mongodb::error::{Error, ErrorKind, InsertManyError, WriteFailure};
use sockeye_core::ports::StoreError;

/// MongoDB does not answer, or refused. Says nothing of what documents hold: it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MongoError {
    #[error("MongoDB has not answered within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// Something with this key is there already; the name of the index.
    #[error("a key is there already (index {0})")]
    Duplicate(String),
    #[error("MongoDB: {0}")]
    Failed(String),
    #[error("{0}")]
    Unsuitable(String),
}

pub(super) const DUPLICATE_KEY: i32 = 11_000;
/// A database or collection is not there.
pub(super) const NAMESPACE_NOT_FOUND: i32 = 26;

/// A collection's validator refuses a document.
const DOCUMENT_INVALID: i32 = 121;

/// The error code of a command that was refused.
pub(super) fn code_of(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

impl From<Error> for MongoError {
    fn from(error: Error) -> Self {
        match &*error.kind {
            ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY => {
                Self::Duplicate(index_of(&write.message))
            }
            ErrorKind::Command(command) if command.code == DUPLICATE_KEY => {
                Self::Duplicate(index_of(&command.message))
            }
            // Messages of refused writes quote the document.
            ErrorKind::Write(WriteFailure::WriteError(write)) => Self::Failed(refused(1, write.code)),
            ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => {
                Self::Failed(format!("not confirmed by most members: {} ({})", concern.message, concern.code))
            }
            ErrorKind::InsertMany(failures) => Self::Failed(insert_many(failures)),
            ErrorKind::Command(command) => {
                Self::Failed(format!("{} ({} {})", command.message, command.code, command.code_name))
            }
            ErrorKind::Authentication { .. } => Self::Failed("the user name or password was refused".into()),
            kind => Self::Failed(kind.to_string()),
        }
    }
}

impl From<MongoError> for StoreError {
    fn from(error: MongoError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

fn insert_many(failures: &InsertManyError) -> String {
    if let Some(concern) = &failures.write_concern_error {
        return format!("not confirmed by most members: {} ({})", concern.message, concern.code);
    }
    let errors = failures.write_errors.as_deref().unwrap_or_default();
    let other = errors.iter().find(|error| error.code != DUPLICATE_KEY);
    refused(errors.len(), other.map_or(DUPLICATE_KEY, |error| error.code))
}

/// A validator that somebody set refuses the same document for ever: who reads it must know what to change.
fn refused(writes_len: usize, code: i32) -> String {
    let why = match code {
        DOCUMENT_INVALID => {
            ": the collection has a validator that our documents do not pass. Nothing is lost: they are tried again until \
             it is changed (collMod) or taken away, and what came after them waits"
        }
        _ => "",
    };
    format!("{writes_len} writes were refused (code {code}){why}")
}

/// `E11000 duplicate key error collection: test.users index: email_1 dup key: { email: "..." }`
pub(super) fn index_of(message: &str) -> String {
    let index = message.split_once(" index: ").and_then(|(_, rest)| rest.split_whitespace().next());
    index.unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_names_the_index_and_not_the_value() {
        let message =
            r#"E11000 duplicate key error collection: test.users index: email_1 dup key: { email: "a@b.c" }"#;
        assert_eq!(index_of(message), "email_1");
        assert_eq!(index_of("something else"), "unknown");
    }
}
