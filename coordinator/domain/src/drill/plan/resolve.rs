//! Names of the scenario become nodes, clusters and reasons.

use super::{BlastRadius, Coverage, DrillPlanError, PlannedFault, PlannedProbe};
use crate::component::Component;
use crate::drill::contract::{ContractId, MANAGEMENT, Premise};
use crate::drill::scenario::{Fault, FaultKind, Look, Probe, SHARDS, Scenario, Target, Via};
use model::ids::{ClusterName, NodeName};
use model::lab::Lab;
use std::collections::BTreeMap;

/// What is installed: capability by cluster, with the component that provides it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present(BTreeMap<(String, String), String>);

impl Present {
    /// From the components that are ready in a cluster.
    pub fn of<'a>(ready: impl IntoIterator<Item = (&'a ClusterName, &'a Component)>) -> Self {
        let mut present = Present::default();
        for (cluster, component) in ready {
            for what in &component.provides {
                let key = (cluster.to_string(), what.clone());
                present.0.insert(key, component.name.to_string());
            }
        }
        present
    }

    /// As if every component folder were installed: for a plan where no lab runs.
    pub fn assumed(lab: &Lab, components: &[Component]) -> Self {
        let pairs = lab.clusters.iter().flat_map(|cluster| {
            let here = components.iter().filter(|c| c.runs_in(&cluster.name));
            here.map(|component| (&cluster.name, component))
        });
        Self::of(pairs)
    }

    /// Who provides `what` in `cluster`.
    pub fn provider(&self, cluster: &str, what: &str) -> Option<&str> {
        self.0
            .get(&(cluster.to_owned(), what.to_owned()))
            .map(String::as_str)
    }
}

pub(super) fn faults(
    scenario: &Scenario,
    lab: &Lab,
    present: &Present,
) -> Result<Vec<PlannedFault>, DrillPlanError> {
    let planned = |(i, fault): (usize, &Fault)| {
        let path = format!("faults[{i}].inject");
        Ok(PlannedFault {
            name: fault.name.clone(),
            inject: fault.inject.clone(),
            nodes: nodes(&path, &fault.inject, lab)?,
            impossible: nothing_to_break(&fault.inject, lab, present),
            at_ms: fault.at_seconds * 1000,
            lease_ms: (scenario.phases.observe_seconds.saturating_sub(fault.at_seconds)
                + fault.lease_margin_seconds)
                * 1000,
        })
    };
    scenario.faults.iter().enumerate().map(planned).collect()
}

fn nothing_to_break(kind: &FaultKind, lab: &Lab, present: &Present) -> Option<String> {
    let (cluster, what) = needed(kind, lab)?;
    nobody(&cluster, &what, present)
}

/// The cluster and the capability without which there is nothing to break; None for faults that need none.
pub(super) fn needed(kind: &FaultKind, lab: &Lab) -> Option<(String, String)> {
    let own = match kind {
        FaultKind::PodDelete { cluster, .. } => Some(cluster.as_str()),
        other => other
            .targets()
            .first()
            .and_then(|target| match (&target.cluster, &target.node) {
                (Some(cluster), _) => Some(cluster.as_str()),
                (None, Some(node)) => lab.node(node.as_str()).map(|(cluster, _)| cluster.name.as_str()),
                (None, None) => None,
            }),
    };
    let (cluster, what) = scoped(kind.needs()?, own.unwrap_or_default());
    Some((cluster.to_owned(), what.to_owned()))
}

/// Why a capability, `x` of the cluster `own` or `CLUSTER/x`, cannot be relied on; None when it can.
fn absent(need: &str, own: &str, present: &Present) -> Option<String> {
    let (cluster, what) = scoped(need, own);
    nobody(cluster, what, present)
}

/// Cluster and capability of `x`, of the cluster `own`, or of `CLUSTER/x`.
fn scoped<'a>(need: &'a str, own: &'a str) -> (&'a str, &'a str) {
    need.split_once('/').unwrap_or((own, need))
}

fn nobody(cluster: &str, what: &str, present: &Present) -> Option<String> {
    match present.provider(cluster, what) {
        Some(_) => None,
        None => Some(format!("no component provides {what} in {cluster}")),
    }
}

fn nodes(path: &str, kind: &FaultKind, lab: &Lab) -> Result<Vec<NodeName>, DrillPlanError> {
    match kind {
        FaultKind::NetworkCut { between } => {
            for cluster in between {
                known(lab, &format!("{path}.between"), cluster)?;
            }
        }
        FaultKind::PodDelete { cluster, .. } => known(lab, &format!("{path}.cluster"), cluster)?,
        _ => {}
    }
    let mut hit = Vec::new();
    for (i, target) in kind.targets().iter().enumerate() {
        let field = format!("{path}.targets[{i}]");
        if let Some(cluster) = &target.cluster {
            known(lab, &format!("{field}.cluster"), cluster)?;
        }
        let before = hit.len();
        hit.extend(
            lab.nodes()
                .filter(|(c, n)| selects(target, &c.name, n))
                .map(|(_, n)| n.name.clone()),
        );
        if hit.len() == before {
            let lab = lab.name.to_string();
            return Err(DrillPlanError::NoNodes { field, lab });
        }
    }
    // In the lab's order, each once.
    Ok(lab
        .nodes()
        .map(|(_, n)| n.name.clone())
        .filter(|n| hit.contains(n))
        .collect())
}

fn selects(target: &Target, cluster: &ClusterName, node: &model::lab::Node) -> bool {
    let by_cluster = target.cluster.as_ref().is_some_and(|c| c == cluster);
    let by_role = target.role.is_none_or(|role| role == node.role);
    target.node.as_ref().is_some_and(|n| *n == node.name) || (by_cluster && by_role)
}

fn known(lab: &Lab, field: &str, cluster: &ClusterName) -> Result<(), DrillPlanError> {
    if lab.cluster(cluster.as_str()).is_some() {
        return Ok(());
    }
    Err(DrillPlanError::UnknownCluster {
        field: field.to_owned(),
        cluster: cluster.clone(),
        lab: lab.name.to_string(),
    })
}

pub(super) fn probes(
    scenario: &Scenario,
    lab: &Lab,
    present: &Present,
) -> Result<Vec<PlannedProbe>, DrillPlanError> {
    let mut out = Vec::new();
    for (i, probe) in scenario.probes.iter().enumerate() {
        known(lab, &format!("probes[{i}].cluster"), &probe.cluster)?;
        if let Look::Http {
            via: Via::Pod { cluster, .. } | Via::Mesh { cluster, .. },
            ..
        } = &probe.look
        {
            known(lab, &format!("probes[{i}].look.via.cluster"), cluster)?;
        }
        if let Look::CanaryStored { receiver, .. } | Look::LogCanaryStored { receiver, .. } = &probe.look {
            known(lab, &format!("probes[{i}].look.receiver"), receiver)?;
        }
        if let Look::MetricsLog { receiver, .. } = &probe.look {
            known(
                lab,
                &format!("probes[{i}].look.receiver.cluster"),
                &receiver.cluster,
            )?;
        }
        let need = probe.needs.as_deref();
        let skipped = need.and_then(|need| absent(need, probe.cluster.as_str(), present));
        let mut probe = probe.clone();
        if let Some(set) = shards_set(&probe, lab, present)
            && let Look::CanaryStored { shards, .. } = &mut probe.look
        {
            *shards = Some(set);
        }
        out.push(PlannedProbe { probe, skipped });
    }
    Ok(out)
}

/// How many shards the lab has its canaries serve; None when it says nothing.
fn shards_set(probe: &Probe, lab: &Lab, present: &Present) -> Option<u64> {
    let (cluster, what) = scoped(probe.needs.as_deref()?, probe.cluster.as_str());
    let component = present.provider(cluster, what)?;
    let mut settings = lab.settings.iter();
    let (_, settings) = settings.find(|(name, _)| name.as_str() == component)?;
    let shards = settings.get("canary_shards")?.parse::<u64>().ok();
    shards.filter(|shards| SHARDS.contains(shards))
}

pub(super) fn blast_radius(faults: &[PlannedFault], lab: &Lab) -> Result<BlastRadius, DrillPlanError> {
    let mut radius = BlastRadius {
        nodes: lab
            .nodes()
            .map(|(_, n)| n.name.clone())
            .filter(|n| faults.iter().any(|f| f.nodes.contains(n)))
            .collect(),
        ..BlastRadius::default()
    };
    // Only these take the whole node away; others hurt it.
    let gone = |node: &NodeName| {
        let takes = |f: &&PlannedFault| {
            matches!(
                f.inject,
                FaultKind::NodePowerLoss { .. } | FaultKind::NodeFreeze { .. }
            )
        };
        faults.iter().filter(takes).any(|f| f.nodes.contains(node))
    };
    for cluster in &lab.clusters {
        let name = &cluster.name;
        let touched = cluster.nodes.iter().any(|n| radius.nodes.contains(&n.name))
            || faults.iter().any(|f| match &f.inject {
                FaultKind::NetworkCut { between } => between.contains(name),
                FaultKind::PodDelete { cluster, .. } => cluster == name,
                _ => false,
            });
        let list = if cluster.nodes.iter().all(|n| gone(&n.name)) {
            &mut radius.clusters_lost
        } else if touched {
            &mut radius.clusters_hurt
        } else {
            &mut radius.clusters_spared
        };
        list.push(name.clone());
    }
    if radius.clusters_lost.len() == lab.clusters.len() {
        let lab = lab.name.to_string();
        return Err(DrillPlanError::NothingSpared { lab });
    }
    Ok(radius)
}

pub(super) fn coverage(
    scenario: &Scenario,
    faults: &[PlannedFault],
    probes: &[PlannedProbe],
    radius: &BlastRadius,
) -> Vec<Coverage> {
    let impossible = faults.iter().find_map(|f| f.impossible.clone());
    let one = |contract: ContractId| {
        let of_contract: Vec<&PlannedProbe> = probes
            .iter()
            .filter(|p| p.probe.contract == Some(contract))
            .collect();
        let missing = if !scenario.hypothesis.contracts.contains(&contract) {
            Some(format!("{} does not judge it", scenario.name))
        } else if impossible.is_some() {
            impossible.clone()
        } else if let Some(absent) = premise_absent(contract, radius) {
            Some(absent)
        } else if of_contract.is_empty() {
            Some("no probe of the scenario is evidence for it".to_owned())
        } else if of_contract.iter().all(|p| p.skipped.is_some()) {
            let mut reasons: Vec<&str> = of_contract.iter().filter_map(|p| p.skipped.as_deref()).collect();
            reasons.sort_unstable();
            reasons.dedup();
            Some(reasons.join("; "))
        } else {
            None
        };
        Coverage { contract, missing }
    };
    ContractId::ALL.into_iter().map(one).collect()
}

/// Why a contract says nothing of this experiment: what it speaks of does not happen in it.
pub(super) fn premise_absent(contract: ContractId, radius: &BlastRadius) -> Option<String> {
    let has = |list: &[ClusterName]| list.iter().any(|c| c.as_str() == MANAGEMENT);
    match contract.premise() {
        Premise::ManagementLost if !has(&radius.clusters_lost) => Some(format!(
            "its premise does not arise: no fault takes {MANAGEMENT} away"
        )),
        Premise::ManagementHit if has(&radius.clusters_spared) => Some(format!(
            "its premise does not arise: no fault touches {MANAGEMENT}"
        )),
        _ => None,
    }
}
