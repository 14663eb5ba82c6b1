//! The report as JSON, and back.

use super::model::{FORMAT, Report};
use serde::Deserialize;

/// Why text is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not have the shape.
    #[error("this is not the report of a drill")]
    Shape(#[source] serde_json::Error),
    /// A later program wrote it.
    #[error(
        "the report has format {found}, this program reads up to {FORMAT}; use the program that wrote it, or a newer one"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
}

/// One object, indented.
pub fn render(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads what [`render`] or `drill NAME --json` wrote.
pub fn read(text: &str) -> Result<Report, ReadError> {
    check_format(text.as_bytes())?;
    serde_json::from_str(text).map_err(ReadError::Shape)
}

/// Refuses what a later program wrote. The format is read by itself first: a later report may have a shape that is not known here, and
/// must not be taken for a damaged one.
pub fn check_format(text: &[u8]) -> Result<(), ReadError> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        format: u32,
    }
    let head: Head = serde_json::from_slice(text).map_err(ReadError::Shape)?;
    if head.format > FORMAT {
        return Err(ReadError::Newer { found: head.format });
    }
    Ok(())
}
