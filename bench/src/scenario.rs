//! The scenarios: idle connections, and messages between some of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::accounts::{self, Account};
use crate::args::{Load, Target};
use crate::crew::{Crew, Member};
use crate::errors::{Failure, Tally};
use crate::gauge::Gauge;
use crate::latency::Percentiles;
use crate::ledger::{self, Conversation};
use crate::pacing::{self, Plan, Starter};
use crate::process::Process;
use crate::report::{Report, Traffic};
use crate::session::{Book, Progress, Role, Shared};
use crate::stamp::Stamp;

/// Holds `load.connections` for `load.seconds`.
pub(crate) async fn idle(target: &Target, load: &Load) -> Result<Report, Failure> {
    let mut stage = Stage::set_up(target, load, load.connections).await?;
    let members = stage.accounts.iter().cloned().map(listener).collect();
    let crew = stage.connect(members).await?;

    let tool_cpu = Process::own().cpu_seconds()?;
    stage.gauge.load_starts();
    sleep(Duration::from_secs(load.seconds)).await;
    stage.gauge.load_ends();
    let tool_cpu_seconds = Process::own().cpu_seconds()? - tool_cpu;

    let handshakes = Percentiles::of(crew.handshakes_us.clone());
    let mut books = stage.send_home(crew).await?;
    let mut errors = gather_errors(&mut books);
    check_presence(&stage.accounts, &books, &mut errors);
    Ok(stage.report("idle", books, handshakes, tool_cpu_seconds, None, errors))
}

/// Holds `load.connections` while `load.senders` further ones send to the first of them for `load.seconds`.
pub(crate) async fn send(target: &Target, load: &Load) -> Result<Report, Failure> {
    let mut stage = Stage::set_up(target, load, load.connections + load.senders).await?;
    let (members, starter) = senders_and_receivers(&stage.accounts, load);
    let crew = stage.connect(members).await?;

    let tool_cpu = Process::own().cpu_seconds()?;
    stage.gauge.load_starts();
    let start = Instant::now();
    starter.start()?;
    crew.sent_all(u64::from(load.senders)).await;
    let sending = start.elapsed();
    crew.drained(Duration::from_secs(load.drain_seconds)).await;
    stage.gauge.load_ends();
    let tool_cpu_seconds = Process::own().cpu_seconds()? - tool_cpu;

    let histories = if load.skip_history { None } else { Some(stage.histories().await) };
    let handshakes = Percentiles::of(crew.handshakes_us.clone());
    let mut books = stage.send_home(crew).await?;
    let mut errors = gather_errors(&mut books);
    let histories = histories
        .and_then(|read| read.map_err(|failure| errors.add("history unreadable", failure.to_string())).ok());
    let conversations = conversations(&mut books, histories, load, &stage.shared.run, &mut errors);
    let counts = ledger::judge(&conversations, &mut errors);
    let traffic = Traffic::new(&conversations, counts, sending);
    let name = if load.rate == 0 { "send, closed loop" } else { "send, fixed rate" };
    Ok(stage.report(name, books, handshakes, tool_cpu_seconds, Some(traffic), errors))
}

/// What both scenarios share around the load itself.
struct Stage<'a> {
    target: &'a Target,
    load: &'a Load,
    accounts: Vec<Account>,
    gauge: Gauge,
    shared: Arc<Shared>,
    connecting: Duration,
}

impl<'a> Stage<'a> {
    async fn set_up(target: &'a Target, load: &'a Load, users: u32) -> Result<Self, Failure> {
        let run = run_name()?;
        let mut gauge = Gauge::new(target.pid.map(Process::of));
        gauge.starts();
        let accounts = accounts::make(&target.url, &run, users, load.sign_ups_max.max(1)).await?;
        sleep(Duration::from_secs(load.settle_seconds)).await;
        let shared =
            Shared { epoch: Instant::now(), run, text_len: load.text_len, progress: Progress::default() };
        Ok(Self { target, load, accounts, gauge, shared: Arc::new(shared), connecting: Duration::ZERO })
    }

    async fn connect(&mut self, members: Vec<Member>) -> Result<Crew, Failure> {
        self.gauge.connecting_starts();
        let start = Instant::now();
        let shared = Arc::clone(&self.shared);
        let crew = Crew::assemble(&self.target.url, members, self.load.handshakes_max, shared).await?;
        self.connecting = start.elapsed();
        sleep(Duration::from_secs(self.load.settle_seconds)).await;
        self.gauge.connected(self.accounts.len() as u64);
        Ok(crew)
    }

    async fn send_home(&mut self, crew: Crew) -> Result<Vec<Book>, Failure> {
        let books = crew.disband().await?;
        sleep(Duration::from_secs(self.load.settle_seconds)).await;
        self.gauge.disconnected();
        Ok(books)
    }

    /// Every conversation as its sender reads it through REST, in the order of the senders.
    async fn histories(&self) -> Result<Vec<Vec<String>>, Failure> {
        let http = reqwest::Client::new();
        stream::iter(0..self.load.senders)
            .map(|number| {
                let (sender, receiver) = pair(&self.accounts, self.load, number);
                accounts::history(&http, &self.target.url, sender, &receiver.id)
            })
            .buffered(self.load.sign_ups_max.max(1))
            .try_collect()
            .await
    }

    fn report(
        self,
        scenario: &'static str,
        books: Vec<Book>,
        handshakes: Option<Percentiles>,
        tool_cpu_seconds: f64,
        traffic: Option<Traffic>,
        mut errors: Tally,
    ) -> Report {
        let sum = |of: fn(&Book) -> u64| books.iter().map(of).sum();
        Report {
            subject: self.target.label.clone(),
            scenario,
            load: self.load.clone(),
            connections: self.accounts.len(),
            connecting_seconds: self.connecting.as_secs_f64(),
            handshakes,
            pings: sum(|book| book.heard.pings),
            presence_lists: sum(|book| book.heard.presence_lists),
            presence_bytes: sum(|book| book.heard.presence_bytes),
            server: self
                .gauge
                .usage(traffic.as_ref().map(|traffic| traffic.counts.acknowledged), &mut errors),
            tool_cpu_seconds,
            traffic,
            errors,
        }
    }
}

/// Listeners first, then senders, whose receivers are the first listeners.
fn senders_and_receivers(accounts: &[Account], load: &Load) -> (Vec<Member>, Starter) {
    let (plans, starter) = pacing::plans(load);
    let listeners = accounts.iter().take(load.connections as usize).cloned().map(listener);
    let senders = (0..load.senders).zip(plans).map(|(number, plan)| {
        let (sender, receiver) = pair(accounts, load, number);
        Member { account: sender.clone(), role: Role::Sender { number, to: receiver.id.clone() }, plan }
    });
    (listeners.chain(senders).collect(), starter)
}

fn pair<'a>(accounts: &'a [Account], load: &Load, number: u32) -> (&'a Account, &'a Account) {
    (&accounts[(load.connections + number) as usize], &accounts[receiver_of(number, load)])
}

fn receiver_of(sender: u32, load: &Load) -> usize {
    (sender % load.connections) as usize
}

fn listener(account: Account) -> Member {
    Member { account, role: Role::Listener, plan: Plan::Idle }
}

fn gather_errors(books: &mut [Book]) -> Tally {
    let mut errors = Tally::default();
    for book in books {
        errors.merge(std::mem::take(&mut book.heard.errors));
    }
    errors
}

/// Sorts what the books hold by conversation.
fn conversations(
    books: &mut [Book],
    histories: Option<Vec<Vec<String>>>,
    load: &Load,
    run: &str,
    errors: &mut Tally,
) -> Vec<Conversation> {
    let (listeners, senders) = books.split_at_mut(load.connections as usize);
    let mut conversations: Vec<Conversation> = senders
        .iter_mut()
        .map(|book| Conversation {
            sent: std::mem::take(&mut book.sent),
            acks: std::mem::take(&mut book.heard.acks),
            ..Conversation::default()
        })
        .collect();
    for (reader, book) in listeners.iter_mut().chain(senders).enumerate() {
        for (sender, receipt) in std::mem::take(&mut book.heard.receipts) {
            match conversations.get_mut(sender as usize) {
                Some(conversation) if receiver_of(sender, load) == reader => {
                    conversation.receipts.push(receipt)
                }
                _ => errors.add("misdelivered", format!("message of sender {sender} at connection {reader}")),
            }
        }
    }
    for (conversation, texts) in conversations.iter_mut().zip(histories.into_iter().flatten()) {
        // What is not of this run was never sent by it.
        let seqs = |text: &String| Stamp::read(text, run).map_or(u32::MAX, |stamp| stamp.seq);
        conversation.history = Some(texts.iter().map(seqs).collect());
    }
    conversations
}

/// With all connected, everyone's last presence list must name all.
fn check_presence(accounts: &[Account], books: &[Book], errors: &mut Tally) {
    let everyone: HashSet<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
    for (number, book) in books.iter().enumerate() {
        let online = book.heard.online();
        let absent = everyone.iter().filter(|id| !online.contains(**id)).count();
        if absent > 0 {
            errors.add(
                "presence wrong",
                format!("connection {number} does not see {absent} of {}", everyone.len()),
            );
        }
    }
}

fn run_name() -> Result<String, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Setup(format!("no randomness: {error}")))?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}
