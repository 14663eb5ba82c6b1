//! The report as JSON, and back.

use super::model::{FORMAT, Report};

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
    let report: Report = serde_json::from_str(text).map_err(ReadError::Shape)?;
    if report.format > FORMAT {
        return Err(ReadError::Newer { found: report.format });
    }
    Ok(report)
}
