//! The little of RFC 6455 this layer needs itself: reading a client's probe, and finding frames among outgoing
//! bytes. Everything else is `tungstenite`'s, behind the engine.

pub(crate) const FIN: u8 = 0x80;
pub(crate) const MASKED: u8 = 0x80;
pub(crate) const OPCODE: u8 = 0x0f;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// Longest frame a client may send before its upgrade is complete (`2probe`, `5`, control frames).
const SHORT_MAX: usize = 125;

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

/// Lengths of a server frame's header and payload, in bytes; `None` while its header is incomplete.
pub(crate) fn header(frame: &[u8]) -> Option<(usize, u64)> {
    match (frame.get(1)? & !MASKED, frame) {
        (126, [_, _, high, low, ..]) => Some((4, u64::from(u16::from_be_bytes([*high, *low])))),
        (127, _) => Some((10, frame.get(2..10)?.iter().fold(0, |len, byte| (len << 8) | u64::from(*byte)))),
        (126, _) => None,
        (short, _) => Some((2, u64::from(short))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        #[test]
        fn headers_tell_how_long_a_frame_is(len in prop_oneof![0usize..300, 65_000usize..70_000]) {
            let frame = server_frame(TEXT, &vec![b'x'; len]);
            let head_len = frame.len() - len;
            prop_assert_eq!(header(&frame), Some((head_len, len as u64)));
            for cut in 0..head_len {
                prop_assert_eq!(header(&frame[..cut]), None);
            }
        }

        #[test]
        fn any_client_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            while let Ok(Some(_)) = take_client_frame(&mut bytes) {}
        }
    }
}
