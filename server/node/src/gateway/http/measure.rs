//! The two HTTP metrics of the original backend, by the same names and labels (contract direct-v1, "Metrics").

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use http::{Method, StatusCode};
use http_body::{Frame, SizeHint};
use metrics::{Label, counter, histogram};
use tokio::time::Instant;

/// The route of whatever no route knows: static files, too. A path as it was asked for would make a series each.
const UNMATCHED: &str = "unmatched";

/// Counts each answer when it has been handed over to its end, or given up. Socket.IO's requests are not here: a long poll
/// takes as long as nothing happens.
pub(super) async fn measure(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let answer = Answer { began, method, route, status: response.status(), sent_bytes: 0 };
    response.map(|body| Body::new(Measured { body, answer }))
}

struct Answer {
    began: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
    status: StatusCode,
    sent_bytes: u64,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let route = self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
        let labels = [
            Label::from_static_parts("method", self.method),
            Label::new("route", route),
            Label::new("code", self.status.as_u16().to_string()),
        ];
        histogram!("http_request_duration_seconds", labels.iter()).record(self.began.elapsed());
        counter!("http_response_size_bytes", labels.iter()).increment(self.sent_bytes);
    }
}

struct Measured {
    body: Body,
    answer: Answer,
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.answer.sent_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A client may call its method anything, too.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ];
    const NAMES: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.iter().position(|known| known == method).map_or("other", |nth| NAMES[nth])
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware::from_fn, routing::get};
    use http_body_util::BodyExt;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::ServiceExt;

    use super::*;
    use crate::gateway::http::api::under_api;

    #[tokio::test]
    async fn every_answer_is_one_of_its_route_whatever_was_asked_for() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let counted = recorder.handle();
        let _here = metrics::set_default_local_recorder(&recorder);
        let routes = Router::new().nest("/messages", Router::new().route("/{id}", get(|| async { "12345" })));
        let app = under_api(routes).fallback(|| async { "page" }).layer(from_fn(measure));
        for (method, path) in [
            ("GET", "/api/messages/1"),
            ("GET", "/api/messages/2?x=3"),
            ("POST", "/api/messages/3"),
            ("BREW", "/api/messages/4"),
            ("GET", "/api/messages/5/6"),
            ("GET", "/api/nothing"),
            ("GET", "/a"),
            ("GET", "/b/c"),
        ] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
        let text = counted.render();
        let mut count: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("http_request_duration_seconds_count"))
            .collect();
        count.sort_unstable();
        assert_eq!(
            count,
            [
                r#"{method="GET",route="/api/messages/{id}",code="200"} 2"#,
                r#"{method="GET",route="unmatched",code="200"} 2"#,
                r#"{method="GET",route="unmatched",code="404"} 2"#,
                r#"{method="POST",route="/api/messages/{id}",code="405"} 1"#,
                r#"{method="other",route="/api/messages/{id}",code="405"} 1"#,
            ],
            "{text}"
        );
        let sent = r#"http_response_size_bytes{method="GET",route="/api/messages/{id}",code="200"} 10"#;
        assert!(text.lines().any(|line| line == sent), "{text}");
    }

    #[tokio::test]
    async fn an_answer_given_up_is_counted_with_what_was_sent() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let counted = recorder.handle();
        let _here = metrics::set_default_local_recorder(&recorder);
        let app = Router::new().route("/", get(|| async { "12345" })).layer(from_fn(measure));
        let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
        drop(response);
        let text = counted.render();
        let sent = r#"http_response_size_bytes{method="GET",route="/",code="200"} 0"#;
        assert!(text.lines().any(|line| line == sent), "{text}");
    }
}
