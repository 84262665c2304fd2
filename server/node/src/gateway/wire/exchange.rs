//! What is exchanged in a session's packets on their way out: CONNECT answers for completed ones, markers for the
//! shared events in whose place they are.

use super::{
    connect_answer::ConnectAnswers,
    shared::{self, MARKER_LEN_MAX, SharedQueue, WholePacket},
};

/// Separates the packets of an EIO=4 payload; JSON never contains it unescaped.
const PACKET_SEPARATOR: char = '\x1e';
/// Longest packet looked at while a CONNECT answer is expected; one with a long `pid` is well below.
const ANSWER_LEN_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange<'a> {
    pub(crate) answers: &'a ConnectAnswers,
    pub(crate) shared: &'a SharedQueue,
}

impl Exchange<'_> {
    /// Whether packets have to be looked at.
    pub(crate) fn any(&self) -> bool {
        self.answers.any() || self.shared.any()
    }

    /// Longest packet that may be exchanged, in bytes.
    pub(crate) fn len_max(&self) -> usize {
        if self.answers.any() { ANSWER_LEN_MAX } else { MARKER_LEN_MAX }
    }

    /// Whether a packet may be one to exchange; cheap.
    pub(crate) fn concerns(&self, packet: &[u8]) -> bool {
        packet.starts_with(b"40") && self.answers.any()
            || self.shared.any() && shared::marker_number(packet).is_some()
    }

    /// What goes out instead of `packet`, if it is to be exchanged. Asked a second time, it is not.
    pub(crate) fn take(&self, packet: &[u8]) -> Option<WholePacket> {
        if let Some(number) = shared::marker_number(packet) {
            return self.shared.take(number).map(|event| event.packet.clone());
        }
        let completed = self.answers.complete(std::str::from_utf8(packet).ok()?)?;
        Some(WholePacket::new(&completed))
    }

    /// The same for a whole EIO=4 polling payload.
    pub(crate) fn payload(&self, payload: &str) -> Option<String> {
        let mut changed = false;
        let mut exchanged = String::with_capacity(payload.len());
        for (at, packet) in payload.split(PACKET_SEPARATOR).enumerate() {
            if at > 0 {
                exchanged.push(PACKET_SEPARATOR);
            }
            match self.take(packet.as_bytes()) {
                Some(other) => {
                    changed = true;
                    exchanged.push_str(other.text());
                }
                None => exchanged.push_str(packet),
            }
        }
        changed.then_some(exchanged)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{
        super::{
            connect_answer::ConnectAnswer,
            shared::{SharedEvent, marker_packet},
        },
        *,
    };

    #[test]
    fn a_payload_keeps_its_other_packets() {
        let (answers, shared) = (ConnectAnswers::default(), SharedQueue::default());
        let exchange = Exchange { answers: &answers, shared: &shared };
        answers.expect("/", ConnectAnswer { sid: "mine".into(), pid: None });
        let number = shared.push(&Arc::new(SharedEvent::new("/", "all", vec![]))).expect("room");
        let payload =
            format!("2\x1e40{{\"sid\":\"x\"}}\x1e{}\x1e42[\"auth\",{{}}]", marker_packet("/", number));
        assert_eq!(
            exchange.payload(&payload).as_deref(),
            Some("2\x1e40{\"sid\":\"mine\"}\x1e42[\"all\"]\x1e42[\"auth\",{}]")
        );
        assert!(!exchange.any());
        assert_eq!(exchange.payload(&payload), None);
    }

    proptest! {
        #[test]
        fn other_packets_are_never_touched(packet in "(42|44|40/x,|[0-6])?.{0,60}") {
            prop_assume!(!packet.starts_with("40{\"sid\":"));
            let (answers, shared) = (ConnectAnswers::default(), SharedQueue::default());
            answers.expect("/", ConnectAnswer { sid: "mine".into(), pid: None });
            shared.push(&Arc::new(SharedEvent::new("/", "all", vec![]))).expect("room");
            let exchange = Exchange { answers: &answers, shared: &shared };
            prop_assert_eq!(exchange.payload(&packet), None);
        }
    }
}
