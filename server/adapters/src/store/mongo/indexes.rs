use mongodb::{
    Collection, IndexModel,
    bson::{Bson, Document, doc},
    options::IndexOptions,
};

use super::{
    documents::number_from,
    error::{NAMESPACE_NOT_FOUND, code_of},
    names,
};

/// An index that the queries of this store need.
pub(super) struct Wanted {
    pub(super) collection: &'static str,
    pub(super) name: &'static str,
    pub(super) keys: Document,
    pub(super) unique: bool,
    /// Documents leave when the time in their (only) key has come.
    expires: bool,
    /// Only documents that match this are in it.
    only: Option<Document>,
}

pub(super) fn wanted() -> Vec<Wanted> {
    let index =
        |collection, name, keys| Wanted { collection, name, keys, unique: false, expires: false, only: None };
    vec![
        // As mongoose names it.
        Wanted { unique: true, ..index(names::USERS, "email_1", doc! { "email": 1 }) },
        // History, and the receivers of a sender.
        index(names::MESSAGES, "sockeye_sent", sent_keys()),
        // The senders of a receiver.
        index(
            names::MESSAGES,
            "sockeye_received",
            doc! { "receiverId": 1, "senderId": 1, "sockeye.order": 1, "createdAt": 1 },
        ),
        Wanted {
            only: Some(doc! { "sockeye.members": { "$exists": true } }),
            ..index(
                names::MESSAGES,
                "sockeye_inbox",
                doc! { "sockeye.members": 1, "sockeye.log": 1, "sockeye.partition": 1, "sockeye.offset": 1 },
            )
        },
        Wanted {
            only: Some(doc! { "sockeye.group": { "$exists": true } }),
            ..index(names::MESSAGES, "sockeye_group", doc! { "sockeye.group": 1, "sockeye.order": 1 })
        },
        // History with texts or numbers as times: nothing, or all of what was imported.
        Wanted { only: Some(mistyped()), ..index(names::MESSAGES, "sockeye_mistyped", mistyped_keys()) },
        Wanted { expires: true, ..index(names::SESSIONS, "sockeye_until", doc! { "until": 1 }) },
    ]
}

/// Of the index that history is read by.
pub(super) fn sent_keys() -> Document {
    doc! { "senderId": 1, "receiverId": 1, "sockeye.order": 1, "createdAt": 1, "_id": 1 }
}

/// Of the index of mistyped messages.
pub(super) fn mistyped_keys() -> Document {
    doc! { "senderId": 1, "receiverId": 1, "_id": 1 }
}

/// Matches messages whose `createdAt` is there, but neither a date nor null. Spelt out: the filter of an index takes no
/// negation, and a query must say the same.
pub(super) fn mistyped() -> Document {
    let types = [
        "double",
        "string",
        "object",
        "array",
        "binData",
        "undefined",
        "objectId",
        "bool",
        "regex",
        "dbPointer",
        "javascript",
        "symbol",
        "javascriptWithScope",
        "int",
        "timestamp",
        "long",
        "decimal",
        "minKey",
        "maxKey",
    ];
    doc! { "createdAt": { "$type": types.to_vec() } }
}

impl Wanted {
    pub(super) fn model(&self) -> IndexModel {
        let mut options = IndexOptions::default();
        options.name = Some(self.name.into());
        options.unique = self.unique.then_some(true);
        options.expire_after = self.expires.then_some(std::time::Duration::ZERO);
        options.partial_filter_expression = self.only.clone();
        IndexModel::builder().keys(self.keys.clone()).options(options).build()
    }

    /// Whether `index` does what this one is for, whatever its name is.
    pub(super) fn is_met_by(&self, index: &IndexModel) -> bool {
        let found = index.options.as_ref();
        let partial = found.and_then(|options| options.partial_filter_expression.as_ref());
        let all = partial.is_none() || partial == self.only.as_ref();
        self.has_keys_of(index)
            && all
            && (!self.unique || found.and_then(|options| options.unique) == Some(true))
            && (!self.expires || found.is_some_and(|options| options.expire_after.is_some()))
            && found.is_none_or(|options| {
                options.collation.is_none() && options.sparse != Some(true) && options.hidden != Some(true)
            })
    }

    pub(super) fn has_keys_of(&self, index: &IndexModel) -> bool {
        let direction =
            |(name, value): (&String, &Bson)| Some((name.clone(), number_from(Some(value))?.signum()));
        self.keys.iter().map(direction).eq(index.keys.iter().map(direction))
    }
}

/// The indexes of a collection; none when it is not there.
pub(super) async fn existing(collection: &Collection<Document>) -> mongodb::error::Result<Vec<IndexModel>> {
    use futures_util::TryStreamExt;
    match collection.list_indexes().await {
        Ok(found) => found.try_collect().await,
        Err(error) if code_of(&error) == Some(NAMESPACE_NOT_FOUND) => Ok(vec![]),
        Err(error) => Err(error),
    }
}
