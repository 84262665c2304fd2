//! What the scenarios share around the load itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::accounts;
use crate::args::Load;
use crate::cast::Cast;
use crate::crew::{Crew, Member};
use crate::errors::{Failure, Tally};
use crate::gauge::Gauge;
use crate::latency::Percentiles;
use crate::report::{Report, Traffic};
use crate::session::{Book, Progress, Shared};
use crate::stored::Stored;
use crate::target::Target;

/// A run from its users to its report.
pub(crate) struct Stage<'a> {
    load: &'a Load,
    pub(crate) cast: Cast<'a>,
    pub(crate) gauge: Gauge,
    pub(crate) shared: Arc<Shared>,
    connecting: Duration,
}

/// What a scenario found.
pub(crate) struct Measured {
    pub(crate) handshakes: Option<Percentiles>,
    pub(crate) tool_cpu_seconds: f64,
    pub(crate) traffic: Option<Traffic>,
    pub(crate) stored: Option<Stored>,
}

impl<'a> Stage<'a> {
    /// Signs up `load.connections` listeners and `senders` senders.
    pub(crate) async fn set_up(target: &'a Target, load: &'a Load, senders: u32) -> Result<Self, Failure> {
        let run = run_name()?;
        let mut gauge = Gauge::new(target);
        gauge.starts();
        let users = load.connections + senders;
        let accounts = accounts::make(target, &run, users, load.sign_ups_max.max(1)).await?;
        sleep(Duration::from_secs(load.settle_seconds)).await;
        let shared =
            Shared { epoch: Instant::now(), run, text_len: load.text_len, progress: Progress::new(senders) };
        let cast = Cast { target, accounts, listeners: load.connections };
        Ok(Self { load, cast, gauge, shared: Arc::new(shared), connecting: Duration::ZERO })
    }

    pub(crate) async fn connect(&mut self, members: Vec<Member>) -> Result<Crew, Failure> {
        let held = |url: &String| members.iter().filter(|member| member.url == *url).count() as u64;
        let connections: Vec<u64> = self.cast.target.urls.iter().map(held).collect();
        self.gauge.connecting_starts();
        let start = Instant::now();
        let crew = Crew::assemble(members, self.load.handshakes_max, Arc::clone(&self.shared)).await?;
        self.connecting = start.elapsed();
        sleep(Duration::from_secs(self.load.settle_seconds)).await;
        self.gauge.connected(&connections);
        Ok(crew)
    }

    pub(crate) async fn send_home(&mut self, crew: Crew) -> Result<Vec<Book>, Failure> {
        let books = crew.disband().await?;
        sleep(Duration::from_secs(self.load.settle_seconds)).await;
        self.gauge.disconnected();
        Ok(books)
    }

    pub(crate) fn report(
        self,
        scenario: String,
        books: &[Book],
        measured: Measured,
        mut errors: Tally,
    ) -> Report {
        let sum = |of: fn(&Book) -> u64| books.iter().map(of).sum();
        let Measured { handshakes, tool_cpu_seconds, traffic, stored } = measured;
        let messages = traffic.as_ref().map(|traffic| traffic.counts.acknowledged);
        let usages = self.gauge.usages(messages, &mut errors);
        Report {
            subject: self.cast.target.label.clone(),
            scenario,
            load: self.load.clone(),
            connections: self.cast.accounts.len(),
            connecting_seconds: self.connecting.as_secs_f64(),
            handshakes,
            pings: sum(|book| book.heard.pings),
            presence_lists: sum(|book| book.heard.presence_lists),
            presence_bytes: sum(|book| book.heard.presence_bytes),
            usages,
            tool_cpu_seconds,
            traffic,
            stored,
            errors,
        }
    }
}

fn run_name() -> Result<String, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Setup(format!("no randomness: {error}")))?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}
