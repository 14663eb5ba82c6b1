//! What no drill looks at, and why: `values/drills/not-covered.yaml`. It is told, never replaced by a pretended look.

use crate::document::{self, DocumentError};
use model::Invalid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Name of the file without `.yaml`: it lies among the drills and is none.
pub const STEM: &str = "not-covered";

/// The file. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotCovered {
    /// Always `drillyard/v1`.
    pub api_version: String,
    /// Always `NotCovered`.
    pub kind: String,
    /// In the order in which they are shown.
    pub not_covered: Vec<Gap>,
}

/// One thing that is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// A component, a drill, or `fault KIND`.
    pub subject: String,
    /// Why not, in words.
    pub reason: String,
}

impl NotCovered {
    /// Reads and checks the file; `file` is named in errors.
    pub fn from_yaml(file: &str, text: &str) -> Result<Self, DocumentError> {
        document::read(file, "list of what is not covered", text, check)
    }
}

fn check(document: &NotCovered) -> Vec<Invalid> {
    let mut out = Vec::new();
    if document.api_version != model::lab::API_VERSION {
        let rule = format!("must be {}", model::lab::API_VERSION);
        out.push(Invalid::new("apiVersion", &document.api_version, rule));
    }
    if document.kind != "NotCovered" {
        out.push(Invalid::new("kind", &document.kind, "must be NotCovered"));
    }
    let mut known = BTreeSet::new();
    for (i, gap) in document.not_covered.iter().enumerate() {
        for (field, text) in [("subject", &gap.subject), ("reason", &gap.reason)] {
            if text.trim().is_empty() || text.contains('\n') {
                let field = format!("notCovered[{i}].{field}");
                out.push(Invalid::new(field, text, "must be one line with words"));
            }
        }
        if !known.insert(&gap.subject) {
            let field = format!("notCovered[{i}].subject");
            out.push(Invalid::new(field, &gap.subject, "is there twice"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(entries: &str) -> String {
        format!("apiVersion: drillyard/v1\nkind: NotCovered\nnotCovered: {entries}\n")
    }

    #[test]
    fn a_gap_has_a_subject_of_its_own_and_a_reason() {
        let good = file("[{subject: a, reason: b}, {subject: c, reason: b}]");
        let read = NotCovered::from_yaml("f", &good).expect("valid");
        assert_eq!(read.not_covered.len(), 2);
        for (entries, field) in [
            ("[{subject: a, reason: ' '}]", "notCovered[0].reason"),
            ("[{subject: '', reason: b}]", "notCovered[0].subject"),
            (
                "[{subject: a, reason: b}, {subject: a, reason: c}]",
                "notCovered[1].subject",
            ),
        ] {
            let broken = match NotCovered::from_yaml("f", &file(entries)) {
                Err(DocumentError::Rules { broken, .. }) => broken,
                other => panic!("{field}: {other:?}"),
            };
            assert_eq!(
                broken.iter().map(|b| b.field.as_str()).collect::<Vec<_>>(),
                [field]
            );
        }
        let unknown = file("[{subject: a, reason: b, because: c}]");
        assert!(matches!(
            NotCovered::from_yaml("f", &unknown),
            Err(DocumentError::Parse { .. })
        ));
    }
}
