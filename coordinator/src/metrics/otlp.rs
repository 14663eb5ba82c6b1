//! Families as OTLP wants them: the names are those of `/metrics`, so that one table of the document describes both.

use super::exposition::{Family, Kind, Labels, Sample};
use crate::otlp::{nanos, pair, resource, scope};
use model::moment::Moment;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use std::collections::BTreeMap;

/// When the counters began, and when they were read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    pub(super) from: Moment,
    pub(super) to: Moment,
}

/// One request with all `families`.
pub(super) fn request(lab: &str, families: Vec<Family>, time: Time) -> ExportMetricsServiceRequest {
    let metrics = families.into_iter().map(|family| metric(family, time)).collect();
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource(lab, None)),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn metric(family: Family, time: Time) -> Metric {
    let cumulative = AggregationTemporality::Cumulative.into();
    let (suffix, data) = match family.kind {
        Kind::Counter => {
            let sum = Sum {
                data_points: numbers(&family.samples, time),
                aggregation_temporality: cumulative,
                is_monotonic: true,
            };
            ("_total", metric::Data::Sum(sum))
        }
        Kind::Gauge => {
            let data_points = numbers(&family.samples, time);
            ("", metric::Data::Gauge(Gauge { data_points }))
        }
        // A sum of ones that may fall, as OpenTelemetry's rules for OpenMetrics have it.
        Kind::Info => {
            let sum = Sum {
                data_points: numbers(&family.samples, time),
                aggregation_temporality: cumulative,
                is_monotonic: false,
            };
            ("_info", metric::Data::Sum(sum))
        }
        Kind::Histogram => {
            let histogram = Histogram {
                data_points: histograms(&family.samples, time),
                aggregation_temporality: cumulative,
            };
            ("", metric::Data::Histogram(histogram))
        }
    };
    Metric {
        name: family.name + suffix,
        description: family.help,
        unit: unit(&family.unit).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// OpenTelemetry's name for a unit.
fn unit(word: &str) -> &str {
    match word {
        "seconds" => "s",
        "bytes" => "By",
        other => other,
    }
}

fn numbers(samples: &[Sample], time: Time) -> Vec<NumberDataPoint> {
    let point = |sample: &Sample| NumberDataPoint {
        attributes: sample
            .labels
            .iter()
            .map(|(key, value)| pair(key, value))
            .collect(),
        start_time_unix_nano: nanos(time.from),
        time_unix_nano: nanos(time.to),
        value: Some(number_data_point::Value::AsDouble(sample.value)),
        ..NumberDataPoint::default()
    };
    samples.iter().map(point).collect()
}

/// The lines of each set of labels become one point. Buckets of the text hold all that is below them, OTLP's what is between.
fn histograms(samples: &[Sample], time: Time) -> Vec<HistogramDataPoint> {
    let mut points: BTreeMap<Labels, HistogramDataPoint> = BTreeMap::new();
    for sample in samples {
        let (bound, labels): (Labels, Labels) =
            sample.labels.iter().cloned().partition(|(key, _)| key == "le");
        let attributes = labels.iter().map(|(key, value)| pair(key, value)).collect();
        let point = points.entry(labels).or_insert_with(|| HistogramDataPoint {
            attributes,
            start_time_unix_nano: nanos(time.from),
            time_unix_nano: nanos(time.to),
            ..HistogramDataPoint::default()
        });
        match sample.suffix.as_str() {
            "_sum" => point.sum = Some(sample.value),
            "_count" => point.count = whole(sample.value),
            _ => {
                let below = point.bucket_counts.iter().sum();
                point
                    .bucket_counts
                    .push(whole(sample.value).saturating_sub(below));
                let bound = bound.first().and_then(|(_, text)| text.parse::<f64>().ok());
                point
                    .explicit_bounds
                    .extend(bound.filter(|bound| bound.is_finite()));
            }
        }
    }
    points.into_values().collect()
}

/// Counts are whole numbers, and the text may say `3.0`.
fn whole(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap_or(0)
}
