//! Reads this process's share of the partitions, as a member of the workers' group.

mod coverage;
mod dead_letter;
mod member;

use std::sync::Arc;

use async_trait::async_trait;
use sockeye_core::{
    ports::{Batch, LogConsumer, LogError, Unreadable},
    position::{Cursor, Position},
};

use self::member::Member;
use super::{
    KafkaLogOptions,
    inbox::{Item, State},
    producer::Producer,
    rejected, unavailable,
};
use crate::workers::Workers;

pub(super) struct Consumer {
    options: Arc<KafkaLogOptions>,
    producer: Arc<Producer>,
    opening: Arc<Workers<()>>,
    /// `None` after the group threw it out for good, until the next try.
    member: Option<Member>,
}

impl Consumer {
    pub(super) async fn open(
        options: &Arc<KafkaLogOptions>,
        producer: &Arc<Producer>,
        opening: &Arc<Workers<()>>,
    ) -> Result<Self, LogError> {
        let mut consumer = Self {
            options: Arc::clone(options),
            producer: Arc::clone(producer),
            opening: Arc::clone(opening),
            member: None,
        };
        consumer.join().await?;
        Ok(consumer)
    }

    async fn join(&mut self) -> Result<&Member, LogError> {
        if self.member.is_none() {
            let options = Arc::clone(&self.options);
            let member = self.opening.run(move |()| Member::join(&options)).await.map_err(rejected)??;
            self.member = Some(member);
        }
        self.member.as_ref().ok_or_else(|| unavailable("not in the group"))
    }

    /// Leaving the group waits for Kafka.
    async fn leave(&mut self) -> Result<(), LogError> {
        let member = self.member.take();
        self.opening.run(move |()| drop(member)).await.map_err(rejected)
    }
}

#[async_trait]
impl LogConsumer for Consumer {
    async fn next(&mut self, len_max: usize) -> Result<Batch, LogError> {
        let inbox = Arc::clone(&self.join().await?.inbox);
        loop {
            let taken = take(&mut inbox.lock(), len_max);
            match taken {
                Some(Taken::Batch(batch)) => {
                    inbox.taken();
                    return Ok(batch);
                }
                Some(Taken::Unreadable(unreadable)) => return Err(LogError::Unreadable(unreadable)),
                Some(Taken::Failure { reason, fatal }) => {
                    if fatal {
                        tracing::warn!(reason, "this worker has lost its group; it will join again");
                        self.leave().await?;
                    }
                    return Err(unavailable(reason));
                }
                None => inbox.news().await,
            }
        }
    }

    async fn commit(&mut self, done: &Cursor) -> Result<(), LogError> {
        match &self.member {
            Some(member) => member.commit(done).await,
            // Nothing is this consumer's.
            None => Ok(()),
        }
    }

    async fn set_aside(&mut self, unreadable: &Unreadable) -> Result<(), LogError> {
        let Some(member) = &self.member else { return Ok(()) };
        let position = unreadable.position;
        let is_it = |item: &Item| matches!(item, Item::Unreadable(found, _) if found.position == position);
        let raw = match member.inbox.lock().first() {
            Some(Item::Unreadable(found, raw)) if found.position == position => raw.clone(),
            // The partition went to another consumer, which will find it too.
            _ => return Ok(()),
        };
        if let Some(raw) = raw {
            dead_letter::send(&self.producer, &self.options, &raw, unreadable).await?;
        }
        let mut state = member.inbox.lock();
        if state.first().is_some_and(is_it) {
            state.pop();
            advance(&mut state.through, position);
        }
        drop(state);
        member.inbox.taken();
        member.inbox.notify();
        Ok(())
    }
}

enum Taken {
    Batch(Batch),
    Unreadable(Unreadable),
    Failure { reason: String, fatal: bool },
}

fn take(state: &mut State, len_max: usize) -> Option<Taken> {
    let entries = state.take(len_max.max(1));
    for entry in &entries {
        advance(&mut state.through, entry.position);
    }
    if !state.through.is_empty() {
        let through: Cursor = std::mem::take(&mut state.through)
            .into_iter()
            .map(|(partition, offset)| Position { partition, offset })
            .collect();
        through.iter().for_each(|position| advance(&mut state.given, position));
        return Some(Taken::Batch(Batch { entries, through }));
    }
    if let Some(Item::Unreadable(unreadable, _)) = state.first() {
        return Some(Taken::Unreadable(unreadable.clone()));
    }
    let failure = state.failure.take()?;
    Some(Taken::Failure { reason: failure.reason, fatal: failure.fatal })
}

fn advance(offsets: &mut std::collections::BTreeMap<u32, u64>, position: Position) {
    let offset = offsets.entry(position.partition).or_insert(position.offset);
    *offset = (*offset).max(position.offset);
}
