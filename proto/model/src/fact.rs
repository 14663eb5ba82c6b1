//! Facts and conditions that an agent observes on its own node.

use crate::moment::Moment;
use serde::{Deserialize, Serialize};

/// A sample of a node's state. Sizes in bytes, taken from the node's own cgroup and file systems where they exist.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Load average over one minute, times 1000.
    pub load_milli: u64,
    /// Memory used by the node.
    pub memory_used: u64,
    /// The node's memory limit; 0 when there is none.
    pub memory_limit: u64,
    /// Bytes used on the node's writable disk.
    pub disk_used: u64,
    /// Size of the node's writable disk.
    pub disk_size: u64,
    /// Memory pressure stall, share of the last 10 s in thousandths; None without PSI.
    pub psi_memory_milli: Option<u64>,
    /// CPU pressure stall, as above.
    #[serde(default)]
    pub psi_cpu_milli: Option<u64>,
    /// I/O pressure stall, as above.
    #[serde(default)]
    pub psi_io_milli: Option<u64>,
    /// The three stalls are of the whole machine that the node runs on, perhaps beside others: its own are not measured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub psi_of_machine: bool,
    /// CPU milliseconds the node has used since it booted; 0 when unknown.
    pub cpu_ms: u64,
    /// Resident memory of the agent's own processes.
    pub agent_rss: u64,
}

/// A condition in the Kubernetes style.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// CamelCase type, for example `KubeletRunning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// CamelCase reason.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Since when the status has been so.
    pub since: Moment,
}

impl Condition {
    /// Whether it is as one wants it: pressure when it is not there, everything else when it is.
    pub fn is_good(&self) -> bool {
        let wanted = if self.kind.ends_with("Pressure") {
            ConditionStatus::False
        } else {
            ConditionStatus::True
        };
        self.status == wanted
    }
}

/// Three values: what is not known is not healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}
