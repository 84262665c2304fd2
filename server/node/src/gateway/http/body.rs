//! Request bodies: JSON objects of unknown shape, because existing frontends send what they like. None is read before its
//! route's bound, its type and its encoding are looked at; where a route needs proof, none before that.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    reply::{busy, refusal},
    unread::Allowance,
};
use crate::gateway::{
    Gateway,
    fields::{Fields, NoObject},
};

/// Bytes of a body where no picture goes, inflated.
const PLAIN_BYTES_MAX: usize = 16 * 1024;
/// Bytes of bodies that may be held at once beside those above: log-ins and texts have room whatever pictures are under way.
const PLAIN_ROOM_BYTES: usize = 16 * 1024 * 1024;
/// After this many seconds a client that was refused for lack of room may try again.
const BUSY_FOR_S: u64 = 2;

/// The bounds of request bodies. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bodies {
    /// Bytes of a body with a picture, inflated.
    picture_bytes_max: usize,
    room: Arc<Room>,
}

/// A permit for each byte that may be held at once, of all requests.
#[derive(Debug)]
struct Room {
    /// For what fits where no picture goes.
    plain: Arc<Semaphore>,
    /// For what is larger.
    large: Arc<Semaphore>,
}

impl Bodies {
    /// `bytes_max`: of all requests together; at least one body with a picture fits.
    pub fn new(picture_bytes_max: usize, bytes_max: usize) -> Self {
        let bytes_max = bytes_max.max(picture_bytes_max).min(Semaphore::MAX_PERMITS);
        let [plain, large] = [PLAIN_ROOM_BYTES, bytes_max].map(|bytes| Arc::new(Semaphore::new(bytes)));
        Self { picture_bytes_max, room: Arc::new(Room { plain, large }) }
    }

    /// Lets a route's bodies be as large as one with a picture. Others hold 16 KiB.
    pub fn with_pictures(&self, route: MethodRouter<Gateway>) -> MethodRouter<Gateway> {
        route.layer(from_fn_with_state(BytesMax(self.picture_bytes_max), raise))
    }
}

/// The bound of the route that a request is for.
#[derive(Debug, Clone, Copy)]
struct BytesMax(usize);

async fn raise(State(bytes_max): State<BytesMax>, mut request: Request, next: Next) -> Response {
    if let Some(allowance) = request.extensions().get::<Allowance>() {
        allowance.raise_for(bytes_max.0);
    }
    request.extensions_mut().insert(bytes_max);
    next.run(request).await
}

/// A body, not parsed yet, within its route's bound. An empty one is an empty object.
#[derive(Debug)]
pub struct JsonBody {
    json: String,
    /// Given back when the body is.
    _room: Vec<OwnedSemaphorePermit>,
}

impl JsonBody {
    /// # Errors
    /// When the body is no JSON object.
    pub fn fields(&self, known: &[&'static str]) -> Result<Fields<'_>, Unreadable> {
        let json = self.json.strip_prefix('\u{feff}').unwrap_or(&self.json);
        if json.is_empty() {
            return Ok(Fields::default());
        }
        Fields::read(json, known).map_err(|why| match why {
            NoObject::OtherJson => Unreadable::NoObject,
            NoObject::Malformed => Unreadable::Malformed,
        })
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    TooLarge,
    /// More bodies are under way than fit.
    Busy,
    /// The `Content-Type` is not JSON's: such bodies can be sent by pages of other sites.
    NoJson,
    /// Text in an encoding other than UTF-8.
    Charset,
    /// Compressed in a way other than gzip and deflate.
    Encoding,
    /// The rest did not come, or what was compressed is damaged.
    Broken,
    NoObject,
    Malformed,
}

impl IntoResponse for Unreadable {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::Busy => return busy(BUSY_FOR_S),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The request is too large"),
            Self::NoJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "body_no_json",
                "The body must be JSON, with Content-Type: application/json",
            ),
            Self::Charset => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "charset_unsupported", "The body must be UTF-8")
            }
            Self::Encoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encoding_unsupported",
                "The body may be compressed with gzip or deflate only",
            ),
            Self::Broken => (StatusCode::BAD_REQUEST, "body_unreadable", "The request could not be read"),
            Self::NoObject => (StatusCode::BAD_REQUEST, "body_no_object", "The body must be a JSON object"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "body_malformed", "The body is not valid JSON"),
        };
        refusal(status, code, message)
    }
}

impl FromRequest<Gateway> for JsonBody {
    type Rejection = Unreadable;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Unreadable> {
        let bytes_max = request.extensions().get::<BytesMax>().map_or(PLAIN_BYTES_MAX, |max| max.0);
        let (parts, body) = request.into_parts();
        let mut reading = Reading { body, taken: Vec::new(), room: Vec::new() };
        let announced = reading.body.size_hint().lower();
        if usize::try_from(announced).map_or(true, |announced| announced > bytes_max) {
            return Err(Unreadable::TooLarge);
        }
        if let Err(why) = takes(&parts.headers) {
            // Without a body there is nothing to be of the wrong type.
            return if reading.is_empty().await? { Ok(reading.done()?) } else { Err(why) };
        }
        while let Some(part) = reading.next().await? {
            reading.take(&part, bytes_max, &gateway.bodies.room)?;
        }
        reading.done()
    }
}

/// Whether a body of this description is read: JSON in UTF-8, and not compressed any more.
fn takes(headers: &HeaderMap) -> Result<(), Unreadable> {
    // What was compressed in a way that is known has lost this header with the compression.
    let encoded = |value: &http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().any(encoded) {
        return Err(Unreadable::Encoding);
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next().and_then(|value| value.to_str().ok()), types.next()) else {
        return Err(Unreadable::NoJson);
    };
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let structured = essence.strip_prefix("application/").is_some_and(|kind| kind.ends_with("+json"));
    if essence != "application/json" && !structured {
        return Err(Unreadable::NoJson);
    }
    let charset =
        parts.find_map(|part| part.strip_prefix("charset=").map(|name| name.trim_matches('"').to_owned()));
    match charset.as_deref() {
        None | Some("utf-8" | "utf8") => Ok(()),
        Some(_) => Err(Unreadable::Charset),
    }
}

/// A body on its way.
struct Reading {
    body: Body,
    taken: Vec<u8>,
    /// One of either kind at most.
    room: Vec<OwnedSemaphorePermit>,
}

impl Reading {
    /// The next bytes that are any.
    async fn next(&mut self) -> Result<Option<Bytes>, Unreadable> {
        while let Some(frame) = self.body.frame().await {
            match frame.map_err(|_| Unreadable::Broken)?.into_data() {
                Ok(part) if !part.is_empty() => return Ok(Some(part)),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn is_empty(&mut self) -> Result<bool, Unreadable> {
        // A body of known length is not waited for.
        match self.body.size_hint().exact() {
            Some(len) => Ok(len == 0),
            None => Ok(self.next().await?.is_none()),
        }
    }

    /// Not waited for: whoever waits holds what has come already.
    fn take(&mut self, part: &[u8], bytes_max: usize, room: &Room) -> Result<(), Unreadable> {
        if part.len() > bytes_max - self.taken.len() {
            return Err(Unreadable::TooLarge);
        }
        let permits = u32::try_from(part.len()).map_err(|_| Unreadable::TooLarge)?;
        let is_plain = self.taken.len() + part.len() <= PLAIN_BYTES_MAX;
        let room = if is_plain { &room.plain } else { &room.large };
        let more = room.clone().try_acquire_many_owned(permits).map_err(|_| Unreadable::Busy)?;
        match self.room.iter_mut().find(|held| Arc::ptr_eq(held.semaphore(), room)) {
            Some(held) => held.merge(more),
            None => self.room.push(more),
        }
        self.taken.extend_from_slice(part);
        Ok(())
    }

    fn done(self) -> Result<JsonBody, Unreadable> {
        let json = String::from_utf8(self.taken).map_err(|_| Unreadable::Malformed)?;
        Ok(JsonBody { json, _room: self.room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fills_the_room_for_pictures_holds_up_no_log_in() {
        let [plain, large] = [20_000, 100_000].map(|bytes| Arc::new(Semaphore::new(bytes)));
        let room = Room { plain, large };
        let reading = || Reading { body: Body::empty(), taken: Vec::new(), room: Vec::new() };
        let mut picture = reading();
        picture.take(&[0; 100_000], 200_000, &room).expect("room");
        let busy = reading().take(&[0; PLAIN_BYTES_MAX + 1], 200_000, &room);
        assert_eq!(busy, Err(Unreadable::Busy));
        let mut log_in = reading();
        log_in.take(&[0; PLAIN_BYTES_MAX], 200_000, &room).expect("room of its own");
        assert_eq!(
            reading().take(&[0; 5_000], 200_000, &room),
            Err(Unreadable::Busy),
            "that has an end, too"
        );
        drop((picture, log_in));
        assert_eq!((room.plain.available_permits(), room.large.available_permits()), (20_000, 100_000));
    }
}
