//! Reading what people write: YAML without unknown keys, checked against rules that types alone do not express.

use model::Invalid;
use serde::de::DeserializeOwned;

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not YAML, or a wrong type, or an unknown key.
    #[error("{file} cannot be read as a {kind}")]
    Parse {
        /// The file.
        file: String,
        /// What it should be, in a word.
        kind: &'static str,
        /// What the parser found, with the field's path.
        #[source]
        source: serde_norway::Error,
    },
    /// One or more values break a rule.
    #[error("{file} breaks {} rule(s): {}", broken.len(), broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rules {
        /// The file.
        file: String,
        /// Every broken rule, with the field's path.
        broken: Vec<Invalid>,
    },
}

/// Reads and checks a document; every broken rule is reported, not just the first.
pub(crate) fn read<T: DeserializeOwned>(
    file: &str,
    kind: &'static str,
    text: &str,
    check: impl FnOnce(&T) -> Vec<Invalid>,
) -> Result<T, DocumentError> {
    let file = || file.to_owned();
    let document = serde_norway::from_str(text).map_err(|source| DocumentError::Parse {
        file: file(),
        kind,
        source,
    })?;
    let broken = check(&document);
    if broken.is_empty() {
        return Ok(document);
    }
    Err(DocumentError::Rules { file: file(), broken })
}
