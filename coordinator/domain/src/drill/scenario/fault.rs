//! What can be broken. Every fault is a lease: it ends by itself when nobody ends it.

use model::ids::{ClusterName, NodeName};
use model::step::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing to break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Name within the drill; a DNS label.
    pub name: String,
    /// What is done.
    pub inject: FaultKind,
    /// Seconds after the outage began; 0 is its beginning.
    #[serde(default)]
    pub at_seconds: u64,
    /// How long the lease outlives the planned end of the outage, seconds: the time that an orderly undo has.
    #[serde(default = "Fault::margin")]
    pub lease_margin_seconds: u64,
}

impl Fault {
    fn margin() -> u64 {
        60
    }
}

/// The kinds of fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The plug is pulled; undone by switching on again.
    NodePowerLoss {
        /// Nodes.
        targets: Vec<Target>,
    },
    /// All processes of the node stand still: peers see a black hole, not a refusal.
    NodeFreeze {
        /// Nodes.
        targets: Vec<Target>,
    },
    /// No packet passes between the nodes of two clusters.
    NetworkCut {
        /// Exactly two clusters.
        between: Vec<ClusterName>,
    },
    /// A process on nodes is held stopped.
    ProcessStop {
        /// Nodes.
        targets: Vec<Target>,
        /// Which.
        process: Process,
    },
    /// Names cannot be resolved on nodes and in their pods.
    DnsBlock {
        /// Nodes.
        targets: Vec<Target>,
    },
    /// A share of the packets between these nodes and all other nodes of the lab is dropped, in each direction.
    PacketLoss {
        /// Nodes.
        targets: Vec<Target>,
        /// 1 to 100.
        percent: u8,
    },
    /// etcd's data is lost some time after a snapshot of it was saved; undone by restoring the snapshot.
    EtcdDataLoss {
        /// Control planes.
        targets: Vec<Target>,
        /// How long after the snapshot the data is lost, 0 to 30 s: what is written meanwhile does not come back.
        #[serde(rename = "lagSeconds")]
        lag_seconds: u8,
    },
    /// `/var/lib/kubelet` of nodes is filled until 64 MiB are free.
    DiskFull {
        /// Nodes.
        targets: Vec<Target>,
    },
    /// All processes of the pods that carry a label stand still, on these nodes.
    WorkloadPause {
        /// Nodes.
        targets: Vec<Target>,
        /// Namespace.
        namespace: String,
        /// Key of the label.
        label: String,
        /// Its value.
        value: String,
        /// Capability that these pods provide, `x` of the first target's cluster or `CLUSTER/x`: who needs it will miss it. Where
        /// nobody provides it there is nothing to pause.
        needs: String,
    },
    /// Pods of a workload are deleted once and come again by themselves; there is nothing to undo.
    PodDelete {
        /// Cluster.
        cluster: ClusterName,
        /// Namespace.
        namespace: String,
        /// Label selector, for example `app=prometheus-agent`.
        selector: String,
        /// Capability of the cluster that these pods provide: who needs it will miss it. Where nobody provides it there is nothing
        /// to delete.
        needs: String,
    },
}

/// Processes that can be held stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    /// kubelet
    Kubelet,
    /// containerd
    Containerd,
    /// kube-apiserver
    Apiserver,
    /// etcd
    Etcd,
}

/// Nodes to be hit: all of a cluster, those of one role, or one by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// Cluster; exactly one of `cluster` and `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// Only this role of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// One node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
}

impl FaultKind {
    /// The selectors of nodes; empty for faults that are not about nodes.
    pub fn targets(&self) -> &[Target] {
        match self {
            Self::NodePowerLoss { targets }
            | Self::NodeFreeze { targets }
            | Self::ProcessStop { targets, .. }
            | Self::DnsBlock { targets }
            | Self::WorkloadPause { targets, .. }
            | Self::PacketLoss { targets, .. }
            | Self::EtcdDataLoss { targets, .. }
            | Self::DiskFull { targets } => targets,
            Self::NetworkCut { .. } | Self::PodDelete { .. } => &[],
        }
    }

    /// The capability without which there is nothing to break.
    pub fn needs(&self) -> Option<&str> {
        match self {
            Self::WorkloadPause { needs, .. } | Self::PodDelete { needs, .. } => Some(needs),
            _ => None,
        }
    }

    /// The word of the file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NodePowerLoss { .. } => "node_power_loss",
            Self::NodeFreeze { .. } => "node_freeze",
            Self::NetworkCut { .. } => "network_cut",
            Self::ProcessStop { .. } => "process_stop",
            Self::DnsBlock { .. } => "dns_block",
            Self::PacketLoss { .. } => "packet_loss",
            Self::EtcdDataLoss { .. } => "etcd_data_loss",
            Self::DiskFull { .. } => "disk_full",
            Self::WorkloadPause { .. } => "workload_pause",
            Self::PodDelete { .. } => "pod_delete",
        }
    }
}
