//! Which append a record came from, for those who look for it in logs and traces (W3C Trace Context).

use std::sync::atomic::{AtomicU64, Ordering};

use rdkafka::{
    Message,
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
};
use sha2::{Digest, Sha256};
use sockeye_core::id::MessageId;

const TRACEPARENT: &str = "traceparent";
const NODE: &str = "sockeye-node";

/// Names traces after messages: whoever knows a message's id can find all of its appends.
pub(super) struct Trace {
    node: String,
    appends: AtomicU64,
}

impl Trace {
    pub(super) fn new(node: &str) -> Self {
        Self { node: node.to_owned(), appends: AtomicU64::new(0) }
    }

    /// A `traceparent`: the trace is the message's, the span is this append's.
    pub(super) fn parent(&self, message: MessageId) -> String {
        let trace: [u8; 32] = Sha256::digest(message.0.0).into();
        let mut span = Sha256::new();
        span.update(trace);
        span.update(&self.node);
        span.update(self.appends.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let span: [u8; 32] = span.finalize().into();
        format!("00-{}-{}-01", hex(&trace[..16]), hex(&span[..8]))
    }
}

pub(super) fn headers(headers: OwnedHeaders, parent: &str, node: &str) -> OwnedHeaders {
    headers
        .insert(Header { key: TRACEPARENT, value: Some(parent) })
        .insert(Header { key: NODE, value: Some(node) })
}

/// What [`headers`] wrote, when it is there.
pub(super) fn read<'a>(message: &'a BorrowedMessage<'_>) -> Option<&'a str> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key == TRACEPARENT)?;
    std::str::from_utf8(found.value?).ok()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use sockeye_core::id::ObjectId;

    use super::*;

    #[test]
    fn a_message_has_one_trace_and_every_append_a_span() {
        let trace = Trace::new("node");
        let id = MessageId(ObjectId([7; 12]));
        let (one, other) = (trace.parent(id), trace.parent(id));
        assert_eq!((one.len(), &one[..3], &one[52..]), (55, "00-", "-01"));
        assert_eq!(one[..36], other[..36]);
        assert_ne!(one, other);
    }
}
