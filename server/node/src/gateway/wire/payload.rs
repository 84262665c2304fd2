//! The packets of a POST body (Engine.IO protocol documents v3 and v4, "Payload"), taken apart so that no more of
//! them reach the engine than there is room for, and mended on the way.

use bytes::{Bytes, BytesMut};

use super::{
    eio3,
    head::{self, Head},
    query::Eio,
};

const V4_SEPARATOR: u8 = 0x1e;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    V4,
    V3Text,
    V3Binary,
}

impl Encoding {
    fn eio(self) -> Eio {
        match self {
            Self::V4 => Eio::V4,
            Self::V3Text | Self::V3Binary => Eio::V3,
        }
    }
}

/// One packet without its wrapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// In a V3 binary payload: bytes instead of text.
    binary: bool,
    data: Bytes,
}

impl Packet {
    /// Whether the client says that it leaves; what follows is not read.
    pub(crate) fn is_close(&self) -> bool {
        !self.binary && self.data == b"1"[..]
    }
}

/// Takes a body apart and mends its packets. `None`: it is no payload, for the engine to refuse.
pub(crate) fn split(body: &Bytes, encoding: Encoding) -> Option<Vec<Packet>> {
    let mut packets = match encoding {
        Encoding::V4 => split_v4(body),
        Encoding::V3Text => split_v3_text(body)?,
        Encoding::V3Binary => split_v3_binary(body)?,
    };
    for packet in packets.iter_mut().filter(|packet| !packet.binary) {
        if let Some(mended) = mend(&packet.data, encoding.eio()) {
            packet.data = mended;
        }
    }
    Some(packets)
}

/// Puts packets together again.
pub(crate) fn join(packets: &[Packet], encoding: Encoding) -> Bytes {
    let mut body = BytesMut::with_capacity(packets.iter().map(|packet| packet.data.len() + 12).sum());
    for (at, Packet { binary, data }) in packets.iter().enumerate() {
        match encoding {
            Encoding::V4 if at > 0 => body.extend([V4_SEPARATOR]),
            Encoding::V4 => {}
            Encoding::V3Text => {
                let text = String::from_utf8_lossy(data); // was UTF-8 when it was taken apart
                body.extend(format!("{}:", text.encode_utf16().count()).into_bytes());
            }
            Encoding::V3Binary => {
                body.extend([u8::from(*binary)]);
                body.extend(data.len().to_string().bytes().map(|digit| digit - b'0'));
                body.extend([0xff]);
            }
        }
        body.extend_from_slice(data);
    }
    body.freeze()
}

fn split_v4(body: &Bytes) -> Vec<Packet> {
    let mut rest = body.clone();
    let mut packets = Vec::new();
    while let Some(at) = rest.iter().position(|byte| *byte == V4_SEPARATOR) {
        packets.push(Packet { binary: false, data: rest.split_to(at) });
        let _separator = rest.split_to(1);
    }
    packets.push(Packet { binary: false, data: rest });
    packets
}

fn split_v3_text(body: &Bytes) -> Option<Vec<Packet>> {
    let text = std::str::from_utf8(body).ok()?;
    let (mut rest, mut packets) = (text, Vec::new());
    while !rest.is_empty() {
        let (len, after) = rest.split_once(':')?;
        let end = eio3::end_of(after, len.parse().ok()?)?;
        packets.push(Packet { binary: false, data: body.slice_ref(&after.as_bytes()[..end]) });
        rest = &after[end..];
    }
    Some(packets)
}

fn split_v3_binary(body: &Bytes) -> Option<Vec<Packet>> {
    let (mut rest, mut packets) = (&body[..], Vec::new());
    while let [kind, after @ ..] = rest {
        let digits = after.iter().position(|byte| *byte == 0xff)?;
        let mut len = 0usize;
        for digit in &after[..digits] {
            len = len.checked_mul(10)?.checked_add(usize::from(*digit))?;
        }
        let data = after.get(digits + 1..)?.get(..len)?;
        if *kind > 1 || (*kind == 0 && std::str::from_utf8(data).is_err()) {
            return None;
        }
        packets.push(Packet { binary: *kind == 1, data: body.slice_ref(data) });
        rest = &after[digits + 1 + len..];
    }
    Some(packets)
}

fn mend(packet: &Bytes, eio: Eio) -> Option<Bytes> {
    let prefix_len = match (&packet[..], eio) {
        ([b'b', b'4', ..], Eio::V3) => 2,
        ([b'b', ..], _) => 1,
        _ => return mend_head(packet, eio),
    };
    let (prefix, base64) = packet.split_at(prefix_len);
    Some([prefix, &plain_base64(base64)?].concat().into())
}

fn mend_head(packet: &Bytes, eio: Eio) -> Option<Bytes> {
    let seen = &packet[..packet.len().min(head::LEN_MAX)];
    match head::look_at(seen, seen.len() == packet.len(), eio) {
        Head::Mended { len, instead } => Some([&instead, &packet[len..]].concat().into()),
        Head::Plain | Head::Unknown => None,
    }
}

/// Base64 as the Node server takes it (in lines, of either alphabet, without padding), written as the engine does.
fn plain_base64(base64: &[u8]) -> Option<Vec<u8>> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if base64.len().is_multiple_of(4) && base64.iter().all(is_plain) {
        return None;
    }
    let mut plain: Vec<u8> = base64
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace() && **byte != b'=')
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        })
        .collect();
    plain.resize(plain.len().next_multiple_of(4), b'=');
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(body: &str, encoding: Encoding) -> String {
        let packets = split(&Bytes::copy_from_slice(body.as_bytes()), encoding).expect("a payload");
        String::from_utf8(join(&packets, encoding).to_vec()).expect("UTF-8")
    }

    #[test]
    fn base64_in_lines_is_put_together() {
        assert_eq!(again("bAQID\nBA==\n\x1e42[\"a\\n\"]", Encoding::V4), "bAQIDBA==\x1e42[\"a\\n\"]");
        assert_eq!(again("b-_8\r\n", Encoding::V4), "b+/8=");
        assert_eq!(again("11:b4AQID\nBA==2:4é", Encoding::V3Text), "10:b4AQIDBA==2:4é");
    }

    #[test]
    fn names_and_namespaces_are_mended() {
        assert_eq!(again(r#"42["\u0061"]"#, Encoding::V4), r#"42["a"]"#);
        assert_eq!(again("8:40/a?b=c", Encoding::V3Text), "4:40/a");
    }

    #[test]
    fn what_is_no_payload_is_told_apart() {
        for (body, encoding) in
            [("9:a", Encoding::V3Text), ("x", Encoding::V3Text), ("\x02\x01", Encoding::V3Binary)]
        {
            assert_eq!(split(&Bytes::copy_from_slice(body.as_bytes()), encoding), None, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn other_packets_are_what_they_were(
            texts in proptest::collection::vec("4[^42b?\\\\\x1e]{0,20}", 1..6),
            bytes in proptest::collection::vec(any::<u8>(), 0..30),
        ) {
            for encoding in [Encoding::V4, Encoding::V3Text, Encoding::V3Binary] {
                let mut packets: Vec<Packet> = texts
                    .iter()
                    .map(|text| Packet { binary: false, data: Bytes::copy_from_slice(text.as_bytes()) })
                    .collect();
                if encoding == Encoding::V3Binary {
                    packets.push(Packet { binary: true, data: bytes.clone().into() });
                }
                let body = join(&packets, encoding);
                prop_assert_eq!(split(&body, encoding), Some(packets));
            }
        }

        #[test]
        fn any_body_is_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            for encoding in [Encoding::V4, Encoding::V3Text, Encoding::V3Binary] {
                if let Some(packets) = split(&body.clone().into(), encoding) {
                    join(&packets, encoding);
                }
            }
        }
    }
}
