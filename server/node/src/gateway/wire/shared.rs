//! Events that many sockets are sent alike: encoded once, and never copied for a socket.
//!
//! The engine copies each packet for each socket, twice, and its WebSockets keep a buffer of the size of the largest
//! packet they ever sent. So what goes through the engine is a small event in its place, the *marker*, which keeps
//! the order; on the way out it is exchanged for the shared bytes (see [`Exchange`](super::exchange::Exchange)).

use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    frames::{TEXT, server_frame},
    outbox::EmitError,
    session::locked,
};

/// Shared events that may wait for one client; a client that is that far behind is lost anyway.
const SHARED_QUEUE_LEN_MAX: usize = 256;
/// Longest marker packet, in bytes: so short that its frame has a header of two bytes.
pub(crate) const MARKER_LEN_MAX: usize = 125;

/// An event for many sockets of one namespace.
#[derive(Debug)]
pub struct SharedEvent {
    pub(crate) name: String,
    pub(crate) args: Vec<Arc<RawValue>>,
    namespace: String,
    pub(crate) packet: WholePacket,
}

/// An Engine.IO text packet in the WebSocket frame that carries it.
#[derive(Debug, Clone)]
pub(crate) struct WholePacket {
    pub(crate) frame: Bytes,
    header_len: usize,
}

impl SharedEvent {
    /// Encodes an event whose arguments are JSON text already.
    pub fn new(namespace: &str, name: &str, args: Vec<Arc<RawValue>>) -> Self {
        let args_len: usize = args.iter().map(|arg| arg.get().len() + 1).sum();
        let mut text = String::with_capacity(namespace.len() + name.len() + args_len + 16);
        text.push_str("42");
        if namespace != "/" {
            text.push_str(namespace);
            text.push(',');
        }
        text.push('[');
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", serde_json::Value::from(name));
        for arg in &args {
            text.push(',');
            text.push_str(arg.get());
        }
        text.push(']');
        Self { name: name.into(), args, namespace: namespace.into(), packet: WholePacket::new(&text) }
    }

    /// The packet a client is sent, Engine.IO's type included.
    pub fn text(&self) -> &str {
        self.packet.text()
    }

    /// The event that keeps this one's place in the queues of a socket of `namespace`; `None` if it cannot.
    pub(crate) fn marker_event(&self, namespace: &str) -> Option<&'static str> {
        const BESIDE_NAMESPACE_LEN_MAX: usize = 60;
        let fits = namespace == self.namespace && namespace.len() + BESIDE_NAMESPACE_LEN_MAX < MARKER_LEN_MAX;
        MARKER.as_deref().filter(|_| fits)
    }
}

impl WholePacket {
    pub(crate) fn new(text: &str) -> Self {
        let frame = server_frame(TEXT, text.as_bytes());
        Self { header_len: frame.len() - text.len(), frame: frame.into() }
    }

    pub(crate) fn text(&self) -> &str {
        // A frame is made of text only (see `new`).
        std::str::from_utf8(&self.frame[self.header_len..]).unwrap_or_default()
    }
}

/// The name of the marker event: random, so that no application data can look like one. It never leaves the process.
/// `None` without a source of randomness; then nothing is shared.
static MARKER: LazyLock<Option<String>> = LazyLock::new(|| {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Some(URL_SAFE_NO_PAD.encode(bytes)),
        Err(error) => {
            tracing::error!(%error, "no randomness");
            None
        }
    }
});

/// The number in a packet that is a marker.
pub(crate) fn marker_number(packet: &[u8]) -> Option<u32> {
    let event = packet.strip_prefix(b"42").filter(|_| packet.len() <= MARKER_LEN_MAX)?;
    let event = match event {
        [b'/', ..] => &event[event.iter().position(|byte| *byte == b',')? + 1..],
        event => event,
    };
    let name = event.strip_prefix(b"[\"")?.strip_prefix(MARKER.as_ref()?.as_bytes())?;
    let number = name.strip_prefix(b"\",")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// The shared events of one session whose markers are on their way out.
#[derive(Debug, Default)]
pub(crate) struct SharedQueue {
    waiting: Mutex<Waiting>,
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<(u32, Arc<SharedEvent>)>,
    next_number: u32,
}

impl SharedQueue {
    /// Adds an event before its marker is sent; answers with the marker's number.
    pub(crate) fn push(&self, event: &Arc<SharedEvent>) -> Result<u32, EmitError> {
        let mut waiting = locked(&self.waiting);
        if waiting.events.len() >= SHARED_QUEUE_LEN_MAX {
            return Err(EmitError::Full);
        }
        let number = waiting.next_number;
        waiting.next_number = number.wrapping_add(1);
        waiting.events.push_back((number, event.clone()));
        self.len.store(waiting.events.len(), Ordering::Release);
        Ok(number)
    }

    /// Whether a marker may be on its way.
    pub(crate) fn any(&self) -> bool {
        self.len.load(Ordering::Acquire) > 0
    }

    /// Takes an event out: its marker is here, or could not be sent.
    pub(crate) fn take(&self, number: u32) -> Option<Arc<SharedEvent>> {
        let mut waiting = locked(&self.waiting);
        // The first, except when two namespaces of a session are sent to at once.
        let at = waiting.events.iter().position(|(waiting, _)| *waiting == number)?;
        let (_, event) = waiting.events.remove(at)?;
        if waiting.events.is_empty() {
            waiting.events = VecDeque::new();
        }
        self.len.store(waiting.events.len(), Ordering::Release);
        Some(event)
    }
}

#[cfg(test)]
pub(crate) fn marker_packet(namespace: &str, number: u32) -> String {
    let namespace = if namespace == "/" { String::new() } else { format!("{namespace},") };
    format!("42{namespace}[\"{}\",{number}]", MARKER.as_deref().expect("randomness"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(namespace: &str, args: &[&str]) -> SharedEvent {
        let raw = |arg: &&str| RawValue::from_string((*arg).to_owned()).expect("JSON").into();
        SharedEvent::new(namespace, "na\"me", args.iter().map(raw).collect())
    }

    #[test]
    fn an_event_is_encoded_as_any_other() {
        assert_eq!(event("/", &["1", "[\"é\"]"]).text(), r#"42["na\"me",1,["é"]]"#);
        assert_eq!(event("/custom", &[]).text(), r#"42/custom,["na\"me"]"#);
        let frame = event("/", &["1"]).packet.frame;
        assert_eq!(frame[..2], [0x81, u8::try_from(frame.len() - 2).expect("short")]);
    }

    #[test]
    fn a_marker_is_known_by_its_number() {
        assert_eq!(marker_number(marker_packet("/", 7).as_bytes()), Some(7));
        assert_eq!(marker_number(marker_packet("/custom", u32::MAX).as_bytes()), Some(u32::MAX));
        assert_eq!(marker_number(marker_packet("/", 7).replace(",7", ",7,7").as_bytes()), None);
        assert_eq!(marker_number(marker_packet(&format!("/{}", "x".repeat(125)), 7).as_bytes()), None);
        assert_eq!(event("/", &[]).marker_event("/custom"), None);
    }

    #[test]
    fn the_queue_is_bounded_and_gives_each_event_once() {
        let (queue, event) = (SharedQueue::default(), Arc::new(event("/", &[])));
        let numbers: Vec<u32> =
            (0..SHARED_QUEUE_LEN_MAX).map(|_| queue.push(&event).expect("room")).collect();
        assert_eq!(queue.push(&event), Err(EmitError::Full));
        for number in numbers {
            assert!(queue.any());
            assert!(queue.take(number).is_some());
            assert!(queue.take(number).is_none());
        }
        assert!(!queue.any());
        assert_eq!(Arc::strong_count(&event), 1);
    }

    proptest! {
        #[test]
        fn application_data_is_no_marker(packet in "42(/[a-z]{0,5},)?\\[\"[A-Za-z0-9_-]{22}\",[0-9]{1,9}\\]") {
            prop_assert_eq!(marker_number(packet.as_bytes()), None);
        }
    }
}
