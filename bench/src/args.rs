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
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Target {
    /// Where the server listens; plain http.
    #[arg(long, default_value = "http://127.0.0.1:5000")]
    pub(crate) url: String,
    /// The server's process: its memory and CPU are measured through /proc.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// What to call the server in the report.
    #[arg(long, default_value = "server")]
    pub(crate) label: String,
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
    /// Messages per second of all senders together, at fixed times; 0: each sends when the last is acknowledged.
    #[arg(long, default_value_t = 1000)]
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

#[derive(Debug, ClapArgs)]
pub(crate) struct Output {
    /// Write the full report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
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
    /// Which servers to measure.
    #[arg(long, value_delimiter = ',', default_value = "sockeye,peer")]
    pub(crate) subjects: Vec<Which>,
    /// Which scenarios, each against a freshly started server.
    #[arg(long, value_delimiter = ',', default_value = "idle,send,flood")]
    pub(crate) scenarios: Vec<Scenario>,
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
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    Sockeye,
    Peer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    Idle,
    /// `send` at the given rate.
    Send,
    /// `send` with rate 0: as fast as acknowledgements come.
    Flood,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
