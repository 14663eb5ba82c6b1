//! Faults: the closed list of what a drill may break, and on whose side each is broken and mended.
//!
//! A fault names things by stable identity (unit, manifest, label, address), never by a container's or a process's id:
//! what was broken must be found again by somebody who was not there, after whatever restarted meanwhile.

use crate::fault_parts::{KeepMib, LagSeconds, NodeUnit, Peers, Percent, StaticPod, Volume, Workload};
use crate::ids::{ClusterName, NodeName};
use serde::{Deserialize, Serialize};

/// A fault that a node's agent injects and undoes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeFault {
    /// Stops a systemd service; undone by starting it.
    StopUnit {
        /// Which.
        unit: NodeUnit,
    },
    /// Takes a static pod's manifest away from kubelet and kills its containers; undone by putting the manifest back.
    StopStaticPod {
        /// Which.
        pod: StaticPod,
    },
    /// Freezes all containers of the pods that match, in place; undone by letting them go on.
    PauseWorkload {
        /// Which pods on this node.
        workload: Workload,
    },
    /// Kills all containers of the pods that match, once. Kubelet starts them anew, so there is nothing to undo.
    KillWorkload {
        /// Which pods on this node.
        workload: Workload,
    },
    /// Drops every packet between this node and the peers, in both directions.
    CutPeers {
        /// Addresses of the peers.
        peers: Peers,
    },
    /// Drops a share of the packets to and from the peers, at random.
    LosePackets {
        /// Addresses of the peers.
        peers: Peers,
        /// Share of packets that is dropped in each direction.
        percent: Percent,
    },
    /// Drops DNS queries (port 53, UDP and TCP) of the node and of the pods that are on it when the fault is injected.
    DropDns {},
    /// Fills a volume with a file of ours until so much is left.
    FillDisk {
        /// Which.
        volume: Volume,
        /// What stays free, so that the node can still mend itself.
        keep: KeepMib,
    },
    /// Saves a snapshot of etcd, and some time later takes etcd's data away; undone by restoring the snapshot.
    LoseEtcdData {
        /// How long after the snapshot: what is written meanwhile does not come back.
        lag: LagSeconds,
    },
}

/// A fault that the launcher injects and undoes on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum HostFault {
    /// The node loses power; undone by starting it again on the disk it has.
    PowerLoss {
        /// Which.
        node: NodeName,
    },
    /// The node's processes stand still; undone by letting them go on.
    Freeze {
        /// Which.
        node: NodeName,
    },
    /// The node's port on the bridge is down; undone by setting it up.
    LinkDown {
        /// Which.
        node: NodeName,
    },
    /// Drops every packet between two clusters at the bridge.
    CutClusters {
        /// One side.
        one: ClusterName,
        /// The other.
        other: ClusterName,
    },
}

/// Any fault with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// On a node, by its agent.
    Node {
        /// Which node.
        node: NodeName,
        /// What.
        inject: NodeFault,
    },
    /// On the host, by the launcher.
    Host {
        /// What.
        inject: HostFault,
    },
}

impl Fault {
    /// The kind, for capabilities and reports.
    pub fn kind(&self) -> FaultKind {
        match self {
            Fault::Node { inject, .. } => inject.kind(),
            Fault::Host { inject } => inject.kind(),
        }
    }

    /// The node that it is about; None for a cut between clusters.
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Fault::Node { node, .. } => Some(node),
            Fault::Host { inject } => inject.node(),
        }
    }

    /// `mgmt-cp stop_unit`, `host cut_clusters`.
    pub fn label(&self) -> String {
        let place = self.node().map_or("host", NodeName::as_str);
        format!("{place} {}", self.kind())
    }
}

impl NodeFault {
    /// The kind.
    pub fn kind(&self) -> FaultKind {
        match self {
            NodeFault::StopUnit { .. } => FaultKind::StopUnit,
            NodeFault::StopStaticPod { .. } => FaultKind::StopStaticPod,
            NodeFault::PauseWorkload { .. } => FaultKind::PauseWorkload,
            NodeFault::KillWorkload { .. } => FaultKind::KillWorkload,
            NodeFault::CutPeers { .. } => FaultKind::CutPeers,
            NodeFault::LosePackets { .. } => FaultKind::LosePackets,
            NodeFault::DropDns {} => FaultKind::DropDns,
            NodeFault::FillDisk { .. } => FaultKind::FillDisk,
            NodeFault::LoseEtcdData { .. } => FaultKind::LoseEtcdData,
        }
    }
}

impl HostFault {
    /// The kind.
    pub fn kind(&self) -> FaultKind {
        match self {
            HostFault::PowerLoss { .. } => FaultKind::PowerLoss,
            HostFault::Freeze { .. } => FaultKind::Freeze,
            HostFault::LinkDown { .. } => FaultKind::LinkDown,
            HostFault::CutClusters { .. } => FaultKind::CutClusters,
        }
    }

    /// The node that it is about.
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            HostFault::PowerLoss { node } | HostFault::Freeze { node } | HostFault::LinkDown { node } => {
                Some(node)
            }
            HostFault::CutClusters { .. } => None,
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)+) => {
        /// Every kind that a drill may name, also those that no provider of this release can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultKind {
            $($(#[$doc])* $name,)+
        }

        impl FaultKind {
            /// All kinds.
            pub const ALL: &'static [FaultKind] = &[$(FaultKind::$name),+];

            /// The snake-case name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(FaultKind::$name => $text,)+
                }
            }
        }
    };
}

kinds! {
    /// [`NodeFault::StopUnit`]
    StopUnit => "stop_unit",
    /// [`NodeFault::StopStaticPod`]
    StopStaticPod => "stop_static_pod",
    /// [`NodeFault::PauseWorkload`]
    PauseWorkload => "pause_workload",
    /// [`NodeFault::KillWorkload`]
    KillWorkload => "kill_workload",
    /// [`NodeFault::CutPeers`]
    CutPeers => "cut_peers",
    /// [`NodeFault::LosePackets`]
    LosePackets => "lose_packets",
    /// [`NodeFault::DropDns`]
    DropDns => "drop_dns",
    /// [`NodeFault::FillDisk`]
    FillDisk => "fill_disk",
    /// [`NodeFault::LoseEtcdData`]
    LoseEtcdData => "lose_etcd_data",
    /// [`HostFault::PowerLoss`]
    PowerLoss => "power_loss",
    /// [`HostFault::Freeze`]
    Freeze => "freeze",
    /// [`HostFault::LinkDown`]
    LinkDown => "link_down",
    /// [`HostFault::CutClusters`]
    CutClusters => "cut_clusters",
    /// A clock that goes wrong.
    ClockSkew => "clock_skew",
    /// Packets that come late.
    Latency => "latency",
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_round_trips_and_unknown_fields_are_refused() {
        let text = r#"{"on":"node","node":"mgmt-cp","inject":{"fault":"cut_peers","peers":["10.0.0.2"]}}"#;
        let fault: Fault = serde_json::from_str(text).expect("valid");
        assert_eq!(serde_json::to_string(&fault).expect("text"), text);
        assert_eq!(fault.label(), "mgmt-cp cut_peers");
        let more = text.replace("\"peers\"", "\"command\":\"sh\",\"peers\"");
        assert!(serde_json::from_str::<Fault>(&more).is_err());
    }
}
