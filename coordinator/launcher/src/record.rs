//! What the launcher knows about a node, on disk before anything of the node exists.
//!
//! `down` and a second `ensure` trust this record before Terraform's state: it is written and synced first, so whatever
//! a crash leaves behind is found again.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::error::LaunchError;
use crate::files::write_durably;
use crate::process::ProcessId;
use crate::spec::{LabHandle, NodeSpec};

/// How far the making of a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Being made; nothing has run in it, so it may be made from scratch again.
    Creating,
    /// Its disk is complete. From here on it is never made anew, only started.
    Created,
}

/// The record of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRecord {
    /// Version of this layout.
    pub schema: u32,
    /// The lab it belongs to.
    pub lab: String,
    /// The provider that made it, `nspawn` or `multipass`.
    pub provider: String,
    /// What was asked for.
    pub spec: NodeSpec,
    /// Told apart from earlier nodes of the same name: milliseconds since 1970 at which it was first recorded.
    pub generation: u64,
    /// How far it has come.
    pub stage: Stage,
    /// The process that keeps it running, when it was last started.
    pub process: Option<ProcessId>,
}

const SCHEMA: u32 = 1;

impl NodeRecord {
    /// A record for a node that is about to be made.
    #[must_use]
    pub fn new(lab: &LabHandle, provider: &str, spec: &NodeSpec) -> Self {
        Self {
            schema: SCHEMA,
            lab: lab.lab.clone(),
            provider: provider.to_owned(),
            spec: spec.clone(),
            generation: u64::try_from(now().0 / 1000).unwrap_or(0),
            stage: Stage::Creating,
            process: None,
        }
    }

    /// The record of a node, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(lab: &LabHandle, node: &str) -> Result<Option<Self>, LaunchError> {
        let path = lab.node_dir(node).join("node.json");
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(LaunchError::io("read", &path))?,
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| LaunchError::Json {
                what: path.display().to_string(),
                source,
            })
    }

    /// Writes the record durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, lab: &LabHandle) -> Result<(), LaunchError> {
        let path = lab.node_dir(&self.spec.name).join("node.json");
        let text = serde_json::to_string_pretty(self).map_err(|source| LaunchError::Json {
            what: path.display().to_string(),
            source,
        })?;
        write_durably(&path, text.as_bytes(), 0o600)
    }

    /// Names of all nodes that have a folder below the lab's home.
    #[must_use]
    pub fn names(nodes_dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(nodes_dir)
            .into_iter()
            .flat_map(|entries| entries.flatten())
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
            .filter_map(|e| e.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Takes over what may change in place, and refuses the rest.
    ///
    /// # Errors
    /// [`LaunchError::SpecDiffers`] for a change that would need another node.
    pub fn accept(&mut self, wanted: &NodeSpec) -> Result<(), LaunchError> {
        let have = &self.spec;
        let fixed = [
            ("role", have.role.clone(), wanted.role.clone()),
            ("address", have.address.to_string(), wanted.address.to_string()),
            ("prefix", have.prefix.to_string(), wanted.prefix.to_string()),
            ("gateway", have.gateway.to_string(), wanted.gateway.to_string()),
            ("disk_gib", have.disk_gib.to_string(), wanted.disk_gib.to_string()),
        ];
        for (field, recorded, wanted_value) in fixed {
            if recorded != wanted_value {
                return Err(LaunchError::SpecDiffers {
                    node: have.name.clone(),
                    field,
                    recorded,
                    wanted: wanted_value,
                });
            }
        }
        self.spec = wanted.clone();
        Ok(())
    }
}
