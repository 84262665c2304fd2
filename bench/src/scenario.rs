//! The scenarios: idle connections, and messages between some of them.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use crate::args::Load;
use crate::cast;
use crate::errors::Failure;
use crate::latency::Percentiles;
use crate::ledger;
use crate::process::Process;
use crate::report::{Report, Traffic};
use crate::stage::{Measured, Stage};
use crate::stored::StoreWatch;
use crate::target::Target;

/// Holds `load.connections` for `load.seconds`.
pub(crate) async fn idle(target: &Target, load: &Load) -> Result<Report, Failure> {
    let mut stage = Stage::set_up(target, load, 0).await?;
    let members = stage.cast.listeners();
    let crew = stage.connect(members).await?;

    let tool_cpu = Process::own().cpu_seconds()?;
    stage.gauge.load_starts();
    sleep(Duration::from_secs(load.seconds)).await;
    stage.gauge.load_ends();
    let tool_cpu_seconds = Process::own().cpu_seconds()? - tool_cpu;

    let handshakes = Percentiles::of(crew.handshakes_us.clone());
    let mut books = stage.send_home(crew).await?;
    let mut errors = cast::gather_errors(&mut books);
    stage.cast.check_presence(&books, &mut errors);
    let measured = Measured { handshakes, tool_cpu_seconds, traffic: None, stored: None };
    Ok(stage.report("idle".to_owned(), &books, measured, errors))
}

/// Holds `load.connections` while `load.senders` further ones send to the first of them for `load.seconds`, and waits
/// until all is stored.
pub(crate) async fn send(target: &Target, load: &Load) -> Result<Report, Failure> {
    let mut stage = Stage::set_up(target, load, load.senders).await?;
    let (members, starter) = stage.cast.senders_and_receivers(load);
    let crew = stage.connect(members).await?;
    let store = StoreWatch::begin(&target.metrics_urls).await?;
    let readings = stage.cast.readings();
    let (sent, is_sent) = watch::channel(false);
    let mut errors = crate::errors::Tally::default();

    let tool_cpu = Process::own().cpu_seconds()?;
    stage.gauge.load_starts();
    let start = Instant::now();
    starter.start()?;
    let sending = async {
        crew.sent_all(u64::from(load.senders)).await;
        sent.send_replace(true);
        start.elapsed()
    };
    let (sending, lag_max_messages) = tokio::join!(sending, store.lag_max(&stage.shared, is_sent));
    let drain = Duration::from_secs(load.drain_seconds);
    let patience = Duration::from_secs(load.store_seconds);
    let ((), mut stored) = tokio::join!(
        crew.drained(drain),
        store.catch_up(&stage.shared, &readings, start, patience, &mut errors)
    );
    stage.gauge.load_ends();
    let tool_cpu_seconds = Process::own().cpu_seconds()? - tool_cpu;
    stored.lag_max_messages = lag_max_messages.max(stored.lag_at_end_messages);

    let histories = if load.skip_history { None } else { Some(stage.cast.histories(load).await) };
    let handshakes = Percentiles::of(crew.handshakes_us.clone());
    let mut books = stage.send_home(crew).await?;
    errors.merge(cast::gather_errors(&mut books));
    let histories = histories
        .and_then(|read| read.map_err(|failure| errors.add("history unreadable", failure.to_string())).ok());
    let conversations = stage.cast.conversations(&mut books, histories, &stage.shared.run, &mut errors);
    let counts = ledger::judge(&conversations, &mut errors);
    let traffic = Some(Traffic::new(&conversations, counts, sending));
    let name = match load.rate {
        0 => "send, closed loop".to_owned(),
        rate => format!("send, {rate}/s"),
    };
    let measured = Measured { handshakes, tool_cpu_seconds, traffic, stored: Some(stored) };
    Ok(stage.report(name, &books, measured, errors))
}
