//! A drill's planned fault as leases: one per node, or one on the host, each with an id that the run determines, so that
//! whoever comes after a crash asks for the same.

use super::meeting::Meeting;
use super::{FaultError, Faults, Lease};
use crate::clock;
use domain::drill::plan::PlannedFault;
use domain::drill::scenario::{FaultKind as Planned, Process};
use futures_util::future::join_all;
use model::Invalid;
use model::fault::{Fault, HostFault, NodeFault};
use model::fault_parts::{KeepMib, LagSeconds, NodeUnit, Peers, Percent, StaticPod, Volume, Workload};
use model::ids::{LeaseId, NodeName, RunId};
use model::lab::Lab;
use model::lease::Terms;
use model::moment::Moment;
use model::step::Role;
use sha2::{Digest as _, Sha256};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// A drill's lease ends early when its coordinator is silent for so long: a restart takes a second or two.
const GRACE_MS: u64 = 10_000;

/// What stays free of a filled disk.
const KEEP_MIB: u32 = 64;

/// Why a planned fault is not there, or not gone.
#[derive(Debug, thiserror::Error)]
pub enum PlannedError {
    /// This lab cannot be hit with it.
    #[error("the plan cannot be carried out on this lab")]
    Plan(#[from] Invalid),
    /// One of its parts failed.
    #[error("{place}")]
    Part {
        /// Which.
        place: String,
        /// First cause.
        #[source]
        source: FaultError,
    },
}

impl Faults {
    /// Injects all parts of a run's fault at once, each under a lease that ends at `deadline`, by this clock, by itself.
    /// When one part fails, the others are released: the fault is there whole or is being undone.
    pub async fn inject_planned(
        &self,
        run: RunId,
        fault: &PlannedFault,
        deadline: Moment,
    ) -> Result<Vec<Lease>, PlannedError> {
        let ttl_ms = deadline.millis_since(clock::now()).max(Terms::MIN_TTL_MS);
        let terms = Terms::new(ttl_ms, GRACE_MS, ttl_ms)?;
        let parts = planned(run, fault, &self.lab)?;
        let on_host = parts
            .iter()
            .filter(|(_, part)| matches!(part, Fault::Host { .. }));
        let together = &Arc::new(Meeting::of(on_host.count()));
        let calls = parts.into_iter().map(|(lease, part)| async move {
            let place = part.label();
            let done = self
                .inject_with(lease, terms, part, Some(Arc::clone(together)))
                .await;
            done.map_err(|source| PlannedError::Part { place, source })
        });
        let outcome: Result<Vec<_>, _> = join_all(calls).await.into_iter().collect();
        if outcome.is_err() {
            // What fails here ends with its lease; the first cause is what the operator must see.
            let _ = self.undo_planned(run, fault).await;
        }
        outcome
    }

    /// Undoes all parts of a run's fault; those that are over, or never were there, are fine.
    pub async fn undo_planned(&self, run: RunId, fault: &PlannedFault) -> Result<Vec<Lease>, PlannedError> {
        let parts = planned(run, fault, &self.lab)?;
        let calls = parts.into_iter().map(|(lease, part)| async move {
            match self.release(lease).await {
                Ok(lease) => Ok(Some(lease)),
                Err(FaultError::NoLease(_)) => Ok(None),
                Err(source) => {
                    let place = part.label();
                    Err(PlannedError::Part { place, source })
                }
            }
        });
        let all: Result<Vec<_>, _> = join_all(calls).await.into_iter().collect();
        Ok(all?.into_iter().flatten().collect())
    }
}

/// The faults that make up a planned one, with their leases. The order is that of the plan's nodes.
///
/// # Errors
/// [`Invalid`] names what this lab cannot be hit with.
pub fn planned(run: RunId, fault: &PlannedFault, lab: &Lab) -> Result<Vec<(LeaseId, Fault)>, Invalid> {
    let faults = match &fault.inject {
        Planned::NetworkCut { between } => cut(between)?,
        Planned::PodDelete {
            namespace,
            selector,
            cluster,
            ..
        } => {
            let inject = NodeFault::KillWorkload {
                workload: workload(namespace, selector)?,
            };
            let nodes = lab.cluster(cluster.as_str()).map(|c| &c.nodes);
            let on = |node: &model::lab::Node| Fault::Node {
                node: node.name.clone(),
                inject: inject.clone(),
            };
            nodes.into_iter().flatten().map(on).collect()
        }
        _ => fault
            .nodes
            .iter()
            .filter_map(|node| on_node(&fault.inject, node, lab).transpose())
            .collect::<Result<_, _>>()?,
    };
    if faults.is_empty() {
        return Err(Invalid::new(
            "inject",
            fault.inject.word(),
            "hits no node of this lab",
        ));
    }
    let lease = |(i, fault_at): (usize, Fault)| (lease_of(run, &fault.name, i), fault_at);
    Ok(faults.into_iter().enumerate().map(lease).collect())
}

/// The lease of one part of a run's fault.
pub fn lease_of(run: RunId, fault: &str, part: usize) -> LeaseId {
    let mut hash = Sha256::new();
    hash.update(b"drillyard/lease/v1");
    hash.update(run.0);
    hash.update(u64::try_from(part).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(fault.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    LeaseId(id)
}

fn on_node(inject: &Planned, node: &NodeName, lab: &Lab) -> Result<Option<Fault>, Invalid> {
    let host = |inject| Ok(Some(Fault::Host { inject }));
    let here = |inject| {
        Ok(Some(Fault::Node {
            node: node.clone(),
            inject,
        }))
    };
    let name = node.clone();
    match inject {
        Planned::NodePowerLoss { .. } => host(HostFault::PowerLoss { node: name }),
        Planned::NodeFreeze { .. } => host(HostFault::Freeze { node: name }),
        Planned::ProcessStop { process, .. } => match process_on(*process, role(lab, node)) {
            Some(fault) => here(fault),
            None => Ok(None),
        },
        // Held still where it is; the agent refuses where none is.
        Planned::WorkloadPause {
            namespace,
            label,
            value,
            ..
        } => here(NodeFault::PauseWorkload {
            workload: Workload::new(namespace, label, value)?,
        }),
        Planned::DnsBlock { .. } => here(NodeFault::DropDns {}),
        Planned::PacketLoss { percent, .. } => here(NodeFault::LosePackets {
            peers: others(lab, node)?,
            percent: Percent::new(u32::from(*percent))?,
        }),
        Planned::EtcdDataLoss { lag_seconds, .. } if role(lab, node) == Some(Role::ControlPlane) => {
            here(NodeFault::LoseEtcdData {
                lag: LagSeconds::new(u32::from(*lag_seconds))?,
            })
        }
        Planned::EtcdDataLoss { .. } => Ok(None),
        Planned::DiskFull { .. } => here(NodeFault::FillDisk {
            volume: Volume::Kubelet,
            keep: KeepMib::new(KEEP_MIB)?,
        }),
        Planned::NetworkCut { .. } | Planned::PodDelete { .. } => Ok(None),
    }
}

/// Static pods are on control planes only.
fn process_on(process: Process, role: Option<Role>) -> Option<NodeFault> {
    let plane = role == Some(Role::ControlPlane);
    let unit = |unit| Some(NodeFault::StopUnit { unit });
    let pod = |pod| plane.then_some(NodeFault::StopStaticPod { pod });
    match process {
        Process::Kubelet => unit(NodeUnit::Kubelet),
        Process::Containerd => unit(NodeUnit::Containerd),
        Process::Apiserver => pod(StaticPod::KubeApiserver),
        Process::Etcd => pod(StaticPod::Etcd),
    }
}

fn cut(between: &[model::ids::ClusterName]) -> Result<Vec<Fault>, Invalid> {
    let [one, other] = between else {
        let found = between.len().to_string();
        return Err(Invalid::new(
            "between",
            found,
            "clusters are named; two are needed",
        ));
    };
    Ok(vec![Fault::Host {
        inject: HostFault::CutClusters {
            one: one.clone(),
            other: other.clone(),
        },
    }])
}

fn workload(namespace: &str, selector: &str) -> Result<Workload, Invalid> {
    let (key, value) = selector
        .split_once('=')
        .ok_or_else(|| Invalid::new("selector", selector, "is not KEY=VALUE"))?;
    Workload::new(namespace, key, value)
}

fn others(lab: &Lab, node: &NodeName) -> Result<Peers, Invalid> {
    let addresses = lab
        .nodes()
        .filter(|(_, n)| n.name != *node)
        .map(|(_, n)| n.address);
    Peers::new(addresses.collect::<Vec<Ipv4Addr>>())
}

fn role(lab: &Lab, node: &NodeName) -> Option<Role> {
    lab.node(node.as_str()).map(|(_, n)| n.role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::drill::scenario::Target;
    use model::ids::ClusterName;

    fn fault(inject: Planned, nodes: &[&str]) -> PlannedFault {
        PlannedFault {
            name: "f".into(),
            inject,
            nodes: nodes.iter().map(|n| NodeName::new(*n).expect("valid")).collect(),
            at_ms: 0,
            lease_ms: 60_000,
            impossible: None,
        }
    }

    #[test]
    fn every_node_has_a_lease_of_its_own_that_the_run_determines() {
        let lab = Lab::default();
        let run = RunId([1; 16]);
        let targets: Vec<Target> = Vec::new();
        let power = fault(Planned::NodePowerLoss { targets }, &["mgmt-cp", "mgmt-worker"]);
        let made = planned(run, &power, &lab).expect("made");
        assert_eq!(made.len(), 2);
        assert_ne!(made[0].0, made[1].0);
        assert_eq!(planned(run, &power, &lab).expect("again"), made);
        assert_ne!(
            planned(RunId([2; 16]), &power, &lab).expect("other")[0].0,
            made[0].0
        );
    }

    #[test]
    fn a_control_plane_s_process_is_stopped_where_it_is_and_a_cut_is_one_lease() {
        let lab = Lab::default();
        let run = RunId([1; 16]);
        let stop = Planned::ProcessStop {
            targets: Vec::new(),
            process: Process::Etcd,
        };
        let made = planned(run, &fault(stop.clone(), &["mgmt-cp", "mgmt-worker"]), &lab).expect("made");
        assert_eq!(made.len(), 1);
        assert!(planned(run, &fault(stop, &["mgmt-worker"]), &lab).is_err());
        let between = ["app1", "app2"]
            .map(|n| ClusterName::new(n).expect("valid"))
            .to_vec();
        let made = planned(run, &fault(Planned::NetworkCut { between }, &[]), &lab).expect("made");
        assert!(matches!(&made[0].1, Fault::Host { .. }) && made.len() == 1);
    }
}
