//! Sends what waits to the other nodes.

use std::{sync::Arc, time::Duration};

use redis::Pipeline;
use tokio::time::sleep_until;

use super::{outbox::Outbox, receiver::channel, wire::Note};
use crate::redis::{Pause, Redis, RedisError, Use};

/// Events sent with one round trip.
const BATCH_LEN_MAX: usize = 128;

/// Never ends.
pub(super) async fn send(redis: Redis, outbox: Arc<Outbox>, settle: Duration) {
    let mut pause = Pause::new(redis.options().reconnect_pause_max_ms);
    loop {
        redis.connected().await;
        let notes = outbox.take(BATCH_LEN_MAX).await;
        if let Some(at) = redis.reconnected_at() {
            sleep_until(at + settle).await;
        }
        let published = publish(&redis, &notes).await;
        redis.refusals().heed(Use::Events, &published);
        match published {
            Ok(()) => {
                outbox.done();
                pause.reset();
            }
            Err(error) => {
                tracing::debug!(%error, "events wait");
                outbox.put_back(notes);
                pause.wait().await;
            }
        }
    }
}

pub(super) async fn publish(redis: &Redis, notes: &[Note]) -> Result<(), RedisError> {
    let (channel, mut pipeline) = (channel(redis), Pipeline::with_capacity(notes.len()));
    for note in notes {
        pipeline.publish(&channel, note.write(redis.node())).ignore();
    }
    let mut connection = redis.connection()?;
    let deadline = Duration::from_millis(redis.options().response_timeout_ms);
    redis.within(deadline, pipeline.query_async(&mut connection)).await
}
