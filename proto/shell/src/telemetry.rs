//! Logs on stderr, as text for people or one JSON object per line; stdout stays free for data.

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One line of text, for people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is malformed.
    #[error("log filter {filter:?} is malformed")]
    Filter {
        /// The filter as given.
        filter: String,
        /// Cause.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// A subscriber is already installed.
    #[error("logging was set up twice")]
    Twice,
}

/// Installs the global subscriber. `filter` is in `tracing` syntax, for example `info,coordinator=debug`; colour only
/// when `colour` is set (the caller knows whether stderr is a terminal).
pub fn init(format: Format, filter: &str, colour: bool) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|_| TelemetryError::Twice)
}
