use mongodb::bson::{Document, doc};

use super::{MongoStore, error::MongoError, names, within};

/// What `sockeye doctor` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MongoDescription {
    pub version: String,
    pub database: String,
    /// `None`: no replica set.
    pub replica_set: Option<String>,
    /// Empty when there is no replica set, or behind a `mongos`.
    pub members: Vec<Member>,
    /// As `collection.index`.
    pub missing_indexes: Vec<String>,
    /// About; not counted one by one.
    pub users_len: u64,
    pub messages_len: u64,
    /// What is wrong and what to do, a sentence each.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub address: String,
    /// `PRIMARY`, `SECONDARY` ...; `unknown` when we may not ask.
    pub state: String,
}

/// Before it, what this store relies on was not tried.
const MAJOR_VERSION_MIN: u32 = 6;

const STANDALONE: &str = "This MongoDB server is no replica set, which confirmed writes and reads of one's own writes need. \
    A single server can be one: start mongod with --replSet rs0, run rs.initiate() in mongosh once, and add \
    replicaSet=rs0 to MONGODB_URI.";

impl MongoStore {
    /// # Errors
    /// When MongoDB does not answer or refuses us. What else is wrong is among the problems.
    pub async fn describe(&self) -> Result<MongoDescription, MongoError> {
        let hello = self.command(doc! { "hello": 1 }).await?;
        let build = self.command(doc! { "buildInfo": 1 }).await?;
        let version = build.get_str("version").unwrap_or("unknown").to_owned();
        let replica_set = hello.get_str("setName").ok().map(str::to_owned);
        let members = if replica_set.is_some() { self.members(&hello).await } else { vec![] };
        let missing_indexes = self.missing_indexes().await?;
        let mut problems = vec![];
        if !is_suitable(&hello) {
            problems.push(STANDALONE.into());
        }
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        if major.is_none_or(|major: u32| major < MAJOR_VERSION_MIN) {
            problems.push(format!("MongoDB {version} is older than {MAJOR_VERSION_MIN}.0; use a later one."));
        }
        let down = members.iter().filter(|member| member.state.starts_with('(')).count();
        if down > 0 {
            problems.push(format!("{down} of {} members cannot be reached by the others.", members.len()));
        }
        if !missing_indexes.is_empty() {
            problems
                .push(format!("Indexes are missing: {}. Run `sockeye migrate`.", missing_indexes.join(", ")));
        }
        for name in self.with_validators().await? {
            problems.push(format!(
                "{name} has a validator: documents that do not pass it are refused, and stay in the log with all that \
                 comes after them. Make sure that it allows ours (field sockeye), or take it away \
                 (db.runCommand({{collMod: \"{name}\", validator: {{}}}}))."
            ));
        }
        let (users, messages) = (self.users(), self.messages());
        Ok(MongoDescription {
            version,
            database: self.database.name().to_owned(),
            replica_set,
            members,
            missing_indexes,
            users_len: within(self.read_deadline, users.estimated_document_count()).await?,
            messages_len: within(self.read_deadline, messages.estimated_document_count()).await?,
            problems,
        })
    }

    /// The collections that original backends and we both write, and whose documents somebody lets MongoDB check.
    async fn with_validators(&self) -> Result<Vec<String>, MongoError> {
        use futures_util::TryStreamExt;
        let filter = doc! {
            "name": { "$in": [names::USERS, names::MESSAGES] },
            "options.validator": { "$exists": true, "$ne": {} },
            "options.validationAction": { "$ne": "warn" },
        };
        let found = async {
            let found: Vec<_> = self.database.list_collections().filter(filter).await?.try_collect().await?;
            Ok(found.into_iter().map(|collection| collection.name).collect())
        };
        within(self.read_deadline, found).await
    }

    pub(super) async fn require_replica_set(&self) -> Result<(), MongoError> {
        let hello = self.command(doc! { "hello": 1 }).await?;
        if is_suitable(&hello) { Ok(()) } else { Err(MongoError::Unsuitable(STANDALONE.into())) }
    }

    async fn command(&self, command: Document) -> Result<Document, MongoError> {
        within(self.read_deadline, self.client.database("admin").run_command(command)).await
    }

    /// With their states, when we may ask (role `clusterMonitor`).
    async fn members(&self, hello: &Document) -> Vec<Member> {
        let text = |document: &Document, field| document.get_str(field).unwrap_or("unknown").to_owned();
        match self.command(doc! { "replSetGetStatus": 1 }).await {
            Ok(status) => {
                let members = status.get_array("members").into_iter().flatten();
                let members = members.filter_map(|member| member.as_document());
                members
                    .map(|member| Member { address: text(member, "name"), state: text(member, "stateStr") })
                    .collect()
            }
            Err(error) => {
                tracing::debug!(%error, "cannot ask for the states of the replica set's members");
                let hosts = hello.get_array("hosts").into_iter().flatten();
                let hosts = hosts.filter_map(|host| host.as_str());
                hosts.map(|host| Member { address: host.to_owned(), state: "unknown".into() }).collect()
            }
        }
    }
}

/// A replica set, or a sharded cluster of them.
fn is_suitable(hello: &Document) -> bool {
    hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standalone_server_is_not_suitable() {
        assert!(!is_suitable(&doc! { "isWritablePrimary": true }));
        assert!(is_suitable(&doc! { "isWritablePrimary": true, "setName": "rs0" }));
        assert!(is_suitable(&doc! { "msg": "isdbgrid" }));
    }
}
