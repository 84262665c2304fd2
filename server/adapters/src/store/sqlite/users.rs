use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction, params};
use sockeye_core::{
    id::UserId,
    media::Picture,
    portion::Portion,
    ports::{StoreError, Users},
    time::Timestamp,
    user::{AccountState, User},
};

use super::{
    SqliteStore, rows,
    rows::{optional_time, picture_to, time_to, user},
    statements as sql,
};
use crate::sqlite::limit;

#[async_trait]
impl Users for SqliteStore {
    async fn insert_user(&self, user: &User) -> Result<(), StoreError> {
        let user = user.clone();
        match self.write(move |tx| insert(tx, &user)).await? {
            Some(taken) => Err(StoreError::Conflict(taken)),
            None => Ok(()),
        }
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.read(move |tx| tx.prepare_cached(sql::USER)?.query_row([id.0.0], user).optional()).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let email = email.to_owned();
        self.read(move |tx| tx.prepare_cached(sql::USER_BY_EMAIL)?.query_row([email], user).optional()).await
    }

    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<AccountState>, StoreError> {
        let ids: HashSet<UserId> = ids.iter().copied().collect();
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(sql::ACCOUNT)?;
            let mut found = vec![];
            for user in ids {
                let ended = statement.query_row([user.0.0], |row| optional_time(row, 0)).optional()?;
                found.extend(
                    ended.map(|sessions_ended_through| AccountState { user, sessions_ended_through }),
                );
            }
            Ok(found)
        })
        .await
    }

    async fn end_sessions(&self, id: UserId, through: Timestamp) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let changed = tx.prepare_cached(sql::END_SESSIONS)?.execute(params![id.0.0, time_to(through)])?;
            Ok(changed > 0)
        })
        .await
    }

    async fn set_picture(
        &self,
        id: UserId,
        picture: &Picture,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let picture = picture.to_string();
        let set = move |tx: &Transaction<'_>| {
            let mut statement = tx.prepare_cached(sql::SET_PICTURE)?;
            let mut rows = statement.query(params![id.0.0, picture, time_to(now)])?;
            let changed = rows.next()?.map(user).transpose()?;
            // To the end: only then is the change complete.
            while rows.next()?.is_some() {}
            Ok(changed)
        };
        self.write(set).await
    }

    async fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        let (old, new) = (old.to_owned(), new.to_owned());
        let replace = move |tx: &Transaction<'_>| {
            Ok(tx.prepare_cached(sql::REPLACE_PASSWORD_HASH)?.execute(params![id.0.0, old, new])? > 0)
        };
        self.write(replace).await
    }

    async fn some_password_hashes(&self, len_max: usize) -> Result<Vec<String>, StoreError> {
        self.read(move |tx| {
            let newest_len = len_max / 2;
            let of = |statement, len_max: usize| {
                let mut statement = tx.prepare_cached(statement)?;
                statement.query_map([limit(len_max)], |row| row.get(0))?.collect::<rusqlite::Result<_>>()
            };
            let mut hashes: Vec<String> = of(sql::OLDEST_PASSWORD_HASHES, len_max - newest_len)?;
            let newest: Vec<String> = of(sql::NEWEST_PASSWORD_HASHES, newest_len)?;
            hashes.extend(newest);
            Ok(hashes)
        })
        .await
    }

    async fn people_within(
        &self,
        except: UserId,
        after: Option<UserId>,
        portion: Portion,
    ) -> Result<Vec<User>, StoreError> {
        self.read(move |tx| {
            let after: Option<i64> = match after {
                None => Some(-1),
                Some(after) => tx
                    .prepare_cached(sql::SEQ_OF_USER)?
                    .query_row([after.0.0], |row| row.get(0))
                    .optional()?,
            };
            let Some(after) = after else { return Ok(vec![]) };
            let mut statement = tx.prepare_cached(sql::PEOPLE)?;
            let people = statement.query(params![after, except.0.0, limit(portion.len_max)])?;
            rows::portion(people, portion, user, User::answer_bytes)
        })
        .await
    }

    async fn partners_within(&self, of: UserId, portion: Portion) -> Result<Vec<User>, StoreError> {
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(sql::PARTNERS)?;
            let partners = statement.query(params![of.0.0, limit(portion.len_max)])?;
            rows::portion(partners, portion, user, User::answer_bytes)
        })
        .await
    }
}

/// What is taken, if anything: then nothing was written. Nobody comes between, because there is one writer.
fn insert(tx: &Transaction<'_>, user: &User) -> rusqlite::Result<Option<&'static str>> {
    let id = user.id.0.0;
    if tx.prepare_cached(sql::EMAIL_IS_TAKEN)?.exists([&user.email])? {
        return Ok(Some("the address"));
    }
    if tx.prepare_cached(sql::USER_ID_IS_TAKEN)?.exists([id])? {
        return Ok(Some("the user id"));
    }
    tx.prepare_cached(sql::INSERT_USER)?.execute(params![
        id,
        user.email,
        user.name,
        user.password_hash,
        picture_to(user.picture.as_ref()),
        user.bio,
        time_to(user.created_at),
        time_to(user.updated_at),
    ])?;
    Ok(None)
}
