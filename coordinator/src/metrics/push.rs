//! The figures of `/metrics`, sent to a collector at intervals. Each request says where the counters stand, so a collector that
//! was away loses nothing but points in between, and nothing waits for it here.

use super::exposition;
use super::otlp::{self, Time};
use super::scrape::Sources;
use crate::clock;
use crate::otlp::{Endpoint, VariableError};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";

/// OpenTelemetry's default.
const DEFAULT: Duration = Duration::from_secs(60);

/// The time between two exports, from OpenTelemetry's own variable in milliseconds.
pub fn interval(read: impl Fn(&str) -> Option<String>) -> Result<Duration, VariableError> {
    let Some(value) = read(INTERVAL).filter(|value| !value.is_empty()) else {
        return Ok(DEFAULT);
    };
    match value.parse() {
        Ok(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
        _ => Err(VariableError {
            variable: INTERVAL,
            value,
            reason: "is no number of milliseconds above 0",
        }),
    }
}

/// Exports every `interval`, the first time at once, until it is dropped.
pub async fn push(sources: Sources, endpoint: Endpoint, interval: Duration) {
    let began = clock::now();
    let mut client = MetricsServiceClient::new(endpoint.connect());
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_reachable = true;
    loop {
        ticks.tick().await;
        sources.refresh().await;
        let text = sources.metrics.open_metrics().unwrap_or_default();
        let families = match exposition::read(&text) {
            Ok(families) => families,
            Err(error) => {
                tracing::error!(%error, "metrics are not exported");
                return;
            }
        };
        let time = Time {
            from: began,
            to: clock::now(),
        };
        let request = otlp::request(sources.lab.name.as_str(), families, time);
        match client.export(request).await {
            Ok(_) => is_reachable = true,
            Err(status) => {
                if std::mem::replace(&mut is_reachable, false) {
                    tracing::warn!(code = ?status.code(), "the collector does not take metrics; trying again");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
