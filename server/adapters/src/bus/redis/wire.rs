//! How events look on the channel: JSON, a line's worth, with a version. What is not known is for newer versions.

use serde::{Deserialize, Serialize};
use sockeye_core::{ports::BusEvent, session::SessionId};

const VERSION: u32 = 1;

/// What one node tells the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    Event(BusEvent),
    /// Events of the sender were dropped at its bound.
    Lost,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u32,
    /// The node that sent it.
    from: String,
    kind: String,
    /// Of a log-in that ended: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// What somebody sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// This node itself.
    Echo,
    Note(Note),
    /// Something that this version does not know.
    Unknown,
}

impl Note {
    pub(super) fn write(&self, from: &str) -> String {
        let (kind, session) = match self {
            Self::Event(BusEvent::PresenceChanged) => ("presence_changed", None),
            Self::Event(BusEvent::SessionEnded(SessionId(bytes))) => {
                ("session_ended", Some(format!("{:032x}", u128::from_be_bytes(*bytes))))
            }
            Self::Lost => ("lost", None),
        };
        let envelope = Envelope { v: VERSION, from: from.to_owned(), kind: kind.to_owned(), session };
        serde_json::to_string(&envelope).expect("strings and a number can always be written as JSON")
    }
}

pub(super) fn read(payload: &[u8], me: &str) -> Heard {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(payload) else { return Heard::Unknown };
    if envelope.from == me {
        return Heard::Echo;
    }
    let note = match (envelope.v, envelope.kind.as_str(), envelope.session) {
        (VERSION, "presence_changed", _) => Some(Note::Event(BusEvent::PresenceChanged)),
        (VERSION, "session_ended", Some(digits)) => {
            session(&digits).map(|id| Note::Event(BusEvent::SessionEnded(id)))
        }
        (VERSION, "lost", _) => Some(Note::Lost),
        _ => None,
    };
    note.map_or(Heard::Unknown, Heard::Note)
}

fn session(digits: &str) -> Option<SessionId> {
    let plain = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(digits, 16).ok().filter(|_| plain)?;
    Some(SessionId(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let ended = Note::Event(BusEvent::SessionEnded(SessionId([0x0a; 16])));
        for note in [Note::Event(BusEvent::PresenceChanged), ended.clone(), Note::Lost] {
            assert_eq!(read(note.write("a").as_bytes(), "b"), Heard::Note(note.clone()));
            assert_eq!(read(note.write("a").as_bytes(), "a"), Heard::Echo);
        }
        // Fixed: nodes of two versions meet while one is replaced by the other.
        let line =
            r#"{"v":1,"from":"a","kind":"session_ended","session":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}"#;
        assert_eq!(ended.write("a"), line);
    }

    #[test]
    fn what_is_not_known_is_no_error() {
        let payloads = [
            "",
            "null",
            "\u{0}",
            r#"{"v":1,"from":"a","kind":"of another kind","more":[1]}"#,
            r#"{"v":2,"from":"a","kind":"presence_changed"}"#,
            r#"{"v":1,"from":"a","kind":"session_ended"}"#,
            r#"{"v":1,"from":"a","kind":"session_ended","session":"+a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}"#,
        ];
        for payload in payloads {
            assert_eq!(read(payload.as_bytes(), "b"), Heard::Unknown, "{payload}");
        }
        let more = r#"{"v":1,"from":"a","kind":"presence_changed","more":1}"#;
        assert!(matches!(read(more.as_bytes(), "b"), Heard::Note(_)));
    }
}
