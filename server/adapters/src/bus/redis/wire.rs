//! How events look on the channel: JSON, a line's worth, with a version. What is not known is for newer versions.

use serde::{Deserialize, Serialize};
use sockeye_core::{id::UserId, ports::BusEvent, session::SessionId, time::Timestamp};

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
    /// Whose log-ins ended, all that were issued up to and including `through`, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    through: Option<Timestamp>,
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
        let (from, kind) = (from.to_owned(), self.kind().to_owned());
        let mut envelope = Envelope { v: VERSION, from, kind, session: None, user: None, through: None };
        match self {
            Self::Event(BusEvent::PresenceChanged) | Self::Lost => {}
            Self::Event(BusEvent::SessionEnded(SessionId(bytes))) => {
                envelope.session = Some(format!("{:032x}", u128::from_be_bytes(*bytes)));
            }
            Self::Event(BusEvent::SessionsEnded { user, through }) => {
                (envelope.user, envelope.through) = (Some(*user), Some(*through));
            }
        }
        serde_json::to_string(&envelope).expect("strings and a number can always be written as JSON")
    }
}

impl Note {
    fn kind(&self) -> &'static str {
        match self {
            Self::Event(BusEvent::PresenceChanged) => "presence_changed",
            Self::Event(BusEvent::SessionEnded(_)) => "session_ended",
            Self::Event(BusEvent::SessionsEnded { .. }) => "sessions_ended",
            Self::Lost => "lost",
        }
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
        (VERSION, "sessions_ended", _) => {
            let ended = envelope.user.zip(envelope.through);
            ended.map(|(user, through)| Note::Event(BusEvent::SessionsEnded { user, through }))
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
    use sockeye_core::id::ObjectId;

    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let ended = Note::Event(BusEvent::SessionEnded(SessionId([0x0a; 16])));
        let all_ended = Note::Event(BusEvent::SessionsEnded {
            user: UserId(ObjectId([0x0b; 12])),
            through: Timestamp::from_millis(7),
        });
        for note in [Note::Event(BusEvent::PresenceChanged), ended.clone(), all_ended.clone(), Note::Lost] {
            assert_eq!(read(note.write("a").as_bytes(), "b"), Heard::Note(note.clone()));
            assert_eq!(read(note.write("a").as_bytes(), "a"), Heard::Echo);
        }
        // Fixed: nodes of two versions meet while one is replaced by the other.
        let line =
            r#"{"v":1,"from":"a","kind":"session_ended","session":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}"#;
        assert_eq!(ended.write("a"), line);
        let line =
            r#"{"v":1,"from":"a","kind":"sessions_ended","user":"0b0b0b0b0b0b0b0b0b0b0b0b","through":7}"#;
        assert_eq!(all_ended.write("a"), line);
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
            r#"{"v":1,"from":"a","kind":"sessions_ended","through":7}"#,
            r#"{"v":1,"from":"a","kind":"sessions_ended","user":"x","through":7}"#,
            r#"{"v":1,"from":"a","kind":"session_ended","session":"+a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}"#,
        ];
        for payload in payloads {
            assert_eq!(read(payload.as_bytes(), "b"), Heard::Unknown, "{payload}");
        }
        let more = r#"{"v":1,"from":"a","kind":"presence_changed","more":1}"#;
        assert!(matches!(read(more.as_bytes(), "b"), Heard::Note(_)));
    }
}
