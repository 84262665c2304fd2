//! What a scenario found, and as JSON.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::args::Load;
use crate::errors::{Failure, Tally};
use crate::latency::Percentiles;
use crate::ledger::{Conversation, Counts};
use crate::machine::Machine;
use crate::stored::Stored;
use crate::usage::{Usages, exact};

/// One scenario against one server.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) subject: String,
    pub(crate) scenario: String,
    pub(crate) load: Load,
    pub(crate) connections: usize,
    pub(crate) connecting_seconds: f64,
    /// From opening TCP to the accepted CONNECT, while the others connect too.
    pub(crate) handshakes: Option<Percentiles>,
    pub(crate) pings: u64,
    pub(crate) presence_lists: u64,
    pub(crate) presence_bytes: u64,
    #[serde(flatten)]
    pub(crate) usages: Option<Usages>,
    /// What the tool itself used during the load: it shares the machine.
    pub(crate) tool_cpu_seconds: f64,
    pub(crate) traffic: Option<Traffic>,
    pub(crate) stored: Option<Stored>,
    pub(crate) errors: Tally,
}

/// The messages of a scenario. Latencies count from the intended sending time.
#[derive(Debug, Serialize)]
pub(crate) struct Traffic {
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) sending_seconds: f64,
    /// Acknowledged messages by the time from the first intended sending to the last acknowledgement.
    pub(crate) acks_per_second: f64,
    pub(crate) ack: Option<Percentiles>,
    pub(crate) delivery: Option<Percentiles>,
    /// How late the tool itself began to write: part of the two above.
    pub(crate) tool_delay: Option<Percentiles>,
}

impl Traffic {
    pub(crate) fn new(conversations: &[Conversation], counts: Counts, sending: Duration) -> Self {
        let (mut ack, mut delivery, mut tool_delay) = (Vec::new(), Vec::new(), Vec::new());
        let (mut first_us, mut last_us) = (u64::MAX, 0);
        for conversation in conversations {
            let since = |seq: u32, at_us: u64| {
                let intended_us = conversation.sent.get(seq as usize)?.intended_us;
                Some(at_us.saturating_sub(intended_us))
            };
            ack.extend(conversation.acks.iter().filter_map(|ack| since(ack.seq, ack.at_us)));
            delivery
                .extend(conversation.receipts.iter().filter_map(|receipt| since(receipt.seq, receipt.at_us)));
            tool_delay.extend(
                conversation.sent.iter().map(|sent| sent.started_us.saturating_sub(sent.intended_us)),
            );
            first_us = conversation.sent.iter().map(|sent| sent.intended_us).fold(first_us, u64::min);
            last_us = conversation.acks.iter().map(|ack| ack.at_us).fold(last_us, u64::max);
        }
        let span = Duration::from_micros(last_us.saturating_sub(first_us)).as_secs_f64();
        Self {
            counts,
            sending_seconds: sending.as_secs_f64(),
            acks_per_second: if span > 0.0 { exact(counts.acknowledged) / span } else { 0.0 },
            ack: Percentiles::of(ack),
            delivery: Percentiles::of(delivery),
            tool_delay: Percentiles::of(tool_delay),
        }
    }
}

impl Report {
    pub(crate) fn is_clean(&self) -> bool {
        self.errors.total == 0
    }
}

/// Writes machine and reports as one JSON object.
pub(crate) fn write_json(path: &Path, machine: &Machine, reports: &[Report]) -> Result<(), Failure> {
    let report = serde_json::json!({ "machine": machine, "reports": reports });
    fs::write(path, format!("{report:#}\n")).map_err(Failure::io(format!("writing {}", path.display())))
}
