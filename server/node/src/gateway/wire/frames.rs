//! The little of RFC 6455 this layer needs itself: reading a client's probe, and finding CONNECT answers
//! among outgoing frames. Everything else is `tungstenite`'s, behind the engine.

use super::connect_answer::ConnectAnswers;

pub(crate) const FIN: u8 = 0x80;
pub(crate) const MASKED: u8 = 0x80;
pub(crate) const OPCODE: u8 = 0x0f;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// Longest frame a client may send before its upgrade is complete (`2probe`, `5`, control frames).
const SHORT_MAX: usize = 125;
/// Longest outgoing text frame looked at; a CONNECT answer with a long `pid` is well below.
const CANDIDATE_MAX: u64 = 4096;

/// A frame without its wrapping.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// A client frame this layer does not accept while a connection is being set up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unacceptable;

/// Takes one whole short client frame off the front of `buffer`; `None` while it is incomplete.
pub(crate) fn take_client_frame(buffer: &mut Vec<u8>) -> Result<Option<Frame>, Unacceptable> {
    let [first, second, ..] = buffer[..] else { return Ok(None) };
    let len = usize::from(second & !MASKED);
    if first & !OPCODE != FIN || second & MASKED == 0 || len > SHORT_MAX {
        return Err(Unacceptable);
    }
    let end = 6 + len;
    if buffer.len() < end {
        return Ok(None);
    }
    let mask = [buffer[2], buffer[3], buffer[4], buffer[5]];
    let payload = buffer[6..end].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    buffer.drain(..end);
    Ok(Some(Frame { opcode: first & OPCODE, payload }))
}

/// A client's text frame as it would arrive, for packets the gate sends to the engine in a client's place.
pub(crate) fn client_text(packet: &str) -> Vec<u8> {
    let mut frame = vec![FIN | TEXT];
    push_len(&mut frame, packet.len(), MASKED);
    frame.extend([0; 4]); // masked with zeroes: the payload stays as it is
    frame.extend(packet.as_bytes());
    frame
}

/// A frame from the server.
pub(crate) fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    push_len(&mut frame, payload.len(), 0);
    frame.extend(payload);
    frame
}

pub(crate) fn push_len(frame: &mut Vec<u8>, len: usize, mask_bit: u8) {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short), _) if short <= 125 => frame.push(mask_bit | short),
        (_, Ok(medium)) => {
            frame.push(mask_bit | 126);
            frame.extend(medium.to_be_bytes());
        }
        _ => {
            frame.push(mask_bit | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
}

/// Follows the frames of an outgoing byte stream, however it is cut, and completes CONNECT answers in it.
#[derive(Debug, Default)]
pub(crate) struct OutgoingFrames {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Collecting a header. `held`: its bytes have not been passed on, the frame may be replaced.
    Header { bytes: [u8; 10], len: usize, held: bool },
    /// Passing a payload on.
    Payload { remaining: u64 },
    /// Holding back a short text frame until it is whole.
    Candidate { header_len: usize, frame: Vec<u8>, remaining: u64 },
}

impl Default for State {
    fn default() -> Self {
        Self::Header { bytes: [0; 10], len: 0, held: false }
    }
}

impl OutgoingFrames {
    /// Whether bytes have been taken in that are not out yet.
    pub(crate) fn holds_bytes(&self) -> bool {
        match &self.state {
            State::Header { len, held, .. } => *held && *len > 0,
            State::Payload { .. } => false,
            State::Candidate { .. } => true,
        }
    }

    /// Follows bytes that are passed on as they are. Only while nothing is held.
    pub(crate) fn passed(&mut self, bytes: &[u8]) {
        self.advance(bytes, None, &mut Vec::new());
    }

    /// Takes all of `bytes` and appends to `out` what may go out now, with answers completed.
    pub(crate) fn take(&mut self, bytes: &[u8], answers: &ConnectAnswers, out: &mut Vec<u8>) {
        self.advance(bytes, Some(answers), out);
    }

    fn advance(&mut self, mut bytes: &[u8], answers: Option<&ConnectAnswers>, out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Header { bytes: header, len, held } => {
                    if *len == 0 {
                        *held = answers.is_some_and(ConnectAnswers::any);
                    }
                    header[*len] = bytes[0];
                    *len += 1;
                    if !*held && answers.is_some() {
                        out.push(bytes[0]);
                    }
                    bytes = &bytes[1..];
                    if *len == header_len(header[1], *len) {
                        self.state = after_header(&header[..*len], *held, out);
                    }
                }
                State::Payload { remaining } => {
                    let part = &bytes[..bytes.len().min(usize::try_from(*remaining).unwrap_or(usize::MAX))];
                    if answers.is_some() {
                        out.extend(part);
                    }
                    *remaining -= part.len() as u64;
                    bytes = &bytes[part.len()..];
                }
                State::Candidate { frame, remaining, .. } => {
                    let part = &bytes[..bytes.len().min(usize::try_from(*remaining).unwrap_or(usize::MAX))];
                    frame.extend(part);
                    *remaining -= part.len() as u64;
                    bytes = &bytes[part.len()..];
                }
            }
            self.finish_frame(answers, out);
        }
    }

    /// Goes on to the next header when the current frame is complete.
    fn finish_frame(&mut self, answers: Option<&ConnectAnswers>, out: &mut Vec<u8>) {
        match &self.state {
            State::Payload { remaining: 0 } => self.state = State::default(),
            State::Candidate { header_len, frame, remaining: 0 } => {
                let completed = std::str::from_utf8(&frame[*header_len..])
                    .ok()
                    .and_then(|packet| answers.and_then(|answers| answers.complete(packet)));
                match completed {
                    Some(packet) => out.extend(server_frame(TEXT, packet.as_bytes())),
                    None => out.extend(frame),
                }
                self.state = State::default();
            }
            _ => {}
        }
    }
}

/// Length of a header whose second byte is known, once at least two bytes of it are there.
fn header_len(second: u8, have: usize) -> usize {
    match second & !MASKED {
        _ if have < 2 => 2,
        126 => 4,
        127 => 10,
        _ => 2,
    }
}

fn after_header(header: &[u8], held: bool, out: &mut Vec<u8>) -> State {
    let remaining = match header[1] & !MASKED {
        126 => u64::from(u16::from_be_bytes([header[2], header[3]])),
        127 => header[2..10].iter().fold(0, |len, byte| (len << 8) | u64::from(*byte)),
        short => u64::from(short),
    };
    if held && header[0] == FIN | TEXT && remaining <= CANDIDATE_MAX {
        return State::Candidate { header_len: header.len(), frame: header.to_vec(), remaining };
    }
    if held {
        out.extend(header);
    }
    State::Payload { remaining }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::connect_answer::ConnectAnswer, *};

    #[test]
    fn client_frames_are_taken_whole() {
        let mut buffer = client_text("2probe");
        buffer.extend(client_text("5"));
        let tail = buffer.split_off(buffer.len() - 1);
        assert_eq!(
            take_client_frame(&mut buffer),
            Ok(Some(Frame { opcode: TEXT, payload: b"2probe".to_vec() }))
        );
        assert_eq!(take_client_frame(&mut buffer), Ok(None));
        buffer.extend(tail);
        assert_eq!(take_client_frame(&mut buffer), Ok(Some(Frame { opcode: TEXT, payload: b"5".to_vec() })));
        assert!(buffer.is_empty());
    }

    #[test]
    fn unmasked_fragmented_and_long_frames_are_not_accepted() {
        for mut bytes in
            [server_frame(TEXT, b"5"), vec![TEXT, MASKED, 0, 0, 0, 0], client_text(&"x".repeat(126))]
        {
            assert_eq!(take_client_frame(&mut bytes), Err(Unacceptable));
        }
    }

    #[derive(Debug, Clone)]
    enum Sent {
        Answer,
        Text(String),
        Binary(usize),
    }

    fn sent() -> impl Strategy<Value = Sent> {
        prop_oneof![
            Just(Sent::Answer),
            "[ -~]{0,200}".prop_map(|text| Sent::Text(format!("42{text}"))),
            prop_oneof![0usize..300, 65_000usize..70_000].prop_map(Sent::Binary),
        ]
    }

    fn encode(frames: &[Sent], answer: &str) -> Vec<u8> {
        let frame = |one: &Sent| match one {
            Sent::Answer => server_frame(TEXT, answer.as_bytes()),
            Sent::Text(text) => server_frame(TEXT, text.as_bytes()),
            Sent::Binary(len) => server_frame(0x2, &vec![0x81; *len]),
        };
        frames.iter().flat_map(frame).collect()
    }

    fn first_answer_completed(frames: &[Sent]) -> Vec<u8> {
        let at = frames.iter().position(|one| matches!(one, Sent::Answer)).unwrap_or(frames.len());
        let mut bytes = encode(&frames[..at], "");
        if at < frames.len() {
            bytes.extend(server_frame(TEXT, b"40{\"sid\":\"mine\",\"pid\":\"p\"}"));
            bytes.extend(encode(&frames[at + 1..], "40{\"sid\":\"engine\"}"));
        }
        bytes
    }

    proptest! {
        #[test]
        fn the_answer_is_completed_however_the_stream_is_cut(
            before in proptest::collection::vec(sent(), 0..3),
            frames in proptest::collection::vec(sent(), 0..6),
            cuts in proptest::collection::vec(1usize..400, 1..40),
        ) {
            let answers = ConnectAnswers::default();
            let mut outgoing = OutgoingFrames::default();
            outgoing.passed(&encode(&before, "40{\"sid\":\"engine\"}"));
            prop_assert!(!outgoing.holds_bytes());
            answers.expect("/", ConnectAnswer { sid: "mine".into(), pid: Some("p".into()) });

            let stream = encode(&frames, "40{\"sid\":\"engine\"}");
            let mut out = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, tail) = rest.split_at(rest.len().min(*cut));
                outgoing.take(part, &answers, &mut out);
                rest = tail;
            }
            prop_assert!(!outgoing.holds_bytes());
            prop_assert_eq!(out, first_answer_completed(&frames));
        }

        #[test]
        fn any_client_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            while let Ok(Some(_)) = take_client_frame(&mut bytes) {}
        }
    }
}
