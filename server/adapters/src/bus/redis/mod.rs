//! The [`Bus`] over nodes, by Redis' publish/subscribe.

mod outbox;
mod receiver;
mod sender;
mod wire;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use redis::aio::PubSubSink;
use sockeye_core::ports::{Bus, BusError, BusEvent, BusSubscription, Received};
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use self::outbox::Outbox;
use super::LocalBus;
use crate::redis::{Redis, RedisError};

#[derive(Debug, Clone)]
pub struct RedisBusOptions {
    /// Events that a subscriber may be behind.
    pub subscriber_len_max: usize,
    /// Events of this node that wait for Redis. At the bound the oldest are dropped and the other nodes are told that some
    /// were lost. Presence events take one place together.
    pub queue_len_max: usize,
    /// After an outage what waits is held back for this long, so that the other nodes are back too. More than the longest
    /// pause between attempts to connect.
    pub settle_ms: u64,
}

impl Default for RedisBusOptions {
    fn default() -> Self {
        Self { subscriber_len_max: 4_096, queue_len_max: 4_096, settle_ms: 1_500 }
    }
}

/// Subscribers on this node get events at once, whatever Redis does. For the other nodes they are queued and sent in order;
/// what waits while Redis is away is sent when it is back. Whenever this node could not listen for a while (also before
/// the first connection), its subscribers are told [`Received::Lagged`].
pub struct RedisBus {
    redis: Redis,
    inlet: Arc<Inlet>,
    outbox: Arc<Outbox>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// Where this node's subscribers get their events from.
struct Inlet {
    local: LocalBus,
    /// Counts times that events from elsewhere may have been lost.
    losses: watch::Sender<u64>,
    /// To try out the connection that listens; `None` while there is none.
    listening: Mutex<Option<PubSubSink>>,
}

impl RedisBus {
    /// Begins to send and to listen, on the current runtime.
    pub fn start(redis: Redis, options: RedisBusOptions) -> Self {
        let inlet = Arc::new(Inlet {
            local: LocalBus::new(options.subscriber_len_max),
            losses: watch::Sender::default(),
            listening: Mutex::default(),
        });
        let outbox = Arc::new(Outbox::new(options.queue_len_max));
        let settle = Duration::from_millis(options.settle_ms);
        let send = sender::send(redis.clone(), Arc::clone(&outbox), settle);
        let receive = receiver::receive(redis.clone(), Arc::clone(&inlet));
        let tasks = [tokio::spawn(send), tokio::spawn(receive)].map(AbortOnDropHandle::new);
        Self { redis, inlet, outbox, _tasks: tasks }
    }

    /// Waits until everything published so far was sent, or `deadline`; whether it was sent. For a process that stops: other
    /// nodes can find out by themselves what an event that is late would have told them.
    pub async fn flush(&self, deadline: Duration) -> bool {
        timeout(deadline, self.outbox.sent()).await.is_ok()
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn publish(&self, event: BusEvent) -> Result<(), BusError> {
        self.inlet.local.publish(event.clone()).await?;
        self.outbox.push(event);
        Ok(())
    }

    async fn subscribe(&self) -> Result<Box<dyn BusSubscription>, BusError> {
        let losses = self.inlet.losses.subscribe();
        Ok(Box::new(RedisSubscription { events: self.inlet.local.subscribe().await?, losses }))
    }

    async fn check(&self) -> Result<(), BusError> {
        let sender = self.redis.ping();
        let (sends, listens) = tokio::join!(sender, self.inlet.ping(&self.redis));
        let refused = self.redis.refusals().check();
        sends.and(listens).and(refused).map_err(|error| BusError(Box::new(error)))
    }
}

/// Listens as a node does, and has the others look for a change that there was not.
///
/// # Errors
/// What Redis says.
pub(crate) async fn try_out(redis: &Redis) -> Result<(), RedisError> {
    receiver::listen(redis).await?;
    sender::publish(redis, &[wire::Note::Event(BusEvent::PresenceChanged)]).await
}

impl Inlet {
    async fn ping(&self, redis: &Redis) -> Result<(), RedisError> {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let after_ms = redis.options().response_timeout_ms;
        let Some(mut sink) = listening else { return Err(RedisError::Away) };
        match timeout(Duration::from_millis(after_ms), sink.ping::<redis::Value>()).await {
            Ok(answer) => answer.map(drop).map_err(RedisError::Failed),
            Err(_) => Err(RedisError::TimedOut { after_ms }),
        }
    }
}

struct RedisSubscription {
    events: Box<dyn BusSubscription>,
    losses: watch::Receiver<u64>,
}

#[async_trait]
impl BusSubscription for RedisSubscription {
    async fn next(&mut self) -> Result<Received, BusError> {
        tokio::select! {
            // First: whoever is told early that events were lost asks again early, and the events still come.
            biased;
            lost = self.losses.changed() => match lost {
                Ok(()) => Ok(Received::Lagged),
                Err(closed) => Err(BusError(Box::new(closed))),
            },
            event = self.events.next() => event,
        }
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").field("redis", &self.redis).finish_non_exhaustive()
    }
}
