//! What the faults take away of what others need: whole clusters, single capabilities, ways between two clusters. What
//! cannot be told, since no component folder says which pods are on which node, is said to be not known.

use super::stated::{APISERVER, ETCD};
use super::{BlastRadius, PlannedFault, Present, resolve};
use crate::drill::scenario::{FaultKind, Process};
use model::ids::{ClusterName, NodeName};
use model::lab::{Cluster, Lab};
use model::step::Role;
use std::collections::BTreeSet;

/// What is away while the outage lasts.
#[derive(Debug, Default)]
pub(super) struct Lost {
    clusters: BTreeSet<ClusterName>,
    /// (cluster, capability, or one of Kubernetes' own parts): nobody provides it.
    capabilities: BTreeSet<(String, String)>,
    /// (cluster, who): stands still itself, so that its own needs matter for its return.
    members: BTreeSet<(String, String)>,
    /// Pairs of clusters between which nothing passes.
    cuts: Vec<[ClusterName; 2]>,
}

impl Lost {
    pub(super) fn of(lab: &Lab, faults: &[PlannedFault], present: &Present, radius: &BlastRadius) -> Self {
        let mut lost = Self {
            clusters: radius.clusters_lost.iter().cloned().collect(),
            ..Self::default()
        };
        for fault in faults {
            lost.take(lab, fault, present);
        }
        lost
    }

    fn take(&mut self, lab: &Lab, fault: &PlannedFault, present: &Present) {
        match &fault.inject {
            FaultKind::NodePowerLoss { .. }
            | FaultKind::NodeFreeze { .. }
            | FaultKind::EtcdDataLoss { .. }
            | FaultKind::ProcessStop {
                process: Process::Etcd,
                ..
            } => {
                for cluster in controlled_by(lab, &fault.nodes) {
                    // An API server without its etcd answers nothing.
                    self.part(cluster, ETCD);
                    self.part(cluster, APISERVER);
                }
            }
            FaultKind::ProcessStop {
                process: Process::Apiserver,
                ..
            } => {
                for cluster in controlled_by(lab, &fault.nodes) {
                    self.part(cluster, APISERVER);
                }
            }
            FaultKind::WorkloadPause { .. } | FaultKind::PodDelete { .. } => {
                if let Some((cluster, what)) = resolve::needed(&fault.inject, lab) {
                    // Deleted pods come again whatever else is away; paused ones may be killed for their silence, and must
                    // then begin anew.
                    let provider = present.provider(&cluster, &what);
                    if let (FaultKind::WorkloadPause { .. }, Some(provider)) = (&fault.inject, provider) {
                        self.members.insert((cluster.clone(), provider.to_owned()));
                    }
                    self.capabilities.insert((cluster, what));
                }
            }
            FaultKind::NetworkCut { between } => {
                if let [one, other] = between.as_slice() {
                    self.cuts.push([one.clone(), other.clone()]);
                }
            }
            FaultKind::ProcessStop {
                process: Process::Kubelet | Process::Containerd,
                ..
            }
            | FaultKind::DnsBlock { .. }
            | FaultKind::PacketLoss { .. }
            | FaultKind::DiskFull { .. } => {}
        }
    }

    fn part(&mut self, cluster: &Cluster, name: &str) {
        let key = (cluster.name.to_string(), name.to_owned());
        self.members.insert(key.clone());
        self.capabilities.insert(key);
    }

    /// Whether who needs something is away itself.
    pub(super) fn is_away(&self, who: &str, cluster: &ClusterName) -> bool {
        self.clusters.contains(cluster) || self.members.contains(&(cluster.to_string(), who.to_owned()))
    }

    /// Whether a capability, or one of Kubernetes' own parts by its name, is out of reach for somebody in cluster `from`.
    pub(super) fn is_out_of_reach(&self, what: &str, home: &ClusterName, from: &ClusterName) -> bool {
        let key = (home.to_string(), what.to_owned());
        self.clusters.contains(home)
            || self.capabilities.contains(&key)
            || self
                .cuts
                .iter()
                .any(|cut| home != from && cut.contains(home) && cut.contains(from))
    }
}

/// The clusters all of whose control planes are among the nodes.
fn controlled_by<'a>(lab: &'a Lab, nodes: &'a [NodeName]) -> impl Iterator<Item = &'a Cluster> {
    lab.clusters.iter().filter(move |cluster| {
        let mut planes = cluster
            .nodes
            .iter()
            .filter(|n| n.role == Role::ControlPlane)
            .peekable();
        planes.peek().is_some() && planes.all(|n| nodes.contains(&n.name))
    })
}

/// What of the faults no component folder tells, one line each.
pub(super) fn unknown(lab: &Lab, faults: &[PlannedFault], radius: &BlastRadius) -> Vec<String> {
    faults
        .iter()
        .filter_map(|fault| untold(lab, fault, radius))
        .collect()
}

fn untold(lab: &Lab, fault: &PlannedFault, radius: &BlastRadius) -> Option<String> {
    let verb = match &fault.inject {
        FaultKind::NodePowerLoss { .. } | FaultKind::NodeFreeze { .. } => "takes away",
        FaultKind::DnsBlock { .. }
        | FaultKind::PacketLoss { .. }
        | FaultKind::DiskFull { .. }
        | FaultKind::ProcessStop {
            process: Process::Kubelet | Process::Containerd,
            ..
        } => "hurts",
        FaultKind::ProcessStop {
            process: Process::Apiserver | Process::Etcd,
            ..
        }
        | FaultKind::EtcdDataLoss { .. }
        | FaultKind::WorkloadPause { .. }
        | FaultKind::PodDelete { .. }
        | FaultKind::NetworkCut { .. } => return None,
    };
    let of_a_lost_cluster = |node: &&NodeName| {
        let home = lab.node(node.as_str());
        home.is_some_and(|(cluster, _)| radius.clusters_lost.contains(&cluster.name))
    };
    let nodes: Vec<String> = fault
        .nodes
        .iter()
        .filter(|node| !of_a_lost_cluster(node))
        .map(ToString::to_string)
        .collect();
    if nodes.is_empty() {
        return None;
    }
    Some(format!(
        "who needs what {} {verb} on {}: no component folder says which pods are there",
        fault.name,
        nodes.join(", ")
    ))
}
