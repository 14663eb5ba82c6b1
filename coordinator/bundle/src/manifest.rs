//! `bundle/manifest.json`: every artefact with its digest. Sorted, without times, the same for two builds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{At, BuildError};
use crate::graph::Kind;
use crate::{durable, paths};

/// The manifest's schema version.
pub(crate) const SCHEMA: u32 = 1;

/// What the bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    /// Version of this document's form.
    pub schema_version: u32,
    /// Name of the version set.
    pub set: String,
    /// The profile it was made for.
    pub profile: String,
    /// Version of each piece of software.
    pub versions: BTreeMap<String, String>,
    /// Sorted by path.
    pub artefacts: Vec<Artefact>,
}

/// One artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Artefact {
    /// Relative to the cache folder; a folder for trees, charts and the store.
    pub path: String,
    /// Its kind.
    pub kind: Kind,
    /// Its name in the description.
    pub name: String,
    /// Digest of everything that went in.
    pub recipe: String,
    /// SHA-256 of the file, or of a folder's paths, modes, owners and contents. Absent for the store, whose
    /// databases carry times; it is checked by its own manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes of its files; absent where the digest is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// For images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRecord>,
}

/// An image's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageRecord {
    /// What nodes know it by.
    pub reference: String,
    /// Digest of its configuration: the image id that the kubelet shows.
    pub config_digest: String,
    /// Digest of its manifest.
    pub manifest_digest: String,
    /// Bytes of its layers as stored; for built images they are not compressed.
    pub layer_bytes: u64,
    /// The digest it was pulled by; absent for a built image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulled: Option<String>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It cannot be read; most often the bundle was never built.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// It is not of this schema.
    #[error("{} does not follow schema {SCHEMA}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
}

impl ManifestError {
    /// Nothing has been built yet.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, ManifestError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

impl Manifest {
    /// Reads the cache's manifest.
    ///
    /// # Errors
    /// When it is absent or not of this schema.
    pub fn load(cache: &Path) -> Result<Self, ManifestError> {
        let path = paths::manifest(cache);
        let bytes = std::fs::read(&path).map_err(|source| ManifestError::Read {
            path: path.clone(),
            source,
        })?;
        serde_json::from_slice(&bytes).map_err(|source| ManifestError::Parse { path, source })
    }

    /// The artefact of that kind and name.
    #[must_use]
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Artefact> {
        self.artefacts.iter().find(|a| a.kind == kind && a.name == name)
    }

    pub(crate) fn save(&self, cache: &Path) -> Result<(), BuildError> {
        let path = paths::manifest(cache);
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::from)
            .at("encode", &path)?;
        text.push(b'\n');
        durable::write(&path, &text)
    }
}
