//! Why a build stopped. Each variant says its own level only; causes are the source.

use std::io;
use std::path::{Path, PathBuf};

use crate::artefact::ArtefactId;
use crate::manifest::ManifestError;
use crate::recipe::RecipeError;

/// Error of [`crate::Builder::build`] and [`crate::Builder::plan`].
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The recipe cannot be used.
    #[error("the bundle's recipe is not usable")]
    Recipe(#[from] RecipeError),
    /// The manifest cannot be read or written.
    #[error("the bundle's manifest is not usable")]
    Manifest(#[from] ManifestError),
    /// A file operation failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program that the builder runs is not installed.
    #[error("{tool} is not installed; Debian package: {package}")]
    MissingTool {
        /// The command's name.
        tool: String,
        /// What to install.
        package: &'static str,
    },
    /// A command ended badly.
    #[error("{artefact}: {program} ended with {status}; log: {log}; its last lines:\n{tail}")]
    Command {
        /// What was being made.
        artefact: ArtefactId,
        /// The command's name.
        program: String,
        /// How it ended.
        status: String,
        /// Its whole output.
        log: PathBuf,
        /// The last 20 lines of it.
        tail: String,
    },
    /// Too little room for the next step.
    #[error("{artefact} needs {need_mib} MiB below {path} while it is made, {have_mib} MiB are free")]
    DiskFull {
        /// What would be made.
        artefact: ArtefactId,
        /// Where.
        path: PathBuf,
        /// Peak need.
        need_mib: u64,
        /// Free for this user.
        have_mib: u64,
    },
    /// The old tree or store is mounted by a running node.
    #[error("{path} is in use by a mounted node; stop the lab before it is rebuilt")]
    InUse {
        /// What is mounted.
        path: PathBuf,
    },
    /// A part needs something that was not made.
    #[error("{artefact} needs {needs}, which is not there")]
    MissingPart {
        /// What was being made.
        artefact: ArtefactId,
        /// What is missing.
        needs: String,
    },
    /// Only a registry has it, and pulling is not possible.
    #[error("source `pull` is not available: no artefact of this recipe names a registry digest")]
    PullUnavailable,
}

/// Names the operation and the path of an I/O error.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, BuildError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, BuildError> {
        self.map_err(|source| BuildError::Io { action, path: path.to_owned(), source })
    }
}
