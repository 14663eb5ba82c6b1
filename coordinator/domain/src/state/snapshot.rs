//! A state as bytes: what a log that retention has shortened begins with.
//!
//! Fields that a later release adds need `#[serde(default)]`, so that it reads what this one wrote.

use super::State;
use model::ids::Revision;
use serde::{Deserialize, Serialize};

/// Version of the form.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    state: &'a State,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    state: State,
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not one.
    #[error("the snapshot of the state cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// A later release wrote it.
    #[error("the snapshot has version {0}, this release reads {VERSION}")]
    Version(u32),
    /// It is of another place in the log.
    #[error("the snapshot is of revision {found}, not of {expected}")]
    Revision {
        /// Where it was kept.
        expected: Revision,
        /// Where it belongs.
        found: Revision,
    },
}

impl State {
    /// Everything but the plan, which is stored beside the log.
    pub fn snapshot(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Written {
            version: VERSION,
            state: self,
        })
    }

    /// The state as it was at `revision`.
    pub fn restore(revision: Revision, bytes: &[u8]) -> Result<State, SnapshotError> {
        let read: Read = serde_json::from_slice(bytes).map_err(SnapshotError::Malformed)?;
        if read.version != VERSION {
            return Err(SnapshotError::Version(read.version));
        }
        if read.state.revision != revision {
            return Err(SnapshotError::Revision {
                expected: revision,
                found: read.state.revision,
            });
        }
        Ok(read.state)
    }
}
