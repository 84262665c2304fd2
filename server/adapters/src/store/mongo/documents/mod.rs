//! Between documents and the core's values. Reading is tolerant: years of an original backend, its forks and hands have
//! written them. An optional field that is absent or of another type counts as empty.

mod message;
mod picture;
mod user;

use mongodb::bson::{Bson, DateTime, Document, oid::ObjectId as Oid};
use sockeye_core::{
    id::{ObjectId, UserId},
    time::Timestamp,
};

pub(super) use self::{
    message::{Place, PlaceOf, Placed, entry_from, message_from, message_to, placed_from},
    picture::Pictures,
    user::{SESSIONS_ENDED_THROUGH, account_from, user_from, user_to},
};

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

fn time_from(document: &Document, field: &str) -> Option<Timestamp> {
    let millis = document.get_datetime(field).ok()?.timestamp_millis();
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
