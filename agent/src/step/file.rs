//! The two files of an attempt: the order with its secret (tmpfs, root only) and the result (durable).

use crate::durable;
use crate::paths::Paths;
use model::ids::{Attempt, BootId, NodeName, StepId};
use model::step::{StepOrder, StepOutcome};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What the unit reads.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// The order.
    pub order: StepOrder,
    /// The node.
    pub node: NodeName,
    /// The secret that the step takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for StepFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepFile")
            .field("order", &self.order)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl StepFile {
    /// Reads the file.
    pub fn read(path: &Path) -> io::Result<Self> {
        serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
    }
}

/// What the unit leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepResult {
    /// The step.
    pub step: StepId,
    /// The attempt.
    pub attempt: Attempt,
    /// The boot in which it ran.
    pub boot: BootId,
    /// How it ended.
    pub outcome: StepOutcome,
}

impl StepResult {
    /// Reads the result of an attempt; `None` when there is none.
    pub fn read(paths: &Paths, step: StepId, attempt: Attempt) -> io::Result<Option<Self>> {
        let path = Paths::attempt(&paths.results(), step, attempt, "json");
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Leaves the result, durable before anybody can see it.
    pub fn write(&self, paths: &Paths) -> io::Result<()> {
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        durable::replace(
            &Paths::attempt(&paths.results(), self.step, self.attempt, "json"),
            &bytes,
            0o600,
        )
    }
}
