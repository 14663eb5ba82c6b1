//! Reads every artefact again and compares it with the manifest.

use std::path::Path;

use crate::digest;
use crate::error::BuildError;
use crate::graph::{Id, Kind};
use crate::manifest::{Artefact, Manifest, ManifestError};
use crate::state;
use crate::store::{self, StoreFault};

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
    /// It has not all of what its own manifest counts.
    Incomplete {
        /// What it lacks.
        what: String,
    },
    /// A part of it is not what its name says.
    Damaged {
        /// The part: what its SHA-256 was.
        part: String,
        /// SHA-256 of what is there.
        found: String,
    },
    /// It cannot be read.
    Unreadable {
        /// Why.
        cause: String,
    },
}

impl From<StoreFault> for Fault {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Missing(part) => Fault::Incomplete {
                what: format!("there is no {part}"),
            },
            StoreFault::Counts(what) => Fault::Incomplete { what },
            StoreFault::Blob { name, found } => Fault::Damaged { part: name, found },
            StoreFault::Unreadable(error) => unreadable(&error),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Missing => f.write_str("is missing"),
            Fault::Differs { found } => write!(f, "differs: its SHA-256 is now {found}"),
            Fault::Incomplete { what } => write!(f, "is incomplete: {what}"),
            Fault::Damaged { part, found } => {
                write!(f, "is damaged: the SHA-256 of its blob {part} is now {found}")
            }
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
        return store::check(&path).map_err(Fault::from);
    };
    let read = match artefact.kind {
        Kind::Tree | Kind::Chart => digest::of_tree(&path),
        _ => digest::of_file(&path),
    };
    match read {
        Ok((found, bytes)) if found == *expected => Ok(bytes),
        Ok((found, _)) => Err(Fault::Differs { found }),
        Err(error) => Err(unreadable(&error)),
    }
}

/// The error and its causes, of which the first says only where.
fn unreadable(error: &BuildError) -> Fault {
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        cause = format!("{cause}: {error}");
        source = error.source();
    }
    Fault::Unreadable { cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;
    use crate::store::{BLOBS, CONTAINERD, META_DB, SNAPSHOT_DB, SNAPSHOTS};
    use std::collections::BTreeMap;
    use std::fs;

    /// A cache whose only artefact is a store.
    fn cache() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let store = paths::store(dir.path());
        for (path, text) in [
            (META_DB, "m"),
            (SNAPSHOT_DB, "s"),
            (&format!("{SNAPSHOTS}/1/fs/file"), "f"),
            (&format!("{BLOBS}/{}", digest::of_bytes(b"blob")), "blob"),
        ] {
            let path = store.join(CONTAINERD).join(path);
            crate::durable::parent(&path).unwrap();
            fs::write(path, text).unwrap();
        }
        let counts = r#"{"schemaVersion": 1, "bytes": 7, "snapshots": 1, "blobs": 1}"#;
        fs::write(store.join("manifest.json"), counts).unwrap();
        let artefact = Artefact {
            path: store
                .strip_prefix(dir.path())
                .unwrap()
                .to_string_lossy()
                .into_owned(),
            kind: Kind::Store,
            name: "store".into(),
            recipe: "r".into(),
            sha256: None,
            bytes: None,
            image: None,
        };
        let manifest = Manifest {
            schema_version: crate::manifest::SCHEMA,
            set: "test".into(),
            profile: "core".into(),
            versions: BTreeMap::new(),
            artefacts: vec![artefact],
        };
        manifest.save(dir.path()).unwrap();
        dir
    }

    fn only_fault(cache: &Path) -> String {
        let report = verify(cache).unwrap();
        assert_eq!(report.findings.len(), 1, "{report:?}");
        report.findings[0].fault.to_string()
    }

    #[test]
    fn a_store_is_read_too() {
        let dir = cache();
        let report = verify(dir.path()).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.checked, report.bytes), (1, 4));
    }

    #[test]
    fn a_damaged_store_is_not_sound() {
        let dir = cache();
        let containerd = paths::store(dir.path()).join(CONTAINERD);
        fs::remove_dir_all(containerd.join(SNAPSHOTS).join("1")).unwrap();
        assert_eq!(
            only_fault(dir.path()),
            "is incomplete: it was made with 1 snapshots and has 0"
        );

        let dir = cache();
        let containerd = paths::store(dir.path()).join(CONTAINERD);
        fs::write(containerd.join(BLOBS).join(digest::of_bytes(b"blob")), "bl").unwrap();
        assert!(only_fault(dir.path()).starts_with("is damaged"));
    }
}
