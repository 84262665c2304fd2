//! The thread that polls Kafka for one reader: it keeps polling when nobody takes entries, as members of a group must, but
//! then asks for no more of them.

use std::{
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::Duration,
};

use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
};
use sockeye_core::{message::Entry, ports::Unreadable, time::Timestamp};

use super::{
    context::{self, Watched},
    inbox::{Failure, Inbox, Item},
    record, trace,
};

/// How long stopping may wait for one poll.
const POLL: Duration = Duration::from_millis(100);
/// How long Kafka goes unpolled when the inbox is full.
const UNPOLLED: Duration = Duration::from_secs(1);

/// Runs until dropped; then the thread is joined.
pub(super) struct Poller {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

/// What a reader does beside reading.
pub(super) trait Chores<C: ConsumerContext>: Send + 'static {
    /// Called between polls, on the polling thread.
    fn run(&mut self, consumer: &BaseConsumer<C>);
    /// Whether what cannot be read is needed as it is.
    const KEEP_RAW: bool;
}

impl Poller {
    pub(super) fn start<C, H>(
        name: &str,
        consumer: Arc<BaseConsumer<C>>,
        inbox: Arc<Inbox>,
        chores: H,
    ) -> std::io::Result<Self>
    where
        C: ConsumerContext + Watched + 'static,
        H: Chores<C>,
    {
        let polled = Arc::clone(&inbox);
        let thread = Builder::new().name(name.into()).spawn(move || poll(&consumer, &polled, chores))?;
        Ok(Self { inbox, thread: Some(thread) })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

fn poll<C: ConsumerContext + Watched, H: Chores<C>>(
    consumer: &BaseConsumer<C>,
    inbox: &Inbox,
    mut chores: H,
) {
    let mut paused = false;
    while !inbox.lock().stopping {
        chores.run(consumer);
        let mut wait = POLL;
        if paused || inbox.full() {
            if inbox.wait_room(UNPOLLED) {
                if paused {
                    paused = !ask_for_more(consumer, true);
                }
            } else {
                // Again each time: partitions may have been added.
                paused |= ask_for_more(consumer, false);
                wait = Duration::ZERO;
            }
        }
        match consumer.poll(wait) {
            None => {}
            Some(Ok(message)) => {
                if let Some((bytes, item)) = item::<H, C>(&message) {
                    inbox.push(bytes, item);
                }
            }
            Some(Err(error)) => fail(inbox, &error),
        }
        if consumer.context().brokers().lost() {
            inbox.fail(Failure { reason: "this Kafka client knows no broker any more".into(), fatal: true });
        }
    }
}

fn fail(inbox: &Inbox, error: &KafkaError) {
    if !context::passes(error) {
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        inbox.fail(Failure { reason: context::words(error), fatal });
    }
}

/// Whether librdkafka will (not) ask for more of all partitions from now on.
fn ask_for_more<C: ConsumerContext>(consumer: &BaseConsumer<C>, more: bool) -> bool {
    let asked =
        consumer.assignment().and_then(|all| if more { consumer.resume(&all) } else { consumer.pause(&all) });
    asked.inspect_err(|error| tracing::warn!(%error, more, "Kafka was not paused or resumed")).is_ok()
}

fn item<H: Chores<C>, C: ConsumerContext>(message: &BorrowedMessage<'_>) -> Option<(usize, Item)> {
    // librdkafka gives messages real places.
    let position = super::position(message.partition(), message.offset())?;
    let bytes = message.payload_len() + message.key_len();
    let appended_at = message.timestamp().to_millis().and_then(|millis| u64::try_from(millis).ok());
    let source = record::Source {
        topic: message.topic(),
        position,
        appended_at: appended_at.map(Timestamp::from_millis),
    };
    let item = match record::read(message.payload(), &source) {
        Ok(record) => {
            let traceparent = trace::read(message);
            tracing::trace!(message = %record.message.id, traceparent, "read from the log");
            Item::Entry(Entry { position, record })
        }
        Err(reason) => {
            let raw = H::KEEP_RAW.then(|| Box::new(message.detach()));
            Item::Unreadable(Unreadable { position, reason }, raw)
        }
    };
    Some((bytes, item))
}
