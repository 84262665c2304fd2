//! The Engine.IO server behind the gate, reduced to the three calls the gate makes.

use std::{convert::Infallible, fmt};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use super::{
    answer::{self, Answer, RequestError},
    query::Eio,
    session::Tether,
    stream::WireStream,
};

/// An `engineioxide` or `socketioxide` service, its types erased.
pub(crate) trait Engine: Send + Sync + 'static {
    /// Handles one request this layer composed itself.
    fn http(&self, request: Request<Full<Bytes>>) -> BoxFuture<'static, Answer>;
    /// Hands over a WebSocket whose HTTP part is done. Boxed: the engine's future has room for it several times.
    fn websocket(&self, stream: Box<WireStream>, request: Request<()>) -> Result<(), String>;
}

/// Adapts a tower service to [`Engine`].
pub(crate) struct TowerEngine<S>(pub(crate) S);

impl<S, B, E> Engine for TowerEngine<S>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>, Error = Infallible>
        + Service<(Box<WireStream>, Request<()>), Response = (), Error = E>
        + Clone
        + Send
        + Sync
        + 'static,
    <S as Service<Request<Full<Bytes>>>>::Future: Send,
    <S as Service<(Box<WireStream>, Request<()>)>>::Future: Future<Output = Result<(), E>> + Send,
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: fmt::Debug,
    E: fmt::Display,
{
    fn http(&self, request: Request<Full<Bytes>>) -> BoxFuture<'static, Answer> {
        let service = self.0.clone();
        Box::pin(async move {
            let response = match service.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let (parts, body) = response.into_parts();
            match body.collect().await {
                Ok(body) => numeric_errors(http::Response::from_parts(parts, body.to_bytes())),
                Err(error) => {
                    tracing::error!(?error, "an Engine.IO answer could not be read");
                    answer::empty(StatusCode::INTERNAL_SERVER_ERROR)
                }
            }
        })
    }

    fn websocket(&self, stream: Box<WireStream>, request: Request<()>) -> Result<(), String> {
        let mut service = self.0.clone();
        // The engine starts a task of its own and answers at once: its future is `std::future::Ready`.
        let call = Service::<(Box<WireStream>, Request<()>)>::call(&mut service, (stream, request));
        match futures_util::FutureExt::now_or_never(call) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the engine did not take the stream at once".into()),
        }
    }
}

/// The requests the gate makes.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    /// Path with trailing slash.
    path: String,
}

impl Requests {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: format!("{}/", path.trim_end_matches('/')) }
    }

    pub(crate) fn open(&self, eio: Eio, base64_only: bool, tether: Tether) -> Request<Full<Bytes>> {
        let b64 = if base64_only { "&b64=1" } else { "" };
        let mut request = self.build(Method::GET, "polling", eio, b64, Full::default());
        request.extensions_mut().insert(tether);
        request
    }

    pub(crate) fn poll(&self, eio: Eio, sid: &str) -> Request<Full<Bytes>> {
        self.build(Method::GET, "polling", eio, &format!("&sid={sid}"), Full::default())
    }

    pub(crate) fn post(
        &self,
        eio: Eio,
        sid: &str,
        content_type: Option<&HeaderValue>,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut request = self.build(Method::POST, "polling", eio, &format!("&sid={sid}"), Full::new(body));
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
        }
        request
    }

    pub(crate) fn websocket(&self, eio: Eio, sid: &str) -> Request<()> {
        self.build(Method::GET, "websocket", eio, &format!("&sid={sid}"), ())
    }

    fn build<B>(&self, method: Method, transport: &str, eio: Eio, rest: &str, body: B) -> Request<B> {
        let uri = format!("{}?EIO={}&transport={transport}{rest}", self.path, eio.number());
        let mut request = Request::new(body);
        *request.method_mut() = method;
        // The path was checked when the gate was built and a sid is 16 base64url characters; should that ever
        // change, the engine answers the default URI with an error instead of taking the process down.
        *request.uri_mut() = uri.parse().unwrap_or_default();
        request
    }
}

/// `engineioxide` writes its error codes as strings (`"code":"1"`); clients expect numbers.
fn numeric_errors(response: Answer) -> Answer {
    if response.status() != StatusCode::BAD_REQUEST || response.body().is_empty() {
        return response;
    }
    let code = serde_json::from_slice::<serde_json::Value>(response.body())
        .ok()
        .and_then(|body| body.get("code")?.as_str()?.parse::<u8>().ok());
    match code {
        Some(0) => RequestError::UnknownTransport.answer(),
        Some(1) => RequestError::UnknownSid.answer(),
        Some(2) => RequestError::BadHandshakeMethod.answer(),
        Some(5) => RequestError::UnsupportedProtocol.answer(),
        _ => RequestError::BadRequest.answer(),
    }
}
