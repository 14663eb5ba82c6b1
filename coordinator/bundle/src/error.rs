//! Why a build stopped. Each text says only its own level; the cause is the error's source.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::manifest::ManifestError;
use crate::pull::PullError;
use crate::spec::SpecError;

/// Why the bundle could not be made. Nothing half-made stands under a final name after any of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A file operation failed.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// `bundle.yaml` is not usable.
    #[error("the bundle's description is not usable")]
    Spec(#[from] SpecError),
    /// An earlier manifest is not readable.
    #[error("the bundle's manifest is not usable")]
    Manifest(#[from] ManifestError),
    /// An image could not be pulled.
    #[error("cannot pull the image of {artefact}")]
    Pull {
        /// The image's name in `bundle.yaml`.
        artefact: String,
        /// What the registry or the network said.
        #[source]
        source: PullError,
    },
    /// Another builder works on the same cache.
    #[error("another builder holds {}", path.display())]
    Locked {
        /// The lock file; it names the holder's process id.
        path: PathBuf,
    },
    /// Not enough room; checked before anything is built.
    #[error("building needs {need_mib} MiB at {}, which has {have_mib} MiB free", path.display())]
    NoSpace {
        /// The cache folder.
        path: PathBuf,
        /// MiB needed at the peak.
        need_mib: u64,
        /// MiB free now.
        have_mib: u64,
    },
    /// A tool that building needs is not installed.
    #[error("the tool `{tool}` that builds {artefact} cannot be started")]
    MissingTool {
        /// The command.
        tool: String,
        /// What it was to build.
        artefact: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A tool failed.
    #[error("building {artefact} failed: {status}; log {}, which ends with:\n{tail}", log.display())]
    Failed {
        /// What was being built.
        artefact: String,
        /// The tool's exit status.
        status: String,
        /// The whole log.
        log: PathBuf,
        /// The log's last 20 lines.
        tail: String,
    },
    /// A tool did not end.
    #[error(
        "`{command}` for {artefact} did not end within {limit:?} and was killed; run it by hand and see what it waits for"
    )]
    Hung {
        /// The command.
        command: String,
        /// What it was to make or to tell.
        artefact: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The description names another version than the module pins: a label must say what is really inside.
    #[error("module {module} pins {of} at {found}, and the description says {said}")]
    VersionDiffers {
        /// The module's folder.
        module: String,
        /// The Go module path.
        of: String,
        /// The version in go.mod.
        found: String,
        /// The version in the description.
        said: String,
    },
    /// An image is larger than its description allows.
    #[error("image {image} is {mib} MiB unpacked, more than its limit of {limit_mib} MiB")]
    TooLarge {
        /// The image's name.
        image: String,
        /// Its unpacked size.
        mib: u64,
        /// The limit.
        limit_mib: u64,
    },
    /// Nodes run on what would be replaced.
    #[error("{} is in use by running nodes and must be rebuilt; take the lab down first", path.display())]
    InUse {
        /// The tree.
        path: PathBuf,
    },
    /// A tool's answer was not understood.
    #[error("unexpected answer of `{tool}`: {answer}")]
    Answer {
        /// The command.
        tool: String,
        /// What it printed.
        answer: String,
    },
}

/// Adds what was tried, and on what, to an I/O error.
pub(crate) trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, BuildError>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, BuildError> {
        self.map_err(|source| BuildError::Io {
            doing,
            path: path.to_owned(),
            source,
        })
    }
}
