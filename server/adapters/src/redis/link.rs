//! Keeps one connection for commands: connects, tries it out, gives it up, connects again.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{Pause, RedisOptions};

/// The connection as it is now.
#[derive(Default)]
pub(super) struct Link {
    state: Mutex<State>,
    connects: watch::Sender<u64>,
    try_out: Notify,
    /// The server answers, but does not do what is asked (it became a replica): another connection may.
    useless: AtomicBool,
    why_away: Mutex<Option<String>>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// An answer was due and did not come; a `PING` is on its way.
    doubted: bool,
    connected_at: Option<Instant>,
}

impl Link {
    /// `None` while Redis is away or doubted.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        let state = self.state();
        state.connection.as_ref().filter(|_| !state.doubted).cloned()
    }

    pub(super) fn connects(&self) -> watch::Receiver<u64> {
        self.connects.subscribe()
    }

    pub(super) fn why_away(&self) -> Option<String> {
        self.why_away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn reconnected_at(&self) -> Option<Instant> {
        self.state().connected_at.filter(|_| *self.connects.borrow() > 1)
    }

    pub(super) fn probe(&self) {
        self.try_out.notify_one();
    }

    pub(super) fn doubt(&self) {
        self.state().doubted = true;
        self.probe();
    }

    /// Whether an error is the connection's fault.
    pub(super) fn judge(&self, error: &RedisError) {
        if error.code() == Some("READONLY") {
            self.useless.store(true, Ordering::Relaxed);
        } else if !(error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error()) {
            return;
        }
        self.doubt();
    }

    fn up(&self, connection: MultiplexedConnection) {
        self.useless.store(false, Ordering::Relaxed);
        *self.state() =
            State { connection: Some(connection), doubted: false, connected_at: Some(Instant::now()) };
        self.connects.send_modify(|count| *count += 1);
        metrics::gauge!("sockeye_redis_connected", "connection" => "commands").set(1);
    }

    fn down(&self) {
        *self.state() = State::default();
        metrics::gauge!("sockeye_redis_connected", "connection" => "commands").set(0);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Never ends.
pub(super) async fn keep(client: Client, options: RedisOptions, node: String, link: Arc<Link>) {
    let mut pause = Pause::new(options.reconnect_pause_max_ms);
    let mut away_told = false;
    link.down();
    loop {
        let why = match connect(&client, &options, &node).await {
            Ok(connection) => {
                tracing::info!("Redis is connected");
                pause.reset();
                link.up(connection.clone());
                let why = watch_over(connection, &options, &link).await;
                link.down();
                away_told = false;
                why
            }
            Err(why) => why,
        };
        *link.why_away.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
        // Once per outage; the gauge says how long it lasts.
        if !std::mem::replace(&mut away_told, true) {
            tracing::warn!(why, "Redis is away, going on without it");
        }
        pause.wait().await;
    }
}

async fn connect(
    client: &Client,
    options: &RedisOptions,
    node: &str,
) -> Result<MultiplexedConnection, String> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(options.connect_timeout_ms)))
        .set_response_timeout(Some(Duration::from_millis(options.response_timeout_ms)));
    let connected =
        in_time(options.connect_timeout_ms, client.get_multiplexed_async_connection_with_config(&config));
    let mut connection = connected.await?;
    in_time(options.response_timeout_ms, ping(&mut connection)).await?;
    // For people only; some providers forbid it.
    let mut name = ::redis::cmd("CLIENT");
    name.arg("SETNAME").arg(node);
    let _ =
        timeout(Duration::from_millis(options.response_timeout_ms), name.query_async::<()>(&mut connection))
            .await;
    Ok(connection)
}

/// Until the connection is of no use: why.
async fn watch_over(mut connection: MultiplexedConnection, options: &RedisOptions, link: &Link) -> String {
    loop {
        tokio::select! {
            () = sleep(Duration::from_millis(options.probe_every_ms)) => {}
            () = link.try_out.notified() => {}
        }
        if link.useless.load(Ordering::Relaxed) {
            return "the server only reads".to_owned();
        }
        if let Err(why) = in_time(options.response_timeout_ms, ping(&mut connection)).await {
            return why;
        }
        if std::mem::take(&mut link.state().doubted) {
            link.connects.send_modify(|_| ());
        }
    }
}

async fn ping(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    ::redis::cmd("PING").query_async(connection).await
}

/// Errors of the driver name neither the URL nor the password.
async fn in_time<T>(within_ms: u64, answer: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
    match timeout(Duration::from_millis(within_ms), answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {within_ms} ms")),
    }
}
