//! Between documents and the core's values. Reading is tolerant: years of an original backend, its forks and hands have
//! written them. An optional field that is absent or of another type counts as empty.

mod message;
mod picture;
mod user;

use mongodb::bson::{Bson, DateTime, Document, RawDocument, oid::ObjectId as Oid};
use sockeye_core::{
    id::{ObjectId, UserId},
    time::Timestamp,
};

pub(super) use self::{
    message::{Place, PlaceOf, Placed, entry_from, message_from, message_to, placed_from},
    picture::Pictures,
    user::{SESSIONS_ENDED_THROUGH, account_from, user_from, user_to},
};

/// Documents are read raw: the driver's own way takes `{"$date": ...}` in one for a date in extended JSON, and the whole
/// answer fails when it is none. `None` when it is no document at all.
pub(super) fn document_from(raw: &RawDocument) -> Option<Document> {
    let read = Document::try_from(raw);
    read.inspect_err(|error| tracing::debug!(%error, "skipped a document that cannot be read")).ok()
}

pub(super) fn oid(id: ObjectId) -> Oid {
    Oid::from_bytes(id.0)
}

pub(super) fn user_oid(id: UserId) -> Oid {
    oid(id.0)
}

pub(super) fn id_from(document: &Document, field: &str) -> Option<ObjectId> {
    document.get_object_id(field).ok().map(|id| ObjectId(id.bytes()))
}

pub(super) fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(long(time.as_millis()))
}

/// MongoDB's whole numbers are signed: what is beyond (no offset or time gets there) stays at the end.
pub(super) fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The inverse of [`long`].
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A whole number, however it was written: shells write doubles.
#[expect(clippy::cast_possible_truncation, reason = "a float to an integer saturates")]
pub(super) fn number_from(value: Option<&Bson>) -> Option<i64> {
    match value? {
        Bson::Int64(number) => Some(*number),
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}

/// Numbers nearer to zero are seconds since 1970 (until the year 5138), others milliseconds (since 1973).
pub(super) const SECONDS_BELOW: i64 = 100_000_000_000;

/// A date; or what imports and forks write instead: an RFC 3339 text, or a number.
fn time_from(document: &Document, field: &str) -> Option<Timestamp> {
    let millis = match document.get(field)? {
        Bson::DateTime(at) => at.timestamp_millis(),
        Bson::String(text) => DateTime::parse_rfc3339_str(text).ok()?.timestamp_millis(),
        number => match number_from(Some(number))? {
            seconds if seconds.saturating_abs() < SECONDS_BELOW => seconds.saturating_mul(1_000),
            millis => millis,
        },
    };
    Some(Timestamp::from_millis(unsigned(millis)))
}

/// When a document's id was made, for documents that lack their time.
fn time_of_id(id: ObjectId) -> Timestamp {
    let [s0, s1, s2, s3, ..] = id.0;
    Timestamp::from_millis(u64::from(u32::from_be_bytes([s0, s1, s2, s3])) * 1_000)
}

fn text_from(document: &Document, field: &str) -> String {
    document.get_str(field).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    #[test]
    fn a_time_is_read_from_what_backends_and_imports_write() {
        let at = |value: Bson| time_from(&doc! { "at": value }, "at").map(Timestamp::as_millis);
        let millis = 1_704_103_200_123;
        assert_eq!(at(DateTime::from_millis(millis).into()), Some(1_704_103_200_123));
        assert_eq!(at("2024-01-01T10:00:00.123Z".into()), Some(1_704_103_200_123));
        assert_eq!(at("2024-01-01T12:00:00.123+02:00".into()), Some(1_704_103_200_123));
        assert_eq!(at(millis.into()), Some(1_704_103_200_123));
        assert_eq!(at(1_704_103_200_123.0.into()), Some(1_704_103_200_123));
        assert_eq!(at(1_704_103_200.into()), Some(1_704_103_200_000));
        assert_eq!(at((-5).into()), Some(0));
        for other in [Bson::Null, "yesterday".into(), "".into(), true.into(), Bson::Array(vec![])] {
            assert_eq!(at(other), None);
        }
        assert_eq!(time_from(&doc! {}, "at"), None);
    }
}
