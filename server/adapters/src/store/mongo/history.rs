//! A conversation's messages: ours in the order of the log, and old ones, merged by [`Place`].
//!
//! One index serves both, `{senderId, receiverId, sockeye.order, createdAt, _id}`: old messages have no `sockeye.order`,
//! which the index holds as null. Each direction of a direct conversation is one range of it; the server merges the two.
//! The index is named in the query: given the choice, the server takes `sockeye_received` for one direction, which is not
//! in the order that is asked for, and sorts.

use mongodb::{
    bson::{Bson, DateTime, Document, doc},
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
    documents::{Place, PlaceOf, Placed, oid, placed_from, user_oid},
    indexes::sent_keys,
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
        let before = match before {
            None => None,
            Some(id) => match self.place_in(conversation, id, moment.as_ref()).await? {
                None => return Ok(vec![]),
                before => before,
            },
        };
        let (ours, old, hint) = match *conversation {
            ConversationId::Group(group) => {
                (ours_before(doc! { "sockeye.group": oid(group.0) }, before).map(|one| vec![one]), None, None)
            }
            ConversationId::Direct(one, other) => {
                let directions = directions(one, other);
                (
                    directions.iter().map(|pair| ours_before(pair.clone(), before)).collect(),
                    directions.iter().map(|pair| old_before(pair.clone(), before)).collect(),
                    Some(Hint::Keys(sent_keys())),
                )
            }
        };
        let (ours, old) = tokio::try_join!(
            self.latest(ours, doc! { "sockeye.order": -1 }, hint.clone(), portion, moment.as_ref()),
            self.latest(old, doc! { "createdAt": -1, "_id": -1 }, hint.clone(), portion, moment.as_ref()),
        )?;
        let mut latest: Vec<Placed> = ours.into_iter().chain(old).collect();
        latest.sort_by_key(|placed| std::cmp::Reverse(placed.place));
        // Each of the two lists ends where it alone fills the portion: up to the end of the whole, none has a hole.
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
        let messages = self.messages();
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
                let document = Document::try_from(found.current())?;
                if let Some(placed) = placed_from(&document, &self.pictures) {
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

/// Old ones of `these` that come before. Those without a time are the oldest.
fn old_before(mut these: Document, before: Option<Place>) -> Option<Document> {
    these.insert("sockeye.order", Bson::Null);
    match before.map(|place| place.of) {
        None => {}
        Some(PlaceOf::Undated(id)) => {
            these.insert("createdAt", Bson::Null);
            these.insert("_id", doc! { "$lt": oid(id) });
        }
        Some(PlaceOf::Old { millis, id }) => {
            let at = DateTime::from_millis(millis);
            these.insert("createdAt", doc! { "$not": { "$gt": at } });
            these.insert("$nor", [doc! { "createdAt": at, "_id": { "$gte": oid(id) } }]);
        }
        // At the same millisecond, the old one is first.
        Some(PlaceOf::Ours(order)) => {
            these.insert("createdAt", doc! { "$not": { "$gt": DateTime::from_millis(order.millis()) } });
        }
    }
    Some(these)
}

/// The order before which ours come before `place`; `None` when none can.
fn first_order(place: Place) -> Option<Order> {
    match place.of {
        PlaceOf::Undated(_) => None,
        PlaceOf::Old { millis, .. } => {
            u64::try_from(millis).ok().map(|millis| Order::of_time(Timestamp::from_millis(millis)))
        }
        PlaceOf::Ours(order) => Some(order),
    }
}
