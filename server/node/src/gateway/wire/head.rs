//! Mends the beginning of packets that `socketioxide` reads more narrowly than the Node server: event names written
//! with JSON escapes (python-socketio writes every non-ASCII name so), and the query that EIO=3 clients append to a
//! namespace.

use super::{lenient, query::Eio};

/// A longer head is not looked at.
pub(crate) const LEN_MAX: usize = 512;

/// What the beginning of an Engine.IO packet asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Nothing.
    Plain,
    /// It has to be seen further.
    Unknown,
    /// The first `len` bytes are to be replaced, by no more than that.
    Mended { len: usize, instead: Vec<u8> },
}

/// Looks at the first bytes of a packet, up to [`LEN_MAX`]; `whole`: they are all of it.
pub(crate) fn look_at(packet: &[u8], whole: bool, eio: Eio) -> Head {
    let more = if whole || packet.len() >= LEN_MAX { Head::Plain } else { Head::Unknown };
    match packet {
        [b'4', b'2' | b'5', rest @ ..] => event_name(packet, rest, more),
        [b'4', b'0', rest @ ..] if eio == Eio::V3 => namespace_query(packet, rest, more),
        [] | [b'4'] => more,
        _ => Head::Plain,
    }
}

/// `42/namespace,12["name"`; `rest` follows the `42`.
fn event_name(packet: &[u8], rest: &[u8], more: Head) -> Head {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = packet.len() - rest.len();
    if packet[1] == b'5' {
        at += digits(&packet[at..]);
        match packet.get(at) {
            Some(b'-') => at += 1,
            Some(_) => return Head::Plain,
            None => return more,
        }
    }
    if packet.get(at) == Some(&b'/') {
        match packet[at..].iter().position(|byte| *byte == b',') {
            Some(comma) => at += comma + 1,
            None => return more,
        }
    }
    at += digits(&packet[at..]);
    for expected in [b'[', b'"'] {
        match packet.get(at) {
            Some(byte) if *byte == expected => at += 1,
            Some(_) => return Head::Plain,
            None => return more,
        }
    }
    let mut end = at;
    let mut escaped = false;
    loop {
        match packet.get(end) {
            Some(b'"') => break,
            Some(b'\\') => {
                escaped = true;
                end += 2;
            }
            Some(_) => end += 1,
            None => return more,
        }
    }
    if !escaped {
        return Head::Plain;
    }
    match unescape(&packet[at - 1..=end]) {
        Some(name) => Head::Mended { len: end, instead: [&packet[..at], name.as_bytes()].concat() },
        None => Head::Plain, // refused by `socketioxide`
    }
}

/// A JSON string's content, if it can be written without escapes in no more bytes.
fn unescape(quoted: &[u8]) -> Option<String> {
    let name = lenient::parse_string(std::str::from_utf8(quoted).ok()?)?;
    let writable = !name.chars().any(|char| matches!(char, '"' | '\\') || char < ' ');
    (writable && name.len() + 2 <= quoted.len()).then_some(name)
}

/// `40/namespace?query,`; `rest` follows the `40`.
fn namespace_query(packet: &[u8], rest: &[u8], more: Head) -> Head {
    match rest {
        [] => return more,
        [b'/', ..] => {}
        _ => return Head::Plain,
    }
    let start = packet.len() - rest.len();
    let Some(mark) = packet.iter().position(|byte| matches!(byte, b'?' | b',')) else { return more };
    if packet[mark] == b',' {
        return Head::Plain;
    }
    match packet[start..].iter().position(|byte| *byte == b',') {
        Some(comma) => Head::Mended { len: start + comma, instead: packet[..mark].to_vec() },
        None if more == Head::Plain => Head::Mended { len: packet.len(), instead: packet[..mark].to_vec() },
        None => more,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mended(packet: &str, eio: Eio) -> Option<String> {
        match look_at(packet.as_bytes(), true, eio) {
            Head::Plain => None,
            Head::Unknown => panic!("all of it was there"),
            Head::Mended { len, instead } => {
                Some(String::from_utf8(instead).expect("UTF-8") + &packet[len..])
            }
        }
    }

    #[test]
    fn names_lose_their_escapes() {
        assert_eq!(
            mended(r#"42["mess\u0061ge","\u0061"]"#, Eio::V4).as_deref(),
            Some(r#"42["message","\u0061"]"#)
        );
        assert_eq!(
            mended(r#"451-/ns,7["\u00e9\ud83d\ude00\/",1]"#, Eio::V3).as_deref(),
            Some(r#"451-/ns,7["é😀/",1]"#)
        );
        assert_eq!(mended(r#"42["\ud83d"]"#, Eio::V4).as_deref(), Some("42[\"\u{fffd}\"]"));
        for plain in
            [r#"42["m","\u0061"]"#, r#"42["a\"b"]"#, r#"42["\n"]"#, r#"42["\"#, "42[5]", "43[]", "3", "4", ""]
        {
            assert_eq!(mended(plain, Eio::V4), None, "{plain}");
        }
    }

    #[test]
    fn eio3_namespaces_lose_their_query() {
        assert_eq!(mended("40/custom?token=a,b", Eio::V3).as_deref(), Some("40/custom,b"));
        assert_eq!(mended("40/custom?token=a", Eio::V3).as_deref(), Some("40/custom"));
        assert_eq!(mended("40/custom,{\"a\":\"?\"}", Eio::V3), None);
        assert_eq!(mended("40/custom?token=a", Eio::V4), None);
        assert_eq!(mended("40", Eio::V3), None);
    }

    proptest! {
        #[test]
        fn any_head_is_read_without_panic(packet in r#"(42|45|40/|451-/)?[\[\]{}",:\\u?0-9/a-]{0,60}"#, whole: bool, v3: bool) {
            let eio = if v3 { Eio::V3 } else { Eio::V4 };
            if let Head::Mended { len, instead } = look_at(packet.as_bytes(), whole, eio) {
                prop_assert!(len <= packet.len() && instead.len() <= len);
            }
        }
    }
}
