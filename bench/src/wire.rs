//! Engine.IO 4 and Socket.IO 5 text frames, the default namespace only: what a client reads and writes.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A frame from the server. Payloads stay JSON text: a thousand copies of a presence list need no parsing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// Engine.IO OPEN with the handshake's JSON.
    Open(&'a str),
    /// Engine.IO CLOSE.
    Close,
    /// Engine.IO PING; wants [`PONG`].
    Ping,
    /// Engine.IO NOOP.
    Noop,
    /// Socket.IO CONNECT accepted, with `{"sid": …}`.
    Connected,
    /// Socket.IO CONNECT_ERROR with its JSON.
    Refused(&'a str),
    /// Socket.IO DISCONNECT by the server.
    Disconnected,
    /// Socket.IO EVENT: its name, and the whole JSON array with the name in front.
    Event { name: &'a str, args: &'a str },
    /// Socket.IO ACK of the event sent with `id`, and the JSON array of its arguments.
    Ack { id: u32, args: &'a str },
}

pub(crate) const PONG: &str = "3";
pub(crate) const CONNECT: &str = "40";
pub(crate) const DISCONNECT: &str = "41";

/// The fields of the Engine.IO handshake this client acts on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Opening {
    /// Milliseconds between the server's pings.
    pub(crate) ping_interval: u64,
    /// Milliseconds a ping may be late.
    pub(crate) ping_timeout: u64,
}

/// Reads one text frame; `None` for what a server must not send to this client.
pub(crate) fn parse(text: &str) -> Option<Frame<'_>> {
    let (kind, rest) = split_kind(text)?;
    match kind {
        b'0' => Some(Frame::Open(rest)),
        b'1' => Some(Frame::Close),
        b'2' => Some(Frame::Ping),
        b'4' => parse_packet(rest),
        b'6' => Some(Frame::Noop),
        _ => None,
    }
}

/// An EVENT that asks for an acknowledgement.
pub(crate) fn event_with_ack(id: u32, args: &str) -> String {
    format!("42{id}{args}")
}

/// The `index`-th element of a JSON array; further elements (as connection state recovery appends) are ignored.
pub(crate) fn argument<'a, T: Deserialize<'a>>(args: &'a str, index: usize) -> Result<T, String> {
    let all: Vec<&RawValue> = serde_json::from_str(args).map_err(|error| error.to_string())?;
    let raw = all.get(index).ok_or_else(|| format!("no argument {index}"))?;
    serde_json::from_str(raw.get()).map_err(|error| error.to_string())
}

fn parse_packet(packet: &str) -> Option<Frame<'_>> {
    let (kind, rest) = split_kind(packet)?;
    match kind {
        b'0' => Some(Frame::Connected),
        b'1' => Some(Frame::Disconnected),
        b'2' => {
            let name = rest.strip_prefix("[\"")?.split('"').next()?;
            Some(Frame::Event { name, args: rest })
        }
        b'3' => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (id, args) = rest.split_at(digits);
            Some(Frame::Ack { id: id.parse().ok()?, args })
        }
        b'4' => Some(Frame::Refused(rest)),
        _ => None,
    }
}

fn split_kind(text: &str) -> Option<(u8, &str)> {
    let kind = *text.as_bytes().first()?;
    Some((kind, text.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_server_sends() {
        assert_eq!(parse(r#"0{"sid":"a"}"#), Some(Frame::Open(r#"{"sid":"a"}"#)));
        assert_eq!(parse("2"), Some(Frame::Ping));
        assert_eq!(parse(r#"40{"sid":"b"}"#), Some(Frame::Connected));
        assert_eq!(parse(r#"44{"message":"no"}"#), Some(Frame::Refused(r#"{"message":"no"}"#)));
        assert_eq!(parse(r#"42["hi",1]"#), Some(Frame::Event { name: "hi", args: r#"["hi",1]"# }));
        assert_eq!(parse(r#"4312[{"a":1}]"#), Some(Frame::Ack { id: 12, args: r#"[{"a":1}]"# }));
    }

    #[test]
    fn refuses_what_no_server_may_send() {
        for bad in ["", "9", "4", "43[1]", "42{}", "é", "45é"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn picks_an_argument_and_ignores_the_rest() {
        assert_eq!(argument::<u8>(r#"["name",7,"offset"]"#, 1), Ok(7));
        assert!(argument::<u8>(r#"["name"]"#, 1).is_err());
    }
}
