//! With whom somebody has exchanged messages, old ones too, without reading all their messages.
//!
//! In the index `{senderId, receiverId, sockeye.order, ...}` the messages of one sender are grouped by receiver; within a
//! group the last entry is the latest. MongoDB then reads one entry per receiver and skips to the next (a plan with
//! `DISTINCT_SCAN`). The same from the receiver's side, each for ours and old messages: four queries, each bounded by the
//! number of partners.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc, oid::ObjectId as Oid};
use sockeye_core::{id::UserId, portion::Portion, ports::StoreError, user::User};

use super::{
    MongoStore,
    documents::{SECONDS_BELOW, document_from, number_from, user_from, user_oid},
    messages::limit,
    order::Order,
};

/// Users read at a time: those that come after an answer's end are read for nothing.
const USERS_LEN_MAX: usize = 1_000;

impl MongoStore {
    pub(super) async fn partners_of(&self, user: UserId, portion: Portion) -> Result<Vec<User>, StoreError> {
        let len_max = portion.len_max;
        if len_max == 0 {
            return Ok(vec![]);
        }
        let me = user_oid(user);
        let (a, b, c, d) = tokio::try_join!(
            self.latest_with(me, "senderId", "receiverId", true, len_max),
            self.latest_with(me, "receiverId", "senderId", true, len_max),
            self.latest_with(me, "senderId", "receiverId", false, len_max),
            self.latest_with(me, "receiverId", "senderId", false, len_max),
        )?;
        let mut latest: HashMap<Oid, i64> = HashMap::new();
        for (other, at) in [a, b, c, d].into_iter().flatten().filter(|(other, _)| *other != me) {
            let known = latest.entry(other).or_insert(at);
            *known = (*known).max(at);
        }
        let mut partners: Vec<_> = latest.into_iter().collect();
        partners.sort_unstable_by_key(|&(other, at)| std::cmp::Reverse((at, other)));
        partners.truncate(len_max);
        let ids: Vec<Oid> = partners.into_iter().map(|(other, _)| other).collect();
        let (mut partners, mut filling) = (vec![], portion.filling());
        for ids in ids.chunks(USERS_LEN_MAX) {
            for user in self.users_in_order(ids).await? {
                if filling.is_full() {
                    return Ok(partners);
                }
                filling.add(user.answer_bytes());
                partners.push(user);
            }
        }
        Ok(partners)
    }

    /// The others, each with the latest exchange as an order. One more than asked for: one may be oneself.
    async fn latest_with(
        &self,
        me: Oid,
        mine: &str,
        theirs: &str,
        ours: bool,
        len_max: usize,
    ) -> Result<Vec<(Oid, i64)>, StoreError> {
        let (order, field) = if ours {
            (doc! { "$gte": i64::MIN }, "sockeye.order")
        } else {
            // Not equality with null: an index does not tell null from missing, so the server would read the documents.
            (doc! { "$not": { "$gte": i64::MIN } }, "createdAt")
        };
        let latest = if ours { Bson::from("$latest") } else { time_of_old().into() };
        let pipeline = [
            doc! { "$match": { mine: me, theirs: { "$gte": Oid::from_bytes([0; 12]) }, "sockeye.order": order } },
            doc! { "$sort": { theirs: -1, "sockeye.order": -1, "createdAt": -1 } },
            doc! { "$group": {
                "_id": format!("${theirs}"), "latest": { "$first": format!("${field}") }, "id": { "$first": "$_id" },
            } },
            doc! { "$project": { "latest": latest } },
            doc! { "$sort": { "latest": -1 } },
            doc! { "$limit": limit(len_max).saturating_add(1) },
        ];
        let messages = self.messages();
        let query = async {
            let found = messages.aggregate(pipeline).max_time(self.read_deadline).await?;
            found.try_collect::<Vec<Document>>().await
        };
        let found = self.read(query).await?;
        Ok(found
            .iter()
            .filter_map(|found| Some((found.get_object_id("_id").ok()?, latest_from(found))))
            .collect())
    }

    async fn users_in_order(&self, ids: &[Oid]) -> Result<Vec<User>, StoreError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let users = self.users().clone_with_type::<RawDocumentBuf>();
        let query = async {
            let found = users.find(doc! { "_id": { "$in": ids } }).max_time(self.read_deadline).await?;
            found.try_collect::<Vec<RawDocumentBuf>>().await
        };
        let found = self.read(query).await?;
        let documents = found.iter().filter_map(|raw| document_from(raw));
        let users = documents.filter_map(|document| user_from(&document, self.schema, &self.pictures));
        let mut by_id: HashMap<Oid, User> = users.map(|user| (user_oid(user.id), user)).collect();
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }
}

/// The time of an old message of which `latest` is `createdAt` and `id` the id: as `time_from` reads it, else the id's. Of
/// a partner's messages, those with dates count as later than those with texts, and those as later than those with numbers.
fn time_of_old() -> Document {
    let to =
        |kind: &str, input: Bson| doc! { "$convert": { "input": input, "to": kind, "onError": Bson::Null } };
    let seconds_or_millis = doc! { "$cond": [
        { "$lt": [{ "$abs": "$latest" }, SECONDS_BELOW] }, { "$multiply": ["$latest", 1_000] }, "$latest",
    ] };
    let of_number = to("date", to("long", seconds_or_millis.into()).into());
    let of_other = doc! { "$cond": [
        { "$in": [{ "$type": "$latest" }, ["date", "string"]] }, to("date", "$latest".into()), Bson::Null,
    ] };
    let at = doc! { "$cond": [{ "$isNumber": "$latest" }, of_number, of_other] };
    doc! { "$ifNull": [at, to("date", "$id".into())] }
}

/// Old messages have times, ours orders; without either it counts as the oldest.
fn latest_from(found: &Document) -> i64 {
    match found.get("latest") {
        Some(Bson::DateTime(at)) => order_of(*at),
        latest => number_from(latest).unwrap_or(i64::MIN),
    }
}

fn order_of(at: DateTime) -> i64 {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    Order::of_time(sockeye_core::time::Timestamp::from_millis(millis)).0
}
