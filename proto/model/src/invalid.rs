//! The one error of every validated value: which field, what was found, which rule it breaks.

/// A value that breaks a rule. `field` is a path such as `clusters[1].podCidr`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {found:?} {rule}")]
pub struct Invalid {
    /// Path of the field from the document's root, or the name of the type for a bare value.
    pub field: String,
    /// What was found, shortened to 80 characters.
    pub found: String,
    /// The rule as a phrase that follows the value: `is not a DNS-1123 label`.
    pub rule: String,
}

impl Invalid {
    /// Builds the error; `found` is cut to 80 characters so that hostile input cannot flood a terminal.
    pub fn new(field: impl Into<String>, found: impl AsRef<str>, rule: impl Into<String>) -> Self {
        let found = found
            .as_ref()
            .chars()
            .filter(|c| !c.is_control())
            .take(80)
            .collect();
        Self {
            field: field.into(),
            found,
            rule: rule.into(),
        }
    }

    /// The same error with `prefix.` before its field path.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.field = format!("{prefix}.{}", self.field);
        self
    }
}
