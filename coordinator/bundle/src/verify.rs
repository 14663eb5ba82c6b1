//! Reads every artefact again and compares it with the manifest.

use std::path::Path;

use crate::digest;
use crate::graph::{Id, Kind};
use crate::manifest::{Artefact, Manifest, ManifestError};
use crate::state;
use crate::store::{CONTAINERD, META_DB, SNAPSHOT_DB};

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Artefacts looked at.
    pub checked: usize,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong, in the manifest's order; empty when all is well.
    pub findings: Vec<Finding>,
}

/// One artefact that is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its path relative to the cache folder.
    pub path: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with an artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// Its content is not what was built.
    Differs {
        /// SHA-256 of what is there.
        found: String,
    },
    /// It cannot be read.
    Unreadable {
        /// Why.
        cause: String,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Missing => f.write_str("is missing"),
            Fault::Differs { found } => write!(f, "differs: its SHA-256 is now {found}"),
            Fault::Unreadable { cause } => write!(f, "cannot be read: {cause}"),
        }
    }
}

impl VerifyReport {
    /// Nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies a cache against its manifest. What is wrong is made again by the next build, also where a file looks untouched.
///
/// # Errors
/// When there is no readable manifest. What is wrong with artefacts is in the report.
pub fn verify(cache: &Path) -> Result<VerifyReport, ManifestError> {
    let manifest = Manifest::load(cache)?;
    let mut report = VerifyReport {
        checked: 0,
        bytes: 0,
        findings: Vec::new(),
    };
    for artefact in &manifest.artefacts {
        report.checked += 1;
        match look(cache, artefact) {
            Ok(bytes) => report.bytes += bytes,
            Err(fault) => {
                if let Err(error) = state::doubt(cache, &Id::new(artefact.kind, &artefact.name)) {
                    tracing::warn!(path = artefact.path, %error, "the next build may take it for sound");
                }
                report.findings.push(Finding {
                    path: artefact.path.clone(),
                    fault,
                });
            }
        }
    }
    Ok(report)
}

fn look(cache: &Path, artefact: &Artefact) -> Result<u64, Fault> {
    let path = cache.join(&artefact.path);
    if !path.exists() {
        return Err(Fault::Missing);
    }
    let Some(expected) = &artefact.sha256 else {
        let whole = [META_DB, SNAPSHOT_DB]
            .iter()
            .all(|db| path.join(CONTAINERD).join(db).is_file());
        return if whole { Ok(0) } else { Err(Fault::Missing) };
    };
    let read = match artefact.kind {
        Kind::Tree | Kind::Chart => digest::of_tree(&path),
        _ => digest::of_file(&path),
    };
    match read {
        Ok((found, bytes)) if found == *expected => Ok(bytes),
        Ok((found, _)) => Err(Fault::Differs { found }),
        Err(error) => Err(Fault::Unreadable {
            cause: error.to_string(),
        }),
    }
}
