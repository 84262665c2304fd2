//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Load tool for chat servers of contract direct-v1. Exits non-zero on any error.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold connections that only answer pings.
    Idle(One),
    /// Hold connections, and send messages to some of them from further ones.
    Send(One),
    /// Start the server and the Node peer, one after the other, and run all scenarios against each.
    Compare(Compare),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct One {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Messages per second of all senders together, at fixed times; 0: each sends when the last is acknowledged.
    #[arg(long, default_value_t = 1000)]
    pub(crate) rate: u32,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

impl One {
    pub(crate) fn load(&self) -> Load {
        self.load.at(self.rate)
    }
}

/// A server that runs already.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Target {
    /// Where the server's gateways listen; plain http. Clients are spread over them.
    #[arg(long, value_delimiter = ',', default_value = "http://127.0.0.1:5000")]
    pub(crate) url: Vec<String>,
    /// The gateways' processes, in the order of the addresses: memory and CPU are measured through /proc.
    #[arg(long, value_delimiter = ',')]
    pub(crate) pid: Vec<u32>,
    /// The server's further processes, its workers.
    #[arg(long, value_delimiter = ',')]
    pub(crate) worker_pid: Vec<u32>,
    /// Where `/metrics` says how many messages are stored: the workers' operations ports. Default: the gateways'
    /// addresses, which answer it in development or with `SOCKEYE_METRICS_PUBLIC=on`.
    #[arg(long, value_delimiter = ',')]
    pub(crate) metrics_url: Vec<String>,
    #[command(flatten)]
    pub(crate) services: Services,
    /// What to call the server in the report.
    #[arg(long, default_value = "server")]
    pub(crate) label: String,
}

/// What a cluster stands on.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Services {
    /// A folder of `scripts/services`: the processes named by its `*.pid` files are measured too.
    #[arg(long, env = "SOCKEYE_TEST_SERVICES_DIR")]
    pub(crate) services_dir: Option<PathBuf>,
}

/// How much load. The same settings for every server make numbers comparable.
#[derive(Debug, Clone, ClapArgs, Serialize)]
pub(crate) struct Load {
    /// Idle connections, one user each; the first of them are the receivers.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Further connections that send, one user and one conversation each.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) senders: u32,
    /// Messages per second of all senders together; 0: closed loop.
    #[arg(skip)]
    pub(crate) rate: u32,
    /// Messages a sender has unacknowledged at most, when the rate is 0.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) in_flight: u32,
    /// Stop sending after so many messages in total, even when the time is not over.
    #[arg(long)]
    pub(crate) messages: Option<u64>,
    /// How long to hold the connections (idle) or to send (send).
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// Length of a message's text.
    #[arg(long, default_value_t = 80)]
    pub(crate) text_len: usize,
    /// How long to wait for the last acknowledgements and receipts before they count as lost.
    #[arg(long, default_value_t = 15)]
    pub(crate) drain_seconds: u64,
    /// How long to wait, from the end of sending, until everything is stored.
    #[arg(long, default_value_t = 120)]
    pub(crate) store_seconds: u64,
    /// Pause before memory is read, once the connections are there and once they are gone.
    #[arg(long, default_value_t = 3)]
    pub(crate) settle_seconds: u64,
    /// Handshakes under way at most.
    #[arg(long, default_value_t = 50)]
    pub(crate) handshakes_max: usize,
    /// Sign-ups and log-ins under way at most (password hashing is slow on purpose).
    #[arg(long, default_value_t = 8)]
    pub(crate) sign_ups_max: usize,
    /// Skip reading every conversation's history through REST after the load.
    #[arg(long)]
    pub(crate) skip_history: bool,
}

impl Load {
    pub(crate) fn at(&self, rate: u32) -> Self {
        Self { rate, ..self.clone() }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Output {
    /// Write the full report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Write machine and tables here as Markdown.
    #[arg(long)]
    pub(crate) markdown: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Compare {
    /// The server's binary.
    #[arg(long, env = "SOCKEYE_BIN")]
    pub(crate) sockeye_bin: Option<PathBuf>,
    /// The peer's folder, after `npm ci`.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peer"))]
    pub(crate) peer_dir: PathBuf,
    /// Where the servers' data goes: the disk whose fsync is part of every acknowledgement.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) scratch_dir: PathBuf,
    /// Copy what the servers wrote into folders in here, after runs with errors.
    #[arg(long)]
    pub(crate) logs: Option<PathBuf>,
    /// Which servers to measure. Default: embedded, and cluster where its three addresses are given, else peer.
    #[arg(long, value_delimiter = ',')]
    pub(crate) subjects: Vec<Which>,
    /// Which scenarios, each against a freshly started server.
    #[arg(long, value_delimiter = ',', default_value = "idle,latency,pipeline")]
    pub(crate) scenarios: Vec<Scenario>,
    /// Messages per second of all senders together, for `latency`: one after the other.
    #[arg(long, value_delimiter = ',', default_value = "100,500,1000",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rates: Vec<u32>,
    /// Times to go through everything, servers alternating.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: u32,
    /// More environment for the server, NAME=VALUE.
    #[arg(long, value_parser = assignment)]
    pub(crate) sockeye_env: Vec<(String, String)>,
    /// More environment for the peer, NAME=VALUE.
    #[arg(long, value_parser = assignment)]
    pub(crate) peer_env: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    #[command(flatten)]
    pub(crate) services: Services,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

impl Compare {
    pub(crate) fn subjects(&self) -> Vec<Which> {
        match (self.subjects.as_slice(), self.cluster.addresses()) {
            ([], Some(_)) => vec![Which::Embedded, Which::Cluster],
            ([], None) => vec![Which::Embedded, Which::Peer],
            (chosen, _) => chosen.to_vec(),
        }
    }
}

/// The servers of the subject `cluster`, and how many processes it has. Topic, database and prefix are made for each
/// start and stay behind.
#[derive(Debug, ClapArgs)]
pub(crate) struct Cluster {
    #[arg(long, env = "SOCKEYE_TEST_KAFKA_BROKERS")]
    pub(crate) kafka_brokers: Option<String>,
    /// The database in it is replaced.
    #[arg(long, env = "SOCKEYE_TEST_MONGODB_URI", hide_env_values = true)]
    pub(crate) mongodb_uri: Option<String>,
    #[arg(long, env = "SOCKEYE_TEST_REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: Option<String>,
    /// Gateways of the cluster; clients are spread over them.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) gateways: u32,
    /// Workers of the cluster.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) workers: u32,
}

impl Cluster {
    /// Brokers, MongoDB's address and Redis', when all are given.
    pub(crate) fn addresses(&self) -> Option<[&str; 3]> {
        let Self { kafka_brokers, mongodb_uri, redis_url, .. } = self;
        Some([kafka_brokers.as_deref()?, mongodb_uri.as_deref()?, redis_url.as_deref()?])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// Sockeye as one process with its own log and store.
    #[value(alias = "sockeye")]
    Embedded,
    /// Sockeye as gateways and workers over Kafka, MongoDB and Redis.
    Cluster,
    Peer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Connections held.
    Idle,
    /// `send` at each of the rates.
    #[value(alias = "send")]
    Latency,
    /// `send` as fast as acknowledgements come, until everything is stored.
    #[value(alias = "flood")]
    Pipeline,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_does_not_contradict_itself() {
        super::Args::command().debug_assert();
    }
}
