use std::time::Duration;

use mongodb::bson::Document;

use super::{
    MongoStore,
    error::{DUPLICATE_KEY, MongoError, code_of},
    indexes::{Wanted, existing, wanted},
    within,
};

/// Building an index reads the whole collection: years of messages.
const BUILD_DEADLINE: Duration = Duration::from_secs(3_600);

impl MongoStore {
    /// Creates the indexes that are missing; says what it did, a sentence each. Doing it again, or on several nodes at a
    /// time, is harmless. Documents are left as they are.
    ///
    /// # Errors
    /// [`MongoError::Unsuitable`] when this is no replica set, or when what is in the database is in the way: then with
    /// what to do.
    pub async fn migrate(&self) -> Result<Vec<String>, MongoError> {
        self.require_replica_set().await?;
        let mut done = vec![];
        for wanted in wanted() {
            let collection = self.database.collection::<Document>(wanted.collection);
            let found = within(self.read_deadline, existing(&collection)).await?;
            if found.iter().any(|index| wanted.is_met_by(index)) {
                continue;
            }
            if let Some(other) = found.iter().find(|index| wanted.has_keys_of(index)) {
                let name = other.options.as_ref().and_then(|options| options.name.as_deref());
                return Err(MongoError::Unsuitable(wanted.in_the_way(name.unwrap_or("?"))));
            }
            let create = async {
                match collection.create_index(wanted.model()).await {
                    Err(error) if code_of(&error) == Some(DUPLICATE_KEY) => Ok(Err(wanted.repeated())),
                    created => created.map(Ok),
                }
            };
            within(BUILD_DEADLINE, create).await?.map_err(MongoError::Unsuitable)?;
            done.push(format!("Created the index {} of {}.", wanted.name, wanted.collection));
        }
        Ok(done)
    }

    /// The indexes that are missing, as `collection.name`.
    pub(super) async fn missing_indexes(&self) -> Result<Vec<String>, MongoError> {
        let mut missing = vec![];
        for wanted in wanted() {
            let collection = self.database.collection::<Document>(wanted.collection);
            let found = within(self.read_deadline, existing(&collection)).await?;
            if !found.iter().any(|index| wanted.is_met_by(index)) {
                missing.push(format!("{}.{}", wanted.collection, wanted.name));
            }
        }
        Ok(missing)
    }
}

impl Wanted {
    fn in_the_way(&self, name: &str) -> String {
        format!(
            "The index {name} of {} has the keys of one that is needed, but not its options. Drop it \
             (db.{}.dropIndex(\"{name}\")) and run `sockeye migrate` again.",
            self.collection, self.collection
        )
    }

    fn repeated(&self) -> String {
        let field = self.keys.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!(
            "Several documents of {0} have the same {field}, or none: it must be there and be unique. Find them \
             (db.{0}.aggregate([{{$group: {{_id: \"${field}\", n: {{$sum: 1}}}}}}, {{$match: {{n: {{$gt: 1}}}}}}])), keep one \
             of each, and run `sockeye migrate` again.",
            self.collection,
        )
    }
}
