//! What traces and metrics over OTLP share: where they go, and who speaks.

use model::ids::NodeName;
use model::moment::Moment;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::time::Duration;
use tonic::transport::{Channel, Uri};

/// How long a collector may take for a connection, and for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// OpenTelemetry's own variable for everything.
const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// One trace per run.
    Traces,
    /// The figures of `/metrics`.
    Metrics,
}

impl Signal {
    /// Its own variable, which goes before the one for everything.
    fn variable(self) -> &'static str {
        match self {
            Self::Traces => "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            Self::Metrics => "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        }
    }
}

/// Where a signal goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Uri);

/// A variable of the environment that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("{variable}={value:?} {reason}")]
pub struct VariableError {
    pub(crate) variable: &'static str,
    pub(crate) value: String,
    pub(crate) reason: &'static str,
}

impl Endpoint {
    /// Reads OpenTelemetry's own variables, the signal's first; None when neither is set: nothing is exported.
    pub fn from_variables(
        signal: Signal,
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, VariableError> {
        let found = [signal.variable(), ALL].into_iter().find_map(|name| {
            let value = read(name).filter(|value| !value.is_empty())?;
            Some((name, value))
        });
        let Some((variable, value)) = found else {
            return Ok(None);
        };
        match value.parse::<Uri>() {
            Ok(uri) if uri.scheme_str() == Some("http") && uri.host().is_some() => Ok(Some(Self(uri))),
            _ => Err(VariableError {
                variable,
                value,
                reason: "is not http://HOST:PORT; OTLP is spoken as gRPC without TLS, to a collector beside the coordinator",
            }),
        }
    }

    /// A connection that is made when it is first used, and again whenever it broke.
    pub(crate) fn connect(self) -> Channel {
        Channel::builder(self.0)
            .timeout(ANSWER)
            .connect_timeout(ANSWER)
            .connect_lazy()
    }
}

/// The coordinator of `lab`, or the agent of one of its nodes.
pub(crate) fn resource(lab: &str, node: Option<&NodeName>) -> Resource {
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

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "drillyard".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    }
}

pub(crate) fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// Nanoseconds since 1970.
pub(crate) fn nanos(at: Moment) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_exported_unasked_and_a_bad_address_is_named() {
        assert_eq!(
            Endpoint::from_variables(Signal::Traces, |_| None).expect("fine"),
            None
        );
        for (signal, variable) in [
            (Signal::Traces, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            (Signal::Metrics, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
        ] {
            for bad in ["https://collector:4317", "collector:4317", "http://"] {
                let error = Endpoint::from_variables(signal, |_| Some(bad.into())).expect_err("refused");
                let error = error.to_string();
                assert!(error.contains(variable) && error.contains(bad), "{error}");
            }
        }
    }

    #[test]
    fn a_signal_has_its_own_address_before_the_common_one() {
        let read = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" => Some("http://own:4317".to_owned()),
            ALL => Some("http://common:4317".to_owned()),
            _ => None,
        };
        let at = |signal| {
            Endpoint::from_variables(signal, read)
                .expect("fine")
                .expect("set")
        };
        assert_eq!(at(Signal::Metrics).0.host(), Some("own"));
        assert_eq!(at(Signal::Traces).0.host(), Some("common"));
    }
}
