//! How far the log is stored: one document per log, `{_id: <log>, partitions: {"<partition>": {offset, order}}}`.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mongodb::{
    ClientSession, ClusterTime, Collection,
    bson::{Bson, Document, Timestamp, doc},
};
use sockeye_core::position::{Cursor, Position};
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};

use super::{
    documents::{long, number_from, unsigned},
    error::MongoError,
    majority,
    order::{Clocks, Order, Reached},
    within,
};

pub(super) struct Progress {
    collection: Collection<Document>,
    log_name: String,
    deadline: Duration,
    known: watch::Sender<Known>,
    /// Queries begun so far. A query that begins after a call sees everything that call must see.
    begun: AtomicU64,
    /// Held by the one query in flight.
    asking: Mutex<Asked>,
}

/// What has been seen of it, by asking or by having stored; it only grows.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) stored: Cursor,
    pub(super) clocks: Clocks,
    /// Everything in `stored` was there then.
    pub(super) moment: Option<Moment>,
}

/// A point in the history of the replica set's data.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    operation: Timestamp,
    cluster: Option<ClusterTime>,
}

/// The last query that ended: its number, and what came of it.
#[derive(Debug, Default)]
struct Asked {
    ended: u64,
    failed: Option<MongoError>,
}

impl Progress {
    pub(super) fn new(collection: Collection<Document>, log_name: String, deadline: Duration) -> Self {
        Self {
            collection,
            log_name,
            deadline,
            known: watch::Sender::default(),
            begun: AtomicU64::new(0),
            asking: Mutex::default(),
        }
    }

    pub(super) fn known(&self) -> watch::Ref<'_, Known> {
        self.known.borrow()
    }

    /// What is stored now. Who asks while a query is in flight shares the next one.
    pub(super) async fn read(&self) -> Result<Known, MongoError> {
        self.ask(self.begun.load(Ordering::SeqCst)).await?;
        Ok(self.known().clone())
    }

    /// Returns when `wanted` is stored: told by this process having stored it, or by asking again and again, all who wait
    /// together about every [`PAUSE_MAX`].
    pub(super) async fn wait(&self, wanted: &Cursor) -> Result<(), MongoError> {
        let mut known = self.known.subscribe();
        let covered = async {
            // The sender is `self`: it is not gone.
            let _ = known.wait_for(|known| wanted.iter().all(|position| known.stored.covers(position))).await;
        };
        let asking = async {
            let mut pause = PAUSE_MIN;
            let mut seen = self.begun.load(Ordering::SeqCst);
            loop {
                if let Err(error) = self.ask(seen).await {
                    return error;
                }
                seen = self.begun.load(Ordering::SeqCst);
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        };
        tokio::select! {
            biased;
            () = covered => Ok(()),
            error = asking => Err(error),
        }
    }

    /// Makes sure that a query numbered above `seen` has ended.
    async fn ask(&self, seen: u64) -> Result<(), MongoError> {
        let mut asked = self.asking.lock().await;
        if asked.ended <= seen {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let answer = within(self.deadline, self.query()).await;
            asked.failed = answer.map(|known| self.learn(known)).err();
            asked.ended = number;
        }
        asked.failed.clone().map_or(Ok(()), Err)
    }

    async fn query(&self) -> mongodb::error::Result<Known> {
        let client = self.collection.client();
        let mut session = client.start_session().causal_consistency(true).await?;
        let found = self
            .collection
            .find_one(doc! { "_id": &self.log_name })
            .read_concern(majority())
            .max_time(self.deadline)
            .session(&mut session)
            .await?;
        let mut known = found.as_ref().map(known_from).unwrap_or_default();
        known.moment = Moment::of(&session);
        Ok(known)
    }

    /// Remembers, for all nodes, that the log is stored through `through`, with the clocks there.
    pub(super) async fn advance(
        &self,
        through: &Cursor,
        clocks: &Clocks,
        deadline: Duration,
    ) -> Result<(), MongoError> {
        let mut max = Document::new();
        let mut reached = Known { stored: through.clone(), ..Known::default() };
        for Position { partition, offset } in through.iter() {
            max.insert(format!("partitions.{partition}.offset"), long(offset));
            if let Some(at) = clocks.get(partition) {
                max.insert(format!("partitions.{partition}.order"), at.order.0);
                reached.clocks.advance(partition, Reached { offset, order: at.order });
            }
        }
        if max.is_empty() {
            return Ok(());
        }
        let change = async {
            let mut session = self.collection.client().start_session().causal_consistency(true).await?;
            self.collection
                .update_one(doc! { "_id": &self.log_name }, doc! { "$max": max })
                .upsert(true)
                .session(&mut session)
                .await?;
            Ok(Moment::of(&session))
        };
        reached.moment = within(deadline, change).await?;
        self.learn(reached);
        Ok(())
    }

    fn learn(&self, news: Known) {
        self.known.send_modify(|known| known.learn(news));
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(50);

impl Known {
    fn learn(&mut self, news: Self) {
        news.stored.iter().for_each(|position| self.stored.advance(position));
        for position in news.stored.iter() {
            if let Some(reached) = news.clocks.get(position.partition) {
                self.clocks.advance(position.partition, reached);
            }
        }
        let later =
            |moment: &Moment| self.moment.as_ref().is_none_or(|known| known.operation < moment.operation);
        if let Some(moment) = news.moment.filter(later) {
            self.moment = Some(moment);
        }
    }
}

impl Moment {
    /// Of the last operation in the session. `None` from a server that is no replica set.
    fn of(session: &ClientSession) -> Option<Self> {
        let operation = session.operation_time()?;
        Some(Self { operation, cluster: session.cluster_time().cloned() })
    }

    pub(super) fn advance(&self, session: &mut ClientSession) {
        session.advance_operation_time(self.operation);
        if let Some(cluster) = &self.cluster {
            session.advance_cluster_time(cluster);
        }
    }
}

fn known_from(document: &Document) -> Known {
    let mut known = Known::default();
    for (name, value) in document.get_document("partitions").into_iter().flatten() {
        let (Ok(partition), Bson::Document(reached)) = (name.parse(), value) else { continue };
        let Some(offset) = number_from(reached.get("offset")).map(unsigned) else { continue };
        known.stored.advance(Position { partition, offset });
        if let Some(order) = number_from(reached.get("order")) {
            known.clocks.advance(partition, Reached { offset, order: Order(order) });
        }
    }
    known
}
