//! The six contracts of the lab.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A contract of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ContractId {
    /// Applications on the app clusters serve while the management cluster is down.
    C1,
    /// Metric agents buffer and deliver after recovery; what is lost is counted.
    C2,
    /// Synced Secrets outlive Vault, and their staleness is known.
    C3,
    /// Kyverno runs on app clusters only.
    C4,
    /// Self-signed CA first, Vault issuer second.
    C5,
    /// VXLAN tunnels in every cluster, and a full mesh.
    C6,
}

/// The cluster that contracts speak of as the management cluster.
pub const MANAGEMENT: &str = "mgmt";

/// What must be broken before a contract says anything: without it a pass would prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Premise {
    /// None: it holds always.
    Always,
    /// The management cluster is lost with all its nodes.
    ManagementLost,
    /// The management cluster, or something in it, is broken.
    ManagementHit,
}

impl ContractId {
    /// All of them, in order.
    pub const ALL: [ContractId; 6] = [Self::C1, Self::C2, Self::C3, Self::C4, Self::C5, Self::C6];

    /// What a drill must break before it can judge this contract.
    pub fn premise(self) -> Premise {
        match self {
            Self::C1 => Premise::ManagementLost,
            // Receiver and source of Secrets live on the management cluster; losing either is enough.
            Self::C2 | Self::C3 => Premise::ManagementHit,
            Self::C4 | Self::C5 | Self::C6 => Premise::Always,
        }
    }

    /// What must stay true, in one line.
    pub fn promise(self) -> &'static str {
        match self {
            Self::C1 => "applications on the app clusters serve while the management cluster is down",
            Self::C2 => {
                "each app cluster's metrics agent buffers and delivers after recovery; what is lost is counted"
            }
            Self::C3 => "synced Secrets outlive Vault, and their staleness is known",
            Self::C4 => "Kyverno runs on the app clusters only",
            Self::C5 => "the PKI comes in two phases: self-signed CA first, Vault issuer second",
            Self::C6 => "Cilium tunnels with VXLAN in every cluster, and the cluster mesh is full",
        }
    }
}

impl std::fmt::Display for ContractId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
