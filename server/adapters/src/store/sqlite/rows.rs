//! Between rows and the core's values.

use rusqlite::{Row, Rows, types::Type};
use sockeye_core::{
    id::{DeviceId, MessageId, ObjectId, UserId},
    media::Picture,
    message::{Entry, Message, Origin, Record},
    portion::Portion,
    position::Position,
    time::Timestamp,
    user::User,
};

use crate::sqlite::{from_sql, to_sql};

/// Of the columns that `statements` calls `user!()`.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(id(row, 0)?),
        email: row.get(1)?,
        name: row.get(2)?,
        password_hash: row.get(3)?,
        picture: picture(row, 4)?,
        bio: row.get(5)?,
        created_at: time(row, 6)?,
        updated_at: time(row, 7)?,
        sessions_ended_through: optional_time(row, 8)?,
    })
}

/// Of the columns that `statements` calls `message!()`.
pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let conversation: String = row.get(1)?;
    Ok(Message {
        id: MessageId(id(row, 0)?),
        conversation: conversation.parse().map_err(|error| damaged(1, Type::Text, error))?,
        sender: UserId(id(row, 2)?),
        text: row.get(3)?,
        picture: picture(row, 4)?,
        created_at: time(row, 5)?,
        client_id: row.get(6)?,
    })
}

/// Of `message!()` and members, origin, partition, offset.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let members: Vec<u8> = row.get(7)?;
    let device: Option<[u8; 12]> = row.get(8)?;
    let record = Record {
        message: message(row)?,
        members: members_from(&members).ok_or_else(|| damaged(7, Type::Blob, Damaged))?,
        origin: device.map_or(Origin::Request, |device| Origin::Device(DeviceId(ObjectId(device)))),
    };
    Ok(Entry { position: Position { partition: row.get(9)?, offset: from_sql(row.get(10)?) }, record })
}

/// Reads rows as long as the portion has room; the others stay where they are.
pub(super) fn portion<T>(
    mut rows: Rows<'_>,
    portion: Portion,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    bytes: impl Fn(&T) -> usize,
) -> rusqlite::Result<Vec<T>> {
    let (mut taken, mut filling) = (vec![], portion.filling());
    while !filling.is_full()
        && let Some(row) = rows.next()?
    {
        let one = read(row)?;
        filling.add(bytes(&one));
        taken.push(one);
    }
    Ok(taken)
}

pub(super) fn members_to(members: &[UserId]) -> Vec<u8> {
    members.iter().flat_map(|user| user.0.0).collect()
}

fn members_from(bytes: &[u8]) -> Option<Vec<UserId>> {
    let (ids, rest) = bytes.as_chunks::<12>();
    rest.is_empty().then(|| ids.iter().map(|&id| UserId(ObjectId(id))).collect())
}

pub(super) fn time_to(time: Timestamp) -> i64 {
    to_sql(time.as_millis())
}

pub(super) fn picture_to(picture: Option<&Picture>) -> Option<String> {
    picture.map(Picture::to_string)
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<ObjectId> {
    row.get(column).map(ObjectId)
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(from_sql).map(Timestamp::from_millis)
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(from_sql).map(Timestamp::from_millis))
}

fn picture(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Picture>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.as_deref().and_then(Picture::parse))
}

#[derive(Debug, thiserror::Error)]
#[error("not a list of ids")]
struct Damaged;

fn damaged(
    column: usize,
    found: Type,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, found, Box::new(error))
}
