//! Spans as OTLP wants them: grouped by the service and host that they tell of.

use super::fold::Span;
use crate::otlp::{nanos, pair, resource, scope};
use model::ids::NodeName;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{self as wire, span::SpanKind, status::StatusCode};
use std::collections::BTreeMap;

/// One request for all `spans`.
pub(super) fn request(lab: &str, spans: &[Span]) -> ExportTraceServiceRequest {
    let mut by_place: BTreeMap<Option<&NodeName>, Vec<wire::Span>> = BTreeMap::new();
    for span in spans {
        by_place.entry(span.node.as_ref()).or_default().push(encode(span));
    }
    let resource_spans = by_place
        .into_iter()
        .map(|(node, spans)| wire::ResourceSpans {
            resource: Some(resource(lab, node)),
            scope_spans: vec![wire::ScopeSpans {
                scope: Some(scope()),
                spans,
                ..wire::ScopeSpans::default()
            }],
            ..wire::ResourceSpans::default()
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

fn encode(span: &Span) -> wire::Span {
    let code = match span.error {
        Some(_) => StatusCode::Error,
        None => StatusCode::Unset,
    };
    let status = wire::Status {
        code: code.into(),
        message: span.error.clone().unwrap_or_default(),
    };
    wire::Span {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        parent_span_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: span.name.clone(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: nanos(span.from),
        end_time_unix_nano: nanos(span.to.max(span.from)),
        attributes: span
            .attributes
            .iter()
            .map(|(key, value)| pair(key, value))
            .collect(),
        status: Some(status),
        ..wire::Span::default()
    }
}
