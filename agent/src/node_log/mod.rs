//! What this node hands over for a support bundle: the ends of its units' journals, and facts of its disks and groups.
//!
//! Runs as root in a unit of its own, as only that may read the journal; changes nothing. Secrets are taken out before the
//! text is cut, so that no part of one is left at the cut.

mod facts;
mod journal;

use crate::durable;
use crate::paths::Paths;
use model::node_log::{NodeLog, last_lines};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Without secrets and control characters other than line ends; whole lines, the newest last.
    pub text: String,
    /// Older lines were left out.
    pub cut: bool,
    /// Why nothing could be read.
    pub trouble: Option<String>,
}

/// Reads `log`, at most `most` bytes of it.
pub fn read(paths: &Paths, log: NodeLog, most: usize) -> Account {
    let most = most.min(NodeLog::MOST_BYTES);
    let read = match log {
        NodeLog::Facts => Ok((facts::look(paths).to_string(), false)),
        _ => journal::newest(log.units()),
    };
    match read {
        Ok((text, cut)) => {
            let (text, shortened) = last_lines(&text, most);
            Account {
                text: text.to_owned(),
                cut: cut || shortened,
                trouble: None,
            }
        }
        Err(error) => Account {
            text: String::new(),
            cut: false,
            trouble: Some(model::causes::chain(&error)),
        },
    }
}

/// Reads `log` and leaves the account in `file`.
///
/// # Errors
/// When the file cannot be written.
pub fn read_file(paths: &Paths, log: NodeLog, most: usize, file: &Path) -> io::Result<()> {
    let bytes = serde_json::to_vec(&read(paths, log, most)).map_err(io::Error::other)?;
    durable::replace(file, &bytes, 0o600)
}
