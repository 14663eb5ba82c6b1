//! What the transient unit of a step runs: reads the typed step, performs it, leaves a result file.

mod api;
mod cgroup;
mod containerd;
mod ended;
mod file;
mod images;
mod init;
mod join;
mod kube_probe;
mod kubeadm;
mod kubeadm_config;
mod node;
mod patience;
mod pki_probe;
mod preflight;
mod prepare;
mod probe;
mod run;
pub(crate) mod systemd;

pub use ended::{UnitEnd, ended};
pub use file::{StepFile, StepResult};
pub use prepare::write_static as prepare_static;
pub use probe::{probe, probe_file};
pub use run::run_file;

use crate::codes;
use crate::command::CommandError;
use crate::paths::Paths;
use model::ids::NodeName;
use std::path::PathBuf;

/// What every part of a step may know: where things are and which node this is.
#[derive(Debug, Clone)]
pub struct Context {
    /// Paths of the node.
    pub paths: Paths,
    /// The node's name, from the root helper's own configuration.
    pub node: NodeName,
    /// Where progress lines go; `None` in probes.
    pub progress: Option<PathBuf>,
}

pub(crate) use api::is_ready as is_api_ready;
pub(crate) use patience::until;

/// Names of the images in containerd's store; `None` when it cannot be asked.
pub(crate) fn in_store() -> Option<std::collections::BTreeSet<String>> {
    images::in_store().ok()
}

/// The image of every pod's sandbox.
pub(crate) fn sandbox_image() -> &'static str {
    containerd::SANDBOX_IMAGE
}

impl Context {
    /// Says what the step waits for or does now. Losing such a line is harmless, so errors are not told.
    pub fn say(&self, message: &str) {
        println!("{message}");
        if let Some(path) = &self.progress {
            let _ = std::fs::write(path, message);
        }
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file or a mount could not be made.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something that must be on the node is not there.
    #[error("{what} is not on this node")]
    Missing {
        /// What.
        what: String,
    },
    /// The node has served; what is there is not what the step would make.
    #[error("this node has served, and {found}; a person decides")]
    Served {
        /// What was found.
        found: String,
    },
    /// The secret that came with the order cannot be used.
    #[error("the join secret {0}")]
    Secret(&'static str),
    /// The lease of a fault does not allow it.
    #[error("the lease {0}")]
    Lease(&'static str),
    /// Something did not come true in time.
    #[error("{what} not within {seconds} s; last seen: {last}")]
    TimedOut {
        /// What was awaited.
        what: &'static str,
        /// How long.
        seconds: u64,
        /// The last state.
        last: String,
    },
}

impl StepError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            StepError::Command(_) => codes::COMMAND,
            StepError::Io { .. } => codes::STEP,
            StepError::Missing { .. } => codes::MISSING,
            StepError::Served { .. } => codes::SERVED,
            StepError::Secret(_) => codes::SECRET,
            StepError::Lease(_) => codes::LEASE,
            StepError::TimedOut { .. } => codes::TIMEOUT,
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> StepError {
        let path = path.into();
        move |source| StepError::Io { action, path, source }
    }

    /// The whole chain of causes in one line.
    pub fn chain(&self) -> String {
        model::causes::chain(self)
    }
}
