//! The query string of an Engine.IO request.

use std::collections::HashMap;

/// Names kept from one query string; a longer one is cut.
const PARAMETERS_MAX: usize = 64;

/// The protocol revision a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eio {
    V3,
    V4,
}

impl Eio {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// One control packet as a polling payload (protocol documents v3 and v4, "Payload").
    pub(crate) fn payload(self, packet: &str) -> String {
        match self {
            Self::V3 => format!("{}:{packet}", packet.encode_utf16().count()),
            Self::V4 => packet.to_owned(),
        }
    }

    /// The packet by which a client shows that it is alive.
    pub(crate) fn heartbeat(self) -> &'static str {
        match self {
            Self::V3 => "2",
            Self::V4 => "3",
        }
    }

    /// Whether a client's payload says that it leaves.
    pub(crate) fn closes(self, payload: &[u8]) -> bool {
        match self {
            Self::V3 => payload == b"1:1",
            Self::V4 => payload.split(|byte| *byte == b'\x1e').any(|packet| packet == b"1"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportName {
    Polling,
    Websocket,
}

/// What the protocol itself reads from a query; everything is also in `parameters`.
#[derive(Debug)]
pub(crate) struct EngineQuery {
    pub(crate) transport: Option<TransportName>,
    pub(crate) eio: Option<Eio>,
    pub(crate) sid: Option<String>,
    pub(crate) base64_only: bool,
    pub(crate) parameters: HashMap<String, String>,
}

impl EngineQuery {
    /// Reads a raw query string. Of a name given twice the first counts.
    pub(crate) fn parse(raw: &str) -> Self {
        let mut parameters = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(raw.as_bytes()).take(PARAMETERS_MAX) {
            parameters.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        let get = |name: &str| parameters.get(name).map(String::as_str);
        Self {
            transport: match get("transport") {
                Some("polling") => Some(TransportName::Polling),
                Some("websocket") => Some(TransportName::Websocket),
                _ => None,
            },
            eio: match get("EIO") {
                Some("4") => Some(Eio::V4),
                Some("3") => Some(Eio::V3),
                _ => None,
            },
            sid: get("sid").filter(|sid| !sid.is_empty()).map(str::to_owned),
            base64_only: matches!(get("b64"), Some(value) if !value.is_empty() && value != "0" && value != "false"),
            parameters,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_the_protocol_needs() {
        let query = EngineQuery::parse("userId=a%20b&EIO=4&transport=polling&t=x&sid=abc&b64=1");
        assert_eq!(query.transport, Some(TransportName::Polling));
        assert_eq!(query.eio, Some(Eio::V4));
        assert_eq!(query.sid.as_deref(), Some("abc"));
        assert!(query.base64_only);
        assert_eq!(query.parameters["userId"], "a b");
    }

    #[test]
    fn an_empty_sid_is_none_and_the_first_of_two_counts() {
        let query = EngineQuery::parse("sid=&EIO=3&EIO=4&transport=webtransport");
        assert_eq!(query.sid, None);
        assert_eq!(query.eio, Some(Eio::V3));
        assert_eq!(query.transport, None);
    }

    proptest! {
        #[test]
        fn any_query_is_read_without_panic_and_bounded(raw in ".{0,400}") {
            prop_assert!(EngineQuery::parse(&raw).parameters.len() <= PARAMETERS_MAX);
        }
    }
}
