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
        let lacking = self.lacking().await;
        let version = build.get_str("version").unwrap_or("unknown").to_owned();
        let replica_set = hello.get_str("setName").ok().map(str::to_owned);
        let members = if replica_set.is_some() { self.members(&hello).await } else { vec![] };
        let mut problems = vec![];
        if let Some(lacking) = lacking {
            // The rest cannot be asked, or says less.
            problems.push(lacking);
            return Ok(MongoDescription {
                version,
                database: self.database.name().to_owned(),
                replica_set,
                members,
                missing_indexes: vec![],
                users_len: 0,
                messages_len: 0,
                problems,
            });
        }
        let missing_indexes = self.missing_indexes().await?;
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

    /// What the account may not do that is needed, with what to do; `None` when it may, when there are no accounts, and when
    /// the server does not tell.
    async fn lacking(&self) -> Option<String> {
        let status = match self.command(doc! { "connectionStatus": 1, "showPrivileges": true }).await {
            Ok(status) => status,
            Err(error) => {
                tracing::debug!(%error, "the account's privileges are not told");
                return None;
            }
        };
        lacking(status.get_document("authInfo").ok()?, self.database.name())
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

/// What this store does, in MongoDB's words.
const ACTIONS: [&str; 6] = ["find", "insert", "update", "remove", "createIndex", "listIndexes"];

/// `info`: the answer's `authInfo`.
fn lacking(info: &Document, database: &str) -> Option<String> {
    let list = |name: &str| info.get_array(name).into_iter().flatten().filter_map(|one| one.as_document());
    // Nobody needs to be anybody where accounts are not asked for.
    list("authenticatedUsers").next()?;
    let may = |collection: &str, action: &str| {
        list("authenticatedUserPrivileges").any(|privilege| {
            let actions = privilege.get_array("actions").into_iter().flatten();
            actions.filter_map(|one| one.as_str()).any(|one| one == action || one == "anyAction")
                && privilege.get_document("resource").is_ok_and(|it| covers(it, database, collection))
        })
    };
    let lacks = |collection: &&str| {
        let actions: Vec<_> = ACTIONS.into_iter().filter(|action| !may(collection, action)).collect();
        (!actions.is_empty()).then(|| format!("{} on {collection}", actions.join(", ")))
    };
    let collections = [names::USERS, names::MESSAGES, names::PROGRESS, names::SESSIONS, names::GROUPS];
    let lacking: Vec<String> = collections.iter().filter_map(lacks).collect();
    (!lacking.is_empty()).then(|| {
        format!(
            "The account may not {}. Give it the role readWrite: db.grantRolesToUser(\"<user>\", [{{ role: \"readWrite\", \
             db: \"{database}\" }}])",
            lacking.join("; ")
        )
    })
}

/// Whether what is granted on `resource` holds for the collection; empty names stand for all.
fn covers(resource: &Document, database: &str, collection: &str) -> bool {
    let is = |field: &str, name: &str| resource.get_str(field).is_ok_and(|it| it.is_empty() || it == name);
    resource.get_bool("anyResource").unwrap_or(false) || (is("db", database) && is("collection", collection))
}

/// A replica set, or a sharded cluster of them.
fn is_suitable(hello: &Document) -> bool {
    hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(privileges: &[Document]) -> Document {
        doc! { "authenticatedUsers": [{ "user": "sockeye", "db": "admin" }], "authenticatedUserPrivileges": privileges }
    }

    fn on(db: &str, collection: &str, actions: &[&str]) -> Document {
        doc! { "resource": { "db": db, "collection": collection }, "actions": actions }
    }

    #[test]
    fn an_account_may_do_all_that_is_needed_or_it_is_said_what_it_lacks() {
        let some = ["find", "listIndexes"];
        assert_eq!(lacking(&doc! { "authenticatedUsers": [] }, "chat"), None, "no accounts");
        for enough in [
            on("chat", "", &ACTIONS),
            on("", "", &ACTIONS),
            doc! { "resource": { "anyResource": true }, "actions": ["anyAction"] },
        ] {
            assert_eq!(lacking(&account(&[enough]), "chat"), None);
        }
        let reads = lacking(&account(&[on("chat", "", &some)]), "chat").unwrap();
        assert!(
            reads.contains("insert, update, remove, createIndex on messages") && reads.contains("readWrite")
        );
        assert!(!reads.contains("find"), "{reads}");
        assert!(lacking(&account(&[on("other", "", &ACTIONS)]), "chat").unwrap().contains("find"));
        let two = [on("chat", "", &some), on("chat", "users", &ACTIONS)];
        let two = lacking(&account(&two), "chat").unwrap();
        assert!(two.contains("messages") && !two.contains("on users"), "{two}");
        let cluster = doc! { "resource": { "cluster": true }, "actions": ["serverStatus"] };
        assert!(lacking(&account(&[cluster]), "chat").is_some());
    }

    #[test]
    fn a_standalone_server_is_not_suitable() {
        assert!(!is_suitable(&doc! { "isWritablePrimary": true }));
        assert!(is_suitable(&doc! { "isWritablePrimary": true, "setName": "rs0" }));
        assert!(is_suitable(&doc! { "msg": "isdbgrid" }));
    }
}
