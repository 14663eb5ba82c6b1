//! `GET /metrics` on the operator's port: behind the operator's certificate and the table of methods like everything there.

use super::scrape::Sources;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route, for a router of the operator's port.
pub fn routes(sources: Sources) -> axum::Router {
    axum::Router::new()
        .route("/metrics", axum::routing::get(metrics))
        .with_state(sources)
}

async fn metrics(State(sources): State<Sources>, headers: HeaderMap) -> Response {
    sources.refresh().await;
    let wants_open = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/openmetrics-text"));
    let (kind, text) = if wants_open {
        (OPEN_METRICS, sources.metrics.open_metrics())
    } else {
        (PROMETHEUS, sources.metrics.prometheus_text())
    };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
