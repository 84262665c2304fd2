//! Where all counts of the process come together, and `/metrics`.

use std::fmt::Write;

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::header::CONTENT_TYPE;
use metrics::gauge;
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::{
    catalog::{self, Kind},
    process,
};

/// Prometheus's text format (its documentation, "Exposition formats").
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process's numbers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// From now on everything is counted. Before anything that counts is built: what is made earlier counts for nobody.
    ///
    /// # Errors
    /// When the process counts already.
    pub fn install() -> Result<Self, String> {
        let recorder = recorder().map_err(|error| format!("metrics: {error}"))?;
        let metrics = Self(recorder.handle());
        metrics::set_global_recorder(recorder).map_err(|error| format!("metrics: {error}"))?;
        catalog::describe();
        gauge!("sockeye_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        Ok(metrics)
    }

    /// Everything as text, what the system says of the process included.
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        // Writing to a string cannot fail.
        let _ = process::read().iter().try_for_each(|sample| write!(text, "{sample}"));
        text
    }

    /// Gathers samples of histograms, which take room until then.
    pub(super) fn gather(&self) {
        self.0.run_upkeep();
    }
}

/// `GET /metrics`. Holds nothing secret, but nothing for the public either: keep it inside (docs/operating.md).
pub fn route(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(show)).with_state(metrics)
}

async fn show(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT)], metrics.render())
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in catalog::METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    Ok(builder.build_recorder())
}

#[cfg(test)]
pub(super) fn local() -> (PrometheusRecorder, Metrics) {
    let recorder = recorder().expect("buckets");
    let metrics = Metrics(recorder.handle());
    (recorder, metrics)
}

#[cfg(test)]
mod tests {
    use metrics::{counter, histogram, with_local_recorder};

    use super::*;

    #[test]
    fn names_stay_as_they_are_and_histograms_have_the_catalogs_buckets() {
        let (recorder, metrics) = local();
        with_local_recorder(&recorder, || {
            catalog::describe();
            counter!("http_response_size_bytes", "code" => "200").increment(7);
            histogram!("http_request_duration_seconds").record(0.15);
            histogram!("sockeye_store_batch_size").record(3.0);
        });
        metrics.gather();
        let text = metrics.render();
        for line in [
            "# TYPE http_response_size_bytes counter",
            "http_response_size_bytes{code=\"200\"} 7",
            "# TYPE http_request_duration_seconds histogram",
            "http_request_duration_seconds_bucket{le=\"0.1\"} 0",
            "http_request_duration_seconds_bucket{le=\"0.2\"} 1",
            "http_request_duration_seconds_bucket{le=\"5\"} 1",
            "http_request_duration_seconds_bucket{le=\"+Inf\"} 1",
            "sockeye_store_batch_size_bucket{le=\"2\"} 0",
            "sockeye_store_batch_size_bucket{le=\"5\"} 1",
        ] {
            assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
        }
    }
}
