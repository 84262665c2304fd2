use mongodb::bson::{Document, doc};
use sockeye_core::{
    id::UserId,
    time::Timestamp,
    user::{AccountState, User},
};

use super::{Pictures, date, id_from, oid, text_from, time_from, time_of_id};
use crate::store::mongo::MongoSchema;

/// As the original backend would have written it.
pub(in super::super) fn user_to(user: &User, schema: MongoSchema, pictures: &Pictures) -> Document {
    let picture = user.picture.as_ref().map_or(String::new(), |picture| pictures.text(picture));
    let mut document = match schema {
        MongoSchema::DirectV1 => doc! {
            "_id": oid(user.id.0),
            "email": &user.email,
            "password": &user.password_hash,
            "full_name": &user.name,
            "profile_picture": picture,
            "bio": &user.bio,
            "o_auth_provider": "local",
            "o_auth_id": "",
        },
        MongoSchema::Direct => doc! {
            "_id": oid(user.id.0),
            "email": &user.email,
            "fullName": &user.name,
            "password": &user.password_hash,
            "profilePic": picture,
        },
    };
    if schema == MongoSchema::Direct && !user.bio.is_empty() {
        document.insert("bio", &user.bio);
    }
    document.insert("createdAt", date(user.created_at));
    document.insert("updatedAt", date(user.updated_at));
    document.insert("__v", 0);
    document
}

/// `None` when it has no usable id or address.
pub(in super::super) fn user_from(
    document: &Document,
    schema: MongoSchema,
    pictures: &Pictures,
) -> Option<User> {
    let id = id_from(document, "_id");
    let email = document.get_str("email");
    let (Some(id), Ok(email)) = (id, email) else {
        tracing::debug!(id = ?id, "skipped a user document without a usable id or address");
        return None;
    };
    let created_at = time_from(document, "createdAt").unwrap_or(time_of_id(id));
    Some(User {
        id: UserId(id),
        email: email.to_owned(),
        name: text_from(document, schema.name_field()),
        password_hash: text_from(document, "password"),
        picture: pictures.read(document.get(schema.picture_field())),
        bio: text_from(document, "bio"),
        created_at,
        updated_at: time_from(document, "updatedAt").unwrap_or(created_at),
        sessions_ended_through: sessions_ended_from(document),
    })
}

/// Where it is in a user's document: beside what the original backends know.
pub(in super::super) const SESSIONS_ENDED_THROUGH: &str = "sockeye.sessionsEndedThrough";

/// `None` when it is no user to [`user_from`] either.
pub(in super::super) fn account_from(document: &Document) -> Option<AccountState> {
    document.get_str("email").ok()?;
    let user = UserId(id_from(document, "_id")?);
    Some(AccountState { user, sessions_ended_through: sessions_ended_from(document) })
}

fn sessions_ended_from(document: &Document) -> Option<Timestamp> {
    time_from(document.get_document("sockeye").ok()?, "sessionsEndedThrough")
}

impl MongoSchema {
    fn name_field(self) -> &'static str {
        match self {
            Self::Direct => "fullName",
            Self::DirectV1 => "full_name",
        }
    }

    pub(in super::super) fn picture_field(self) -> &'static str {
        match self {
            Self::Direct => "profilePic",
            Self::DirectV1 => "profile_picture",
        }
    }
}
