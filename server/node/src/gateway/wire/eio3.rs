//! Mends EIO=3 polling payloads: the engine writes the attachments of an event as `b<base64>`, as in EIO=4;
//! revision 3 has the packet type in between, `b4<base64>` (protocol document v3, "Packet"). Exchanges packets, too.

use bytes::Bytes;

use super::{exchange::Exchange, query::Eio};

/// The payload with mended attachments and exchanged packets, or as it is. `binary`: its encoding (protocol document
/// v3, "Payload").
pub(crate) fn mend(payload: Bytes, binary: bool, exchange: Exchange<'_>) -> Bytes {
    let mended = if binary { mend_binary(&payload, exchange) } else { mend_text(&payload, exchange) };
    mended.map_or(payload, Bytes::from)
}

/// `<length>:<packet>…`, lengths in UTF-16 code units.
fn mend_text(payload: &[u8], exchange: Exchange<'_>) -> Option<Vec<u8>> {
    let mut rest = std::str::from_utf8(payload).ok()?;
    if !rest.contains(":b") && !exchange.any() {
        return None;
    }
    let mut mended = Vec::with_capacity(payload.len() + 8);
    while !rest.is_empty() {
        let (len, after) = rest.split_once(':')?;
        let units: usize = len.parse().ok()?;
        let end = end_of(after, units)?;
        let (packet, tail) = after.split_at(end);
        let other = exchange.take(packet.as_bytes());
        match (&other, untyped_attachment(packet)) {
            (Some(other), _) => mended.extend(Eio::V3.payload(other.text()).as_bytes()),
            (None, Some(base64)) => mended.extend(format!("{}:b4{base64}", units + 1).as_bytes()),
            (None, None) => mended.extend(format!("{units}:{packet}").as_bytes()),
        }
        rest = tail;
    }
    Some(mended)
}

/// `<0 or 1><digits of the length in bytes><255><packet>…`.
fn mend_binary(payload: &[u8], exchange: Exchange<'_>) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(payload.len() + 8);
    let mut rest = payload;
    while let [kind, after @ ..] = rest {
        let digits = after.iter().position(|byte| *byte == 0xff)?;
        let mut len = 0usize;
        for digit in &after[..digits] {
            len = len.checked_mul(10)?.checked_add(usize::from(*digit))?;
        }
        let packet = after.get(digits + 1..)?.get(..len)?;
        let attachment = std::str::from_utf8(packet).ok().filter(|_| *kind == 0).and_then(untyped_attachment);
        let other = exchange.take(packet).filter(|_| *kind == 0);
        match (other, attachment) {
            (Some(other), _) => push_binary(&mut mended, 0, other.text().as_bytes()),
            (None, Some(base64)) => push_binary(&mut mended, 0, &[b"b4", base64.as_bytes()].concat()),
            (None, None) => push_binary(&mut mended, *kind, packet),
        }
        rest = &after[digits + 1 + len..];
    }
    Some(mended)
}

fn push_binary(payload: &mut Vec<u8>, kind: u8, packet: &[u8]) {
    payload.push(kind);
    payload.extend(packet.len().to_string().bytes().map(|digit| digit - b'0'));
    payload.push(0xff);
    payload.extend(packet);
}

/// The base64 of an attachment that lacks its type. Padded base64 comes in fours: the length tells.
fn untyped_attachment(packet: &str) -> Option<&str> {
    packet.strip_prefix('b').filter(|base64| base64.len() % 4 == 0)
}

/// Where the first `units` UTF-16 code units of `text` end.
pub(crate) fn end_of(text: &str, units: usize) -> Option<usize> {
    let mut seen = 0;
    for (at, char) in text.char_indices() {
        if seen >= units {
            return Some(at);
        }
        seen += char.len_utf16();
    }
    (seen == units).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::{
        super::{
            connect_answer::ConnectAnswers,
            shared::{SharedEvent, SharedQueue, marker_packet},
        },
        *,
    };

    #[derive(Debug, Clone)]
    enum Packet {
        Text(String),
        Shared(String),
        Attachment(Vec<u8>),
        Typed(Vec<u8>),
    }

    impl Packet {
        /// As it is before or after mending. Before it, shared events are queued.
        fn written(&self, mended: bool, shared: &SharedQueue) -> String {
            match self {
                Self::Text(text) => format!("4{text}"),
                Self::Shared(text) => {
                    let arg = serde_json::value::to_raw_value(text).expect("JSON");
                    let event = SharedEvent::new("/", "all", vec![arg.into()]);
                    if mended {
                        return event.packet.text().to_owned();
                    }
                    marker_packet("/", shared.push(&Arc::new(event)).expect("room"))
                }
                Self::Attachment(bytes) if !mended => format!("b{}", STANDARD.encode(bytes)),
                Self::Attachment(bytes) | Self::Typed(bytes) => format!("b4{}", STANDARD.encode(bytes)),
            }
        }
    }

    fn packet() -> impl Strategy<Value = Packet> {
        prop_oneof![
            ".{0,20}".prop_map(Packet::Text),
            ".{0,40}".prop_map(Packet::Shared),
            proptest::collection::vec(any::<u8>(), 0..30).prop_map(Packet::Attachment),
            proptest::collection::vec(any::<u8>(), 0..30).prop_map(Packet::Typed),
        ]
    }

    fn text(packets: &[Packet], mended: bool, shared: &SharedQueue) -> Bytes {
        let one = |packet: &Packet| {
            let packet = packet.written(mended, shared);
            format!("{}:{packet}", packet.encode_utf16().count())
        };
        packets.iter().map(one).collect::<String>().into()
    }

    fn binary(packets: &[Packet], mended: bool, shared: &SharedQueue) -> Bytes {
        let mut payload = Vec::new();
        for packet in packets {
            match packet {
                Packet::Typed(bytes) => push_binary(&mut payload, 1, &[&[4], &bytes[..]].concat()),
                packet => push_binary(&mut payload, 0, packet.written(mended, shared).as_bytes()),
            }
        }
        payload.into()
    }

    proptest! {
        #[test]
        fn attachments_get_their_type_and_markers_are_exchanged(packets in proptest::collection::vec(packet(), 0..6)) {
            let (answers, shared) = (ConnectAnswers::default(), SharedQueue::default());
            let exchange = Exchange { answers: &answers, shared: &shared };
            let engine = text(&packets, false, &shared);
            prop_assert_eq!(mend(engine, false, exchange), text(&packets, true, &shared));
            let engine = binary(&packets, false, &shared);
            prop_assert_eq!(mend(engine, true, exchange), binary(&packets, true, &shared));
            prop_assert!(!shared.any());
        }

        #[test]
        fn what_is_no_payload_is_left_alone(bytes in proptest::collection::vec(any::<u8>(), 0..60), binary: bool) {
            let (answers, shared) = (ConnectAnswers::default(), SharedQueue::default());
            shared.push(&Arc::new(SharedEvent::new("/", "all", vec![]))).expect("room");
            let exchange = Exchange { answers: &answers, shared: &shared };
            mend(bytes.into(), binary, exchange); // must not panic
        }
    }
}
