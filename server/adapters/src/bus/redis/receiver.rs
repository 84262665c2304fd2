//! Listens to the other nodes, on a connection of its own: one that listens can do nothing else.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use sockeye_core::ports::Bus;
use tokio::time::{sleep, timeout};

use super::{
    Inlet,
    wire::{self, Heard, Note},
};
use crate::redis::{Pause, Redis, RedisError};

pub(super) fn channel(redis: &Redis) -> String {
    redis.key("events")
}

/// Never ends.
pub(super) async fn receive(redis: Redis, inlet: Arc<Inlet>) {
    let mut pause = Pause::new(redis.options().reconnect_pause_max_ms);
    let mut away_told = false;
    inlet.listens(None);
    loop {
        let why = match listen(&redis).await {
            Ok((sink, stream)) => {
                pause.reset();
                away_told = false;
                // After the subscription: whoever asks now misses nothing that comes later. Before `check` finds that
                // events arrive: whoever subscribes after that has lost none.
                inlet.lost();
                inlet.listens(Some(sink));
                let why = tokio::select! {
                    why = hear(&redis, &inlet, stream) => why,
                    why = watch_over(&redis, &inlet) => why.to_string(),
                };
                inlet.listens(None);
                why
            }
            Err(error) => error.to_string(),
        };
        if !std::mem::replace(&mut away_told, true) {
            tracing::warn!(why, "other nodes cannot be heard");
        }
        pause.wait().await;
    }
}

pub(super) async fn listen(redis: &Redis) -> Result<(PubSubSink, PubSubStream), RedisError> {
    let after_ms = redis.options().connect_timeout_ms;
    let subscribed = timeout(Duration::from_millis(after_ms), async {
        let (mut sink, stream) = redis.client().get_async_pubsub().await?.split();
        sink.subscribe(channel(redis)).await?;
        Ok((sink, stream))
    });
    match subscribed.await {
        Ok(subscribed) => subscribed.map_err(RedisError::Failed),
        Err(_) => Err(RedisError::TimedOut { after_ms }),
    }
}

/// Until the connection ends. Nothing here waits for anybody, so what the driver holds for us stays little.
async fn hear(redis: &Redis, inlet: &Inlet, mut stream: PubSubStream) -> String {
    while let Some(message) = stream.next().await {
        match wire::read(message.get_payload_bytes(), redis.node()) {
            Heard::Note(Note::Event(event)) => {
                if let Err(error) = inlet.local.publish(event).await {
                    return error.to_string();
                }
            }
            Heard::Note(Note::Lost) => inlet.lost(),
            Heard::Echo => {}
            Heard::Unknown => metrics::counter!("sockeye_bus_unknown_events_total").increment(1),
        }
    }
    "the connection was closed".to_owned()
}

/// Until the connection does not answer: a cut that nobody tells us of looks like silence.
async fn watch_over(redis: &Redis, inlet: &Inlet) -> RedisError {
    loop {
        sleep(Duration::from_millis(redis.options().probe_every_ms)).await;
        if let Err(error) = inlet.ping(redis).await {
            return error;
        }
    }
}

impl Inlet {
    fn listens(&self, sink: Option<PubSubSink>) {
        metrics::gauge!("sockeye_redis_connected", "connection" => "events").set(if sink.is_some() {
            1
        } else {
            0
        });
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = sink;
    }

    fn lost(&self) {
        self.losses.send_modify(|count| *count += 1);
    }
}
