//! A conversation's messages: ours in the order of the log, and old ones, merged by [`Place`].
//!
//! One index serves both, `{senderId, receiverId, sockeye.order, createdAt, _id}`: old messages have no `sockeye.order`,
//! which the index holds as null. Each direction of a direct conversation is one range of it; the server merges the two.
//! Old messages whose `createdAt` is no date are in the order of their ids: those without any in the same index, at null;
//! the others in one of their own, `{senderId, receiverId, _id}`, which has no others.
//! The index is named in the query: given the choice, the server takes `sockeye_received` for one direction, which is not
//! in the order that is asked for, and sorts.

use mongodb::{
    bson::{Bson, DateTime, Document, RawDocumentBuf, doc, oid::ObjectId as Oid},
    options::{FindOptions, Hint},
};
use sockeye_core::{
    conversation::ConversationId,
    id::{MessageId, UserId},
    message::Message,
    portion::Portion,
    ports::StoreError,
    time::Timestamp,
};

use super::{
    MongoStore,
    documents::{Place, PlaceOf, Placed, document_from, oid, placed_from, user_oid},
    indexes::{mistyped, mistyped_keys, sent_keys},
    majority,
    messages::limit,
    order::Order,
    progress::Moment,
};

impl MongoStore {
    pub(super) async fn history_of(
        &self,
        conversation: &ConversationId,
        before: Option<MessageId>,
        portion: Portion,
    ) -> Result<Vec<Message>, StoreError> {
        if portion.len_max == 0 {
            return Ok(vec![]);
        }
        let moment = self.progress.known().moment.clone();
        let moment = moment.as_ref();
        let before = match before {
            None => None,
            Some(id) => match self.place_in(conversation, id, moment).await? {
                None => return Ok(vec![]),
                before => before,
            },
        };
        let mut latest = match *conversation {
            ConversationId::Group(group) => {
                let ours = ours_before(doc! { "sockeye.group": oid(group.0) }, before).map(|one| vec![one]);
                self.latest(ours, by_order(), None, portion, moment).await?
            }
            ConversationId::Direct(one, other) => {
                let directions = directions(one, other);
                let each = |before_it: fn(Document, Option<Place>) -> Option<Document>| {
                    directions.iter().map(|pair| before_it(pair.clone(), before)).collect()
                };
                let (sent, by_id) = (Some(Hint::Keys(sent_keys())), doc! { "_id": -1 });
                let (ours, dated, untimed, mistyped) = tokio::try_join!(
                    self.latest(each(ours_before), by_order(), sent.clone(), portion, moment),
                    self.latest(
                        each(dated_before),
                        doc! { "createdAt": -1, "_id": -1 },
                        sent.clone(),
                        portion,
                        moment
                    ),
                    self.latest(each(untimed_before), by_id.clone(), sent, portion, moment),
                    self.latest(
                        each(mistyped_before),
                        by_id,
                        Some(Hint::Keys(mistyped_keys())),
                        portion,
                        moment
                    ),
                )?;
                ours.into_iter().chain(dated).chain(untimed).chain(mistyped).collect()
            }
        };
        latest.sort_by_key(|placed| std::cmp::Reverse(placed.place));
        // An array that holds a null is found as either kind of undated.
        latest.dedup_by_key(|placed| placed.place);
        // Each of these lists ends where it alone fills the portion: up to the end of the whole, none has a hole.
        let mut filling = portion.filling();
        let mut messages = vec![];
        for message in latest.into_iter().map(|placed| placed.message) {
            if filling.is_full() {
                break;
            }
            filling.add(message.answer_bytes());
            messages.push(message);
        }
        messages.reverse();
        Ok(messages)
    }

    async fn place_in(
        &self,
        conversation: &ConversationId,
        id: MessageId,
        moment: Option<&Moment>,
    ) -> Result<Option<Place>, StoreError> {
        let by_id = Some(vec![doc! { "_id": oid(id.0) }]);
        let found = self.latest(by_id, doc! { "_id": -1 }, None, Portion::of_len(1), moment).await?;
        let of_it = |placed: &Placed| placed.message.conversation == *conversation;
        Ok(found.into_iter().find(of_it).map(|placed| placed.place))
    }

    /// The last of the messages that any of these finds.
    async fn latest(
        &self,
        filters: Option<Vec<Document>>,
        sort: Document,
        hint: Option<Hint>,
        portion: Portion,
        moment: Option<&Moment>,
    ) -> Result<Vec<Placed>, StoreError> {
        let Some(mut filters) = filters else { return Ok(vec![]) };
        let filter = if filters.len() == 1 {
            filters.remove(0)
        } else {
            doc! { "$or": filters }
        };
        let messages = self.messages().clone_with_type::<RawDocumentBuf>();
        let query = async {
            let mut session = self.session_from(moment).await?;
            let mut found = messages
                .find(filter)
                .with_options(FindOptions::builder().hint(hint).build())
                .sort(sort)
                .limit(limit(portion.len_max))
                .max_time(self.read_deadline)
                .read_concern(majority())
                .selection_criteria(self.history_read.clone())
                .session(&mut session)
                .await?;
            let (mut latest, mut filling) = (vec![], portion.filling());
            while !filling.is_full() && found.advance(&mut session).await? {
                let document = document_from(found.current());
                if let Some(placed) = document.and_then(|document| placed_from(&document, &self.pictures)) {
                    filling.add(placed.message.answer_bytes());
                    latest.push(placed);
                }
            }
            Ok(latest)
        };
        self.read(query).await
    }
}

/// From one to the other, and back; once, when somebody writes to themselves.
fn directions(one: UserId, other: UserId) -> Vec<Document> {
    let pair = |from, to| doc! { "senderId": user_oid(from), "receiverId": user_oid(to) };
    if one == other { vec![pair(one, one)] } else { vec![pair(one, other), pair(other, one)] }
}

/// Ours of `these` that come before; `None` when none can.
fn ours_before(mut these: Document, before: Option<Place>) -> Option<Document> {
    let range = match before {
        None => doc! { "$gte": i64::MIN },
        Some(before) => doc! { "$gte": i64::MIN, "$lt": first_order(before)?.0 },
    };
    these.insert("sockeye.order", range);
    Some(these)
}

/// Old ones of `these` with a date that come before; `None` when none can.
fn dated_before(mut these: Document, before: Option<Place>) -> Option<Document> {
    these.insert("sockeye.order", Bson::Null);
    these.insert("_id", doc! { "$gte": FIRST_ID });
    // A bound that is a date finds dates only; or arrays that hold one, which are undated.
    let range = match before {
        None => doc! { "$gte": DateTime::MIN },
        Some(Place { millis, of }) => {
            let at = DateTime::from_millis(millis);
            match of {
                PlaceOf::Undated(_) => doc! { "$lt": at },
                PlaceOf::Dated(id) => {
                    these.insert("$nor", [doc! { "createdAt": at, "_id": { "$gte": oid(id) } }]);
                    doc! { "$lte": at }
                }
                // At the same millisecond, the old one is first.
                PlaceOf::Ours(_) => doc! { "$lte": at },
            }
        }
    };
    these.insert("createdAt", range);
    these.insert("$expr", doc! { "$eq": [{ "$type": "$createdAt" }, "date"] });
    Some(these)
}

/// Those of `these` without a `createdAt`, or with null, that come before; `None` when none can.
fn untimed_before(these: Document, before: Option<Place>) -> Option<Document> {
    let mut these = undated_before(these, before)?;
    these.insert("createdAt", Bson::Null);
    Some(these)
}

/// Those of `these` whose `createdAt` is something else than a date that come before; `None` when none can.
fn mistyped_before(these: Document, before: Option<Place>) -> Option<Document> {
    let mut these = undated_before(these, before)?;
    these.extend(mistyped());
    Some(these)
}

fn undated_before(mut these: Document, before: Option<Place>) -> Option<Document> {
    these.insert("sockeye.order", Bson::Null);
    let mut ids = doc! { "$gte": FIRST_ID };
    match before {
        Some(Place { of: PlaceOf::Undated(id), .. }) => drop(ids.insert("$lt", oid(id))),
        // Their times are whole seconds. At the same millisecond, the undated one is first.
        Some(Place { millis, .. }) => match u32::try_from(millis.div_euclid(1_000).saturating_add(1)) {
            Ok(0) => return None,
            Ok(seconds) => drop(ids.insert("$lt", first_id(seconds))),
            Err(_) if millis < 0 => return None,
            Err(_) => {}
        },
        None => {}
    }
    these.insert("_id", ids);
    Some(these)
}

/// Ids are ObjectIds: what has another one is no message.
const FIRST_ID: Oid = Oid::from_bytes([0; 12]);

/// The first id that can be made in that second since 1970.
fn first_id(seconds: u32) -> Oid {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    Oid::from_bytes(bytes)
}

fn by_order() -> Document {
    doc! { "sockeye.order": -1 }
}

/// The order before which ours come before `place`; `None` when none can.
fn first_order(place: Place) -> Option<Order> {
    match place.of {
        PlaceOf::Ours(order) => Some(order),
        PlaceOf::Undated(_) | PlaceOf::Dated(_) => {
            u64::try_from(place.millis).ok().map(|millis| Order::of_time(Timestamp::from_millis(millis)))
        }
    }
}
