//! Follows a client's WebSocket frames on their way to the engine: where a message ends (only there may the stream
//! pause, or say something in the client's place), and which heads have to be [mended](super::head).

use super::{
    frames::{FIN, MASKED, OPCODE, TEXT, push_len},
    head::{self, Head},
    query::Eio,
};

/// First bytes, fixed part of the length and the mask.
const HEADER_LEN_MAX: usize = 14;
const CONTROL: u8 = 0x8;

/// See the module. Bytes count as passed when the engine has been given them, or is certain to be.
#[derive(Debug)]
pub(crate) struct IncomingFrames {
    eio: Eio,
    /// Bytes left of the current frame.
    remaining: u64,
    /// Whether the last data frame was not the last of its message.
    fragmented: bool,
}

impl IncomingFrames {
    pub(crate) fn new(eio: Eio) -> Self {
        Self { eio, remaining: 0, fragmented: false }
    }

    /// Whether what has passed ends with a whole message.
    pub(crate) fn at_boundary(&self) -> bool {
        self.remaining == 0 && !self.fragmented
    }

    /// How much to read next so as not to read far beyond the current message.
    pub(crate) fn wanted(&self) -> usize {
        usize::try_from(self.remaining).unwrap_or(usize::MAX).max(HEADER_LEN_MAX)
    }

    /// How many of `bytes`, which follow what has passed, pass as they are. The others begin with a frame whose
    /// head is to be mended or not yet complete: keep them for [`take`](Self::take).
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        loop {
            passed += self.pass_payload(&bytes[passed..]);
            let rest = &bytes[passed..];
            if rest.is_empty() {
                return passed;
            }
            let Some(header) = Header::read(rest) else { return passed };
            match header.head(&rest[header.len..], self.eio) {
                Head::Plain => {
                    self.enter(&header);
                    passed += header.len;
                }
                Head::Unknown | Head::Mended { .. } => return passed,
            }
        }
    }

    /// Moves what may pass from `held` to `out`, mended.
    pub(crate) fn take(&mut self, held: &mut Vec<u8>, out: &mut Vec<u8>) {
        loop {
            let passed = self.pass(held);
            out.extend(held.drain(..passed));
            let Some(mut header) = Header::read(held) else { return };
            let Head::Mended { len, instead } = header.head(&held[header.len..], self.eio) else { return };
            let (old_len, shrunk) = (header.len, len - instead.len());
            header.shrink(shrunk);
            header.write(held[0], out);
            out.extend(instead.iter().zip(header.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            self.enter(&header);
            self.remaining -= instead.len() as u64;
            header.rotate(instead.len());
            held.drain(..old_len + len);
        }
    }

    fn pass_payload(&mut self, bytes: &[u8]) -> usize {
        let part = bytes.len().min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        self.remaining -= part as u64;
        part
    }

    fn enter(&mut self, header: &Header) {
        self.remaining = header.payload_len;
        if header.opcode & CONTROL == 0 {
            self.fragmented = !header.is_final;
        }
    }
}

/// A frame's header, complete.
struct Header {
    is_final: bool,
    opcode: u8,
    payload_len: u64,
    masked: bool,
    mask: [u8; 4],
    /// Its own length.
    len: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, ..] = *bytes else { return None };
        let (len_len, masked) = match second & !MASKED {
            126 => (2, second & MASKED != 0),
            127 => (8, second & MASKED != 0),
            _ => (0, second & MASKED != 0),
        };
        let len_bytes = bytes.get(2..2 + len_len)?;
        let payload_len = match len_len {
            0 => u64::from(second & !MASKED),
            _ => len_bytes.iter().fold(0, |len, byte| (len << 8) | u64::from(*byte)),
        };
        let mut mask = [0; 4];
        let mut len = 2 + len_len;
        if masked {
            mask.copy_from_slice(bytes.get(len..len + 4)?);
            len += 4;
        }
        Some(Self { is_final: first & FIN != 0, opcode: first & OPCODE, payload_len, masked, mask, len })
    }

    /// What the beginning of the payload asks for.
    fn head(&self, payload: &[u8], eio: Eio) -> Head {
        if self.opcode != TEXT {
            return Head::Plain;
        }
        let whole = usize::try_from(self.payload_len).unwrap_or(usize::MAX);
        let len = payload.len().min(whole).min(head::LEN_MAX);
        let unmasked: Vec<u8> =
            payload[..len].iter().zip(self.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        head::look_at(&unmasked, len == whole, eio)
    }

    /// Takes `by` bytes off the payload's front, in the mask's rhythm: what follows stays as it is.
    fn shrink(&mut self, by: usize) {
        self.payload_len -= by as u64;
        self.rotate(by);
    }

    fn rotate(&mut self, by: usize) {
        self.mask.rotate_left(by % 4);
    }

    fn write(&self, first: u8, out: &mut Vec<u8>) {
        out.push(first);
        // Never longer than the original, which came from a 64-bit length that fitted the memory it is in.
        let len = usize::try_from(self.payload_len).unwrap_or(usize::MAX);
        push_len(out, len, if self.masked { MASKED } else { 0 });
        if self.masked {
            out.extend(self.mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame, FrameHeader,
        coding::{Data, OpCode},
    };

    use super::*;

    fn frame(text: &str, mask: [u8; 4], is_final: bool) -> Vec<u8> {
        let mut frame = Frame::message(text.to_owned(), OpCode::Data(Data::Text), is_final);
        let header: &mut FrameHeader = frame.header_mut();
        header.mask = Some(mask);
        let mut bytes = Vec::new();
        frame.format(&mut bytes).expect("a frame");
        bytes
    }

    /// Unmasked payloads of a whole stream of frames.
    fn texts(mut bytes: &[u8]) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(header) = Header::read(bytes) {
            let end = header.len + usize::try_from(header.payload_len).expect("a length");
            let text =
                bytes[header.len..end].iter().zip(header.mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
            texts.push(String::from_utf8(text).expect("UTF-8"));
            bytes = &bytes[end..];
        }
        assert!(bytes.is_empty());
        texts
    }

    fn sent() -> impl Strategy<Value = (String, String)> {
        prop_oneof![
            Just((r#"42["mess\u0061ge",1]"#.to_owned(), r#"42["message",1]"#.to_owned())),
            "[a-z]{0,600}".prop_map(|text| (
                format!(r#"42/custom,12["\u00e9t\u00e9","{text}"]"#),
                format!(r#"42/custom,12["été","{text}"]"#)
            )),
            ("[a-z]{0,70000}")
                .prop_map(|text| (format!(r#"42["m","{text}\n"]"#), format!(r#"42["m","{text}\n"]"#))),
            Just(("3".to_owned(), "3".to_owned())),
            "[ -~]{0,600}"
                .prop_filter("not to be mended", |text| !text.contains('\\'))
                .prop_map(|t| (t.clone(), t)),
        ]
    }

    proptest! {
        #[test]
        fn heads_are_mended_however_the_stream_is_cut(
            frames in proptest::collection::vec((sent(), any::<[u8; 4]>()), 0..6),
            cuts in proptest::collection::vec(1usize..500, 1..40),
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|((text, _), mask)| frame(text, *mask, true)).collect();
            let mut incoming = IncomingFrames::new(Eio::V4);
            let (mut held, mut out) = (Vec::new(), Vec::new());
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, tail) = rest.split_at(rest.len().min(*cut));
                if held.is_empty() {
                    let passed = incoming.pass(part);
                    out.extend(&part[..passed]);
                    held.extend(&part[passed..]);
                } else {
                    held.extend(part);
                }
                incoming.take(&mut held, &mut out);
                rest = tail;
            }
            prop_assert!(held.is_empty());
            prop_assert!(incoming.at_boundary());
            let expected: Vec<String> = frames.iter().map(|((_, mended), _)| mended.clone()).collect();
            prop_assert_eq!(texts(&out), expected);
        }

        #[test]
        fn any_bytes_pass_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut incoming = IncomingFrames::new(Eio::V3);
            let (mut held, mut out) = (bytes, Vec::new());
            incoming.take(&mut held, &mut out);
        }
    }

    #[test]
    fn a_fragmented_message_has_no_boundary_inside() {
        let mut incoming = IncomingFrames::new(Eio::V4);
        let first = frame("42[\"m\"", [1, 2, 3, 4], false);
        assert_eq!(incoming.pass(&first), first.len());
        assert!(!incoming.at_boundary());
        let ping = [0x89, 0x80, 1, 2, 3, 4];
        assert_eq!(incoming.pass(&ping), ping.len());
        assert!(!incoming.at_boundary());
        let last = [0x80, 0x81, 0, 0, 0, 0, b']'];
        assert_eq!(incoming.pass(&last), last.len());
        assert!(incoming.at_boundary());
    }
}
