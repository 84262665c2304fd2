//! HTTP answers of the Engine.IO layer, shaped as the Node server shapes them.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

pub(crate) type Answer = Response<Bytes>;

/// Why a request is refused: the numeric codes of the Node server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestError {
    UnknownTransport,
    UnknownSid,
    BadHandshakeMethod,
    BadRequest,
    Forbidden,
    UnsupportedProtocol,
}

impl RequestError {
    fn code_and_message(self) -> (u8, &'static str) {
        match self {
            Self::UnknownTransport => (0, "Transport unknown"),
            Self::UnknownSid => (1, "Session ID unknown"),
            Self::BadHandshakeMethod => (2, "Bad handshake method"),
            Self::BadRequest => (3, "Bad request"),
            Self::Forbidden => (4, "Forbidden"),
            Self::UnsupportedProtocol => (5, "Unsupported protocol version"),
        }
    }

    pub(crate) fn answer(self) -> Answer {
        let (code, message) = self.code_and_message();
        let status = if self == Self::Forbidden { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
        json(status, format!("{{\"code\":{code},\"message\":\"{message}\"}}"))
    }
}

pub(crate) fn json(status: StatusCode, body: String) -> Answer {
    with(status, "application/json", body.into())
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

/// A polling payload. `no-store`: a payload is delivered once, no cache may repeat it.
pub(crate) fn payload(body: Bytes, binary: bool) -> Answer {
    let content_type = if binary { "application/octet-stream" } else { "text/plain; charset=UTF-8" };
    let mut answer = with(StatusCode::OK, content_type, body);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub(crate) fn with(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
