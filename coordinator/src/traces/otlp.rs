//! Spans as OTLP wants them: grouped by the service and host that they tell of.

use super::fold::Span;
use model::ids::NodeName;
use model::moment::Moment;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
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
                scope: Some(InstrumentationScope {
                    name: "drillyard".into(),
                    version: env!("CARGO_PKG_VERSION").into(),
                    ..InstrumentationScope::default()
                }),
                spans,
                ..wire::ScopeSpans::default()
            }],
            ..wire::ResourceSpans::default()
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

fn resource(lab: &str, node: Option<&NodeName>) -> Resource {
    let mut attributes = vec![pair("drillyard.lab", lab)];
    match node {
        Some(node) => {
            attributes.push(pair("service.name", "drillyard-agent"));
            attributes.push(pair("host.name", node.as_str()));
        }
        None => attributes.push(pair("service.name", "drillyard-coordinator")),
    }
    Resource {
        attributes,
        ..Resource::default()
    }
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

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn nanos(at: Moment) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1000)
}
