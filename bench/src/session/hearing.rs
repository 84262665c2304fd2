//! What a session makes of the frames it hears.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Instant;

use serde::Deserialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Shared;
use crate::errors::Tally;
use crate::ledger::{Ack, Receipt};
use crate::stamp::Stamp;
use crate::wire::{self, Frame};

/// The incoming half of a session's book.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) acks: Vec<Ack>,
    /// Live messages with the number of who sent them, in the order they came.
    pub(crate) receipts: Vec<(u32, Receipt)>,
    pub(crate) pings: u64,
    pub(crate) presence_lists: u64,
    pub(crate) presence_bytes: u64,
    /// The last presence list, as the event's arguments.
    pub(crate) presence: Option<Utf8Bytes>,
    pub(crate) errors: Tally,
    sender: Option<u32>,
    acked: HashSet<u32>,
}

/// What a frame asks of the session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    Pong,
    /// A message was answered, the next may go.
    Next,
    /// The server has said goodbye.
    End,
}

impl Heard {
    /// `sender`: the session's own number, if it sends.
    pub(crate) fn new(sender: Option<u32>) -> Self {
        Self { sender, ..Self::default() }
    }

    /// `leaving`: everybody is being sent home, so presence lists shrink and say nothing about the run.
    pub(crate) fn frame(&mut self, text: Utf8Bytes, shared: &Shared, leaving: bool) -> Wants {
        match wire::parse(&text) {
            Some(Frame::Ping) => {
                self.pings += 1;
                return Wants::Pong;
            }
            Some(Frame::Ack { id, args }) => {
                self.ack(id, args, shared);
                return Wants::Next;
            }
            Some(Frame::Event { name: "newMessage", args }) => self.message(args, shared),
            Some(Frame::Event { name: "getOnlineUsers", .. }) if !leaving => {
                self.presence_lists += 1;
                self.presence_bytes += text.len() as u64;
                self.presence = Some(text);
            }
            // A contract may grow events; they are not this tool's business.
            Some(Frame::Event { .. } | Frame::Noop) => {}
            Some(Frame::Close | Frame::Disconnected) => return Wants::End,
            Some(Frame::Open(_) | Frame::Connected | Frame::Refused(_)) | None => {
                self.errors.add("unexpected frame", text.chars().take(60).collect::<String>());
            }
        }
        Wants::Nothing
    }

    /// Ids of the users online according to the last presence list.
    pub(crate) fn online(&self) -> HashSet<String> {
        let args = self.presence.as_deref().and_then(|text| match wire::parse(text) {
            Some(Frame::Event { args, .. }) => Some(args),
            _ => None,
        });
        args.and_then(|args| wire::argument(args, 1).ok()).unwrap_or_default()
    }

    fn ack(&mut self, seq: u32, args: &str, shared: &Shared) {
        let at_us = shared.us(Instant::now());
        let outcome = match wire::argument::<Answer<'_>>(args, 0) {
            Ok(answer) if answer.status == "ok" => self.accepted(seq, answer.body, shared),
            Ok(answer) => Err(format!("status {:?}", answer.status)),
            Err(words) => Err(words),
        };
        if outcome.is_ok() {
            shared.progress.accept(self.sender, seq);
            self.acked.insert(seq);
        }
        shared.progress.count(&shared.progress.answered);
        self.acks.push(Ack { seq, at_us, outcome });
    }

    /// An acceptance must carry the very message it accepts.
    fn accepted(
        &self,
        seq: u32,
        body: Option<&serde_json::value::RawValue>,
        shared: &Shared,
    ) -> Result<Option<Box<str>>, String> {
        let body = body.ok_or("ok without a message")?;
        let message: Body<'_> = serde_json::from_str(body.get()).map_err(|error| error.to_string())?;
        match Stamp::read(&message.text, &shared.run) {
            Some(stamp) if stamp.seq == seq && Some(stamp.sender) == self.sender => {
                Ok(message.id.map(Into::into))
            }
            _ => Err("ok with another message".to_owned()),
        }
    }

    fn message(&mut self, args: &str, shared: &Shared) {
        let at_us = shared.us(Instant::now());
        let body = match wire::argument::<Body<'_>>(args, 1) {
            Ok(body) => body,
            Err(words) => return self.errors.add("unreadable message", words),
        };
        let Some(Stamp { sender, seq }) = Stamp::read(&body.text, &shared.run) else {
            return self.errors.add("unknown message", "not of this run, or changed on the way");
        };
        if Some(sender) == self.sender {
            // On the calling socket: before the ack or not at all (contract direct-v1, section 6).
            if self.acked.contains(&seq) {
                self.errors.add("echo after ack", format!("sender {sender}, message {seq}"));
            }
            return;
        }
        self.receipts.push((sender, Receipt { seq, at_us, id: body.id.map(Into::into) }));
        shared.progress.count(&shared.progress.received);
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, rename = "message")]
    body: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, rename = "_id")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}
