//! `sockeye sessions end <user>`: ends every session of a user, from beside the running processes.

use std::{sync::Arc, time::Duration};

use sockeye_adapters::{bus::redis::RedisBus, store::sqlite::SqliteStore};
use sockeye_core::{
    ports::{Bus, BusEvent, Clock, Store},
    sessions_end_through,
    user::User,
};
use tokio::time::timeout;

use super::adapters::{Company, named, open_mongo};
use crate::{
    clock::{SystemClock, SystemEntropy},
    config::Config,
};

/// How long Redis is waited for: gateways find out by themselves, only later.
const TELL_WITHIN: Duration = Duration::from_secs(5);

/// Ends the sessions of the user with this id or e-mail address. What was done, in a sentence.
///
/// # Errors
/// A sentence.
pub async fn end(config: &Config, who: &str) -> Result<String, String> {
    let dir = &config.storage.data_dir;
    let (store, mongo): (Arc<dyn Store>, _) = match &config.mongodb {
        Some(mongodb) => {
            let mongo = Arc::new(open_mongo(config, mongodb).await?);
            (mongo.clone(), Some(mongo))
        }
        // The process that runs on it need not stop: it finds the change when it looks next.
        None => (Arc::new(named("the store", SqliteStore::open_beside(dir, Arc::new(SystemClock)))?), None),
    };
    let ended = end_in(config, &*store, who).await;
    if let Some(mongo) = mongo {
        mongo.close().await;
    }
    ended
}

async fn end_in(config: &Config, store: &dyn Store, who: &str) -> Result<String, String> {
    let user = named("the store", find(store, who).await)?.ok_or("there is no such user")?;
    let through = sessions_end_through(&user, SystemClock.now());
    let known = named("the store", store.end_sessions(user.id, through).await)?;
    if !known {
        return Err("the account went away meanwhile".to_owned());
    }
    let told = tell(config, BusEvent::SessionsEnded { user: user.id, through }).await?;
    let when = if told {
        "connections are closed now".to_owned()
    } else {
        format!("connections are closed within about {} s", config.auth.session_check.as_secs().max(1))
    };
    Ok(format!("Every session of user {} has ended: tokens are refused from now on, and {when}.", user.id))
}

async fn find(store: &dyn Store, who: &str) -> Result<Option<User>, sockeye_core::ports::StoreError> {
    match who.parse() {
        Ok(id) => store.user(id).await,
        Err(_) => store.user_by_email(who).await,
    }
}

/// Whether the gateways were told.
async fn tell(config: &Config, event: BusEvent) -> Result<bool, String> {
    let Some(redis) = Company::redis(config, &SystemEntropy)? else { return Ok(false) };
    if timeout(TELL_WITHIN, redis.connected()).await.is_err() {
        return Ok(false);
    }
    let bus = RedisBus::start(redis, Default::default());
    named("Redis", bus.publish(event).await)?;
    Ok(bus.flush(TELL_WITHIN).await)
}
