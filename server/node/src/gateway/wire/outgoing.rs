//! Follows the frames of an outgoing WebSocket stream, however it is cut, to exchange some of them.

use bytes::Bytes;

use super::{
    exchange::Exchange,
    frames::{FIN, TEXT, header},
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct OutgoingFrames {
    state: State,
}

/// What to do with the bytes at hand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write this many as they are, and tell [`OutgoingFrames::passed`] which were written.
    Pass(usize),
    /// This many are dealt with; before anything else, write those (which may be none).
    Taken(usize, Bytes),
}

#[derive(Debug)]
enum State {
    /// Passing a header on, `len` bytes of it are out. None: between two frames.
    Header { bytes: [u8; 10], len: usize },
    /// Passing a payload on.
    Payload { remaining: u64 },
    /// Holding back the beginning of a frame that may have to be exchanged.
    Held(Vec<u8>),
}

impl Default for State {
    fn default() -> Self {
        Self::Header { bytes: [0; 10], len: 0 }
    }
}

impl OutgoingFrames {
    /// Looks at bytes to be written.
    pub(crate) fn next(&mut self, bytes: &[u8], exchange: Exchange<'_>) -> Step {
        if !matches!(self.state, State::Held(_)) {
            let len = self.passable(bytes, exchange);
            if len > 0 {
                return Step::Pass(len);
            }
        }
        self.hold(bytes, exchange)
    }

    /// Follows bytes that were written as they are.
    pub(crate) fn passed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Header { bytes: head, len } => {
                    head[*len] = bytes[0];
                    *len += 1;
                    if let Some((_, remaining)) = header(&head[..*len]) {
                        self.state = State::in_payload(remaining);
                    }
                    1
                }
                State::Payload { remaining } => {
                    let taken = at_most(bytes.len(), *remaining);
                    let remaining = *remaining - taken as u64;
                    self.state = State::in_payload(remaining);
                    taken
                }
                State::Held(_) => return, // cannot happen: what is held is not passed
            };
            bytes = &bytes[taken..];
        }
    }

    /// How many bytes can go out as they are.
    fn passable(&self, bytes: &[u8], exchange: Exchange<'_>) -> usize {
        if !exchange.any() {
            return bytes.len();
        }
        let mut len = self.rest_of_frame(bytes);
        while let Some(kept) =
            bytes.get(len..).filter(|rest| !rest.is_empty()).and_then(|rest| keep(rest, exchange))
        {
            len += kept;
        }
        len
    }

    /// How many of `bytes` belong to the frame that is half-way out.
    fn rest_of_frame(&self, bytes: &[u8]) -> usize {
        match &self.state {
            State::Header { len: 0, .. } | State::Held(_) => 0,
            State::Header { bytes: head, len } => {
                let mut whole = *head;
                let more = bytes.len().min(whole.len() - len);
                whole[*len..*len + more].copy_from_slice(&bytes[..more]);
                match header(&whole[..*len + more]) {
                    Some((head_len, payload)) => at_most(bytes.len(), (head_len - len) as u64 + payload),
                    None => bytes.len(),
                }
            }
            State::Payload { remaining } => at_most(bytes.len(), *remaining),
        }
    }

    /// Takes bytes in until it is known whether the frame is to be exchanged.
    fn hold(&mut self, bytes: &[u8], exchange: Exchange<'_>) -> Step {
        let mut frame = match std::mem::take(&mut self.state) {
            State::Held(frame) => frame,
            State::Header { .. } | State::Payload { .. } => Vec::new(),
        };
        let mut taken = 0;
        loop {
            let whole_len = match header(&frame) {
                None => frame.len() + 1,
                Some((head_len, payload)) if is_candidate(frame[0], payload, exchange) => {
                    head_len + at_most(usize::MAX, payload)
                }
                Some((head_len, payload)) => {
                    self.state = State::in_payload(head_len as u64 + payload - frame.len() as u64);
                    return Step::Taken(taken, frame.into());
                }
            };
            if let Some((head_len, _)) = header(&frame)
                && frame.len() == whole_len
            {
                let other = exchange.take(&frame[head_len..]);
                return Step::Taken(taken, other.map_or_else(|| frame.into(), |other| other.frame));
            }
            let part = &bytes[taken..bytes.len().min(taken + whole_len - frame.len())];
            if part.is_empty() {
                self.state = State::Held(frame);
                return Step::Taken(taken, Bytes::new());
            }
            frame.extend(part);
            taken += part.len();
        }
    }
}

impl State {
    fn in_payload(remaining: u64) -> Self {
        if remaining == 0 { Self::default() } else { Self::Payload { remaining } }
    }
}

/// How many bytes, of those that start with a frame, are certain not to be exchanged; `None` if that frame may be.
fn keep(bytes: &[u8], exchange: Exchange<'_>) -> Option<usize> {
    let Some((head_len, payload)) = header(bytes) else {
        return (bytes[0] != FIN | TEXT).then_some(bytes.len());
    };
    let len = at_most(bytes.len(), head_len as u64 + payload);
    if !is_candidate(bytes[0], payload, exchange) {
        return Some(len);
    }
    let whole = (len - head_len) as u64 == payload;
    (whole && !exchange.concerns(&bytes[head_len..len])).then_some(len)
}

fn is_candidate(first: u8, payload: u64, exchange: Exchange<'_>) -> bool {
    first == FIN | TEXT && payload <= exchange.len_max() as u64
}

fn at_most(max: usize, len: u64) -> usize {
    usize::try_from(len).map_or(max, |len| len.min(max))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{
        super::{
            connect_answer::{ConnectAnswer, ConnectAnswers},
            frames::server_frame,
            shared::{SharedEvent, SharedQueue, marker_packet},
        },
        *,
    };

    #[derive(Debug, Clone)]
    enum Sent {
        Answer,
        Shared(usize),
        Text(String),
        Binary(usize),
    }

    fn sent() -> impl Strategy<Value = Sent> {
        prop_oneof![
            Just(Sent::Answer),
            prop_oneof![0usize..300, 65_000usize..70_000].prop_map(Sent::Shared),
            "[ -~]{0,200}".prop_map(|text| Sent::Text(format!("42{text}"))),
            prop_oneof![0usize..300, 65_000usize..70_000].prop_map(Sent::Binary),
        ]
    }

    /// A client that takes what it likes.
    struct Client {
        out: Vec<u8>,
        takes: Vec<usize>,
        turn: usize,
    }

    impl Client {
        fn take(&mut self, bytes: &[u8]) -> usize {
            self.turn += 1;
            let taken = bytes.len().min(self.takes[self.turn % self.takes.len()]);
            self.out.extend(&bytes[..taken]);
            taken
        }

        fn write(&mut self, outgoing: &mut OutgoingFrames, mut part: &[u8], exchange: Exchange<'_>) {
            while !part.is_empty() {
                let done = match outgoing.next(part, exchange) {
                    Step::Pass(len) => {
                        let written = self.take(&part[..len]);
                        outgoing.passed(&part[..written]);
                        written
                    }
                    Step::Taken(len, instead) => {
                        self.out.extend(&instead);
                        len
                    }
                };
                part = &part[done..];
            }
        }
    }

    fn text(packet: &str) -> Vec<u8> {
        server_frame(TEXT, packet.as_bytes())
    }

    const ENGINE_ANSWER: &str = "40{\"sid\":\"engine\"}";

    proptest! {
        #[test]
        fn frames_are_exchanged_however_the_stream_is_cut(
            before in 0usize..300,
            before_cut in 0usize..300,
            frames in proptest::collection::vec(sent(), 0..8),
            cuts in proptest::collection::vec(1usize..400, 1..40),
            takes in proptest::collection::vec(1usize..5000, 1..20),
        ) {
            let (answers, shared) = (ConnectAnswers::default(), SharedQueue::default());
            let exchange = Exchange { answers: &answers, shared: &shared };
            let mut client = Client { out: Vec::new(), takes, turn: 0 };
            let mut outgoing = OutgoingFrames::default();
            // Whatever was begun before there is anything to exchange goes out as it is.
            let mut stream = text(&"4".repeat(before));
            let mut expected = stream.clone();
            let begun = stream.drain(..before_cut.min(before + 1)).collect::<Vec<_>>();
            client.write(&mut outgoing, &begun, exchange);

            let answer = ConnectAnswer { sid: "mine".into(), pid: Some("p".into()) };
            answers.expect("/", answer);
            let mut answered = false;
            for one in &frames {
                let (engine, wire) = match one {
                    Sent::Answer if !answered => {
                        answered = true;
                        (text(ENGINE_ANSWER), text("40{\"sid\":\"mine\",\"pid\":\"p\"}"))
                    }
                    Sent::Answer => (text(ENGINE_ANSWER), text(ENGINE_ANSWER)),
                    Sent::Shared(len) => {
                        let arg = serde_json::value::to_raw_value(&"é".repeat(len / 2)).expect("JSON");
                        let event = Arc::new(SharedEvent::new("/", "all", vec![arg.into()]));
                        let number = shared.push(&event).expect("room");
                        (text(&marker_packet("/", number)), event.packet.frame.to_vec())
                    }
                    Sent::Text(packet) => (text(packet), text(packet)),
                    Sent::Binary(len) => {
                        let frame = server_frame(0x2, &vec![0x81; *len]);
                        (frame.clone(), frame)
                    }
                };
                stream.extend(engine);
                expected.extend(wire);
            }
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, tail) = rest.split_at(rest.len().min(*cut));
                client.write(&mut outgoing, part, exchange);
                rest = tail;
            }
            let at_boundary = matches!(outgoing.state, State::Header { len: 0, .. });
            prop_assert!(at_boundary);
            prop_assert!(!shared.any());
            prop_assert_eq!(client.out.len(), expected.len());
            prop_assert!(client.out == expected);
        }
    }
}
