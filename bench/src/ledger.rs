//! Every message sent, every acknowledgement and every receipt, and what they prove together.

use std::collections::HashMap;

use serde::Serialize;

use crate::errors::Tally;

/// When a message was to be sent and when writing it began, in microseconds of the run's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) intended_us: u64,
    pub(crate) started_us: u64,
}

/// An acknowledgement as the sender read it.
#[derive(Debug, Clone)]
pub(crate) struct Ack {
    pub(crate) seq: u32,
    pub(crate) at_us: u64,
    /// The message's id if the server gave one, or the refusal in words.
    pub(crate) outcome: Result<Option<Box<str>>, String>,
}

/// A live message as a receiver read it.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    pub(crate) seq: u32,
    pub(crate) at_us: u64,
    pub(crate) id: Option<Box<str>>,
}

/// What one sender sent to its one receiver. Acks and receipts are in the order they were read; `sent[seq]`.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) sent: Vec<Sent>,
    pub(crate) acks: Vec<Ack>,
    pub(crate) receipts: Vec<Receipt>,
    /// Sequence numbers read back through REST; `None` when not asked.
    pub(crate) history: Option<Vec<u32>>,
}

/// Totals over all conversations.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) received: u64,
    pub(crate) in_history: u64,
}

/// Compares the three sides of every conversation; whatever breaks a promise goes into `errors`.
pub(crate) fn judge(conversations: &[Conversation], errors: &mut Tally) -> Counts {
    let mut counts = Counts::default();
    for (sender, conversation) in conversations.iter().enumerate() {
        judge_one(sender, conversation, &mut counts, errors);
    }
    counts
}

fn judge_one(sender: usize, conversation: &Conversation, counts: &mut Counts, errors: &mut Tally) {
    let acked = judge_acks(sender, conversation, errors);
    let live: Vec<u32> = conversation.receipts.iter().map(|receipt| receipt.seq).collect();
    let live_kinds =
        Kinds { missing: "missing", doubled: "doubled", reordered: "reordered", unsent: "unsent" };
    let received = judge_copies(sender, conversation, &live, &acked, &live_kinds, errors);
    judge_ids(sender, conversation, errors);
    if let Some(history) = &conversation.history {
        let kinds = Kinds {
            missing: "missing in history",
            doubled: "doubled in history",
            reordered: "reordered in history",
            unsent: "unsent in history",
        };
        counts.in_history += judge_copies(sender, conversation, history, &acked, &kinds, errors);
    }
    counts.sent += total(conversation.sent.len());
    counts.acknowledged += total(acked.iter().filter(|acked| **acked).count());
    counts.received += received;
}

/// Which messages were acknowledged as accepted.
fn judge_acks(sender: usize, conversation: &Conversation, errors: &mut Tally) -> Vec<bool> {
    let mut answered = vec![false; conversation.sent.len()];
    let mut accepted = answered.clone();
    let mut highest = None;
    for ack in &conversation.acks {
        let seq = ack.seq;
        let Some(slot) = answered.get_mut(seq as usize) else {
            errors.add("ack of nothing sent", format!("sender {sender}, ack {seq}"));
            continue;
        };
        if std::mem::replace(slot, true) {
            errors.add("acknowledged twice", format!("sender {sender}, message {seq}"));
            continue;
        }
        if highest.is_some_and(|highest| seq < highest) {
            errors.add("acks reordered", format!("sender {sender}, ack {seq} after {highest:?}"));
        }
        highest = highest.max(Some(seq));
        match &ack.outcome {
            Ok(_) => accepted[seq as usize] = true,
            Err(words) => errors.add("refused", format!("sender {sender}, message {seq}: {words}")),
        }
    }
    let unanswered = answered.iter().filter(|answered| !**answered).count();
    let first = answered.iter().position(|answered| !answered);
    errors.add_many("never acknowledged", total(unanswered), format!("sender {sender}, first {first:?}"));
    accepted
}

struct Kinds {
    missing: &'static str,
    doubled: &'static str,
    reordered: &'static str,
    unsent: &'static str,
}

/// Holds one list of copies against what was acknowledged; how many different messages it holds.
fn judge_copies(
    sender: usize,
    conversation: &Conversation,
    copies: &[u32],
    acked: &[bool],
    kinds: &Kinds,
    errors: &mut Tally,
) -> u64 {
    let mut seen = vec![false; conversation.sent.len()];
    let mut highest = None;
    for &seq in copies {
        let Some(slot) = seen.get_mut(seq as usize) else {
            errors.add(kinds.unsent, format!("conversation {sender}, message {seq}"));
            continue;
        };
        if std::mem::replace(slot, true) {
            errors.add(kinds.doubled, format!("conversation {sender}, message {seq}"));
            continue;
        }
        if highest.is_some_and(|highest| seq < highest) {
            errors.add(kinds.reordered, format!("conversation {sender}, message {seq} after {highest:?}"));
        }
        highest = highest.max(Some(seq));
    }
    let missing = acked.iter().zip(&seen).filter(|(acked, seen)| **acked && !**seen).count();
    let first = acked.iter().zip(&seen).position(|(acked, seen)| *acked && !*seen);
    errors.add_many(kinds.missing, total(missing), format!("conversation {sender}, first {first:?}"));
    total(seen.iter().filter(|seen| **seen).count())
}

/// Where the server names messages, ack and receipt must name one message alike, and two messages differently.
fn judge_ids(sender: usize, conversation: &Conversation, errors: &mut Tally) {
    let mut seq_of: HashMap<&str, u32> = HashMap::new();
    let mut id_of: HashMap<u32, &str> = HashMap::new();
    let acked =
        conversation.acks.iter().map(|ack| (ack.seq, ack.outcome.as_ref().ok().and_then(Option::as_deref)));
    let received = conversation.receipts.iter().map(|receipt| (receipt.seq, receipt.id.as_deref()));
    for (seq, id) in acked.chain(received).filter_map(|(seq, id)| Some((seq, id?))) {
        if *seq_of.entry(id).or_insert(seq) != seq {
            errors.add("id used twice", format!("conversation {sender}, message {seq}"));
        }
        if *id_of.entry(seq).or_insert(id) != id {
            errors.add("two ids for one message", format!("conversation {sender}, message {seq}"));
        }
    }
}

fn total(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
