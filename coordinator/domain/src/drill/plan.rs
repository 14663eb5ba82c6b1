//! A scenario against a lab: which nodes are hit, which probes can run, what is covered, what comes back from where.

mod cycle;
mod lost;
mod resolve;
mod stated;
mod text;

pub use cycle::{Dependency, DependencyKind};
pub use resolve::Present;

use super::contract::ContractId;
use super::not_covered::Gap;
use super::report::model::Version;
use super::scenario::{FaultKind, Look, Probe, Scenario};
use crate::component::Component;
use model::ids::{ClusterName, Digest, NodeName};
use model::lab::Lab;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a run carries out. It holds the whole scenario, so that a history explains itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillPlan {
    /// Name of the drill.
    pub drill: String,
    /// Lab that it was made for.
    pub lab: String,
    /// Everything that the file says.
    pub scenario: Scenario,
    /// Faults with their nodes, in the order of the file.
    pub faults: Vec<PlannedFault>,
    /// Probes, with why some are not started.
    pub probes: Vec<PlannedProbe>,
    /// All six contracts.
    pub coverage: Vec<Coverage>,
    /// What is hit.
    pub blast_radius: BlastRadius,
    /// What recovery depends on.
    pub dependencies: Vec<Dependency>,
    /// What of it is not known, one line each; empty in records of older releases, which did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_dependencies: Vec<String>,
    /// Digest over all of the above; equal digests are the same experiment.
    pub digest: Digest,
    /// What no drill on this lab looks at, with the reason: for the report's coverage. Set by whoever knows the lab's provider and
    /// its files; empty in plans of older releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// What ran in the lab when the plan was made: a comparison tells what differs, so they are no part of the digest. Empty in plans of
    /// older releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
}

/// A fault with its nodes and its lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// Name.
    pub name: String,
    /// What is done.
    pub inject: FaultKind,
    /// Nodes that it acts on, in the lab's order; empty for faults that are not about nodes.
    pub nodes: Vec<NodeName>,
    /// When, milliseconds after the outage began.
    pub at_ms: u64,
    /// How long its lease lasts, milliseconds: until the planned end of the outage and its margin.
    pub lease_ms: u64,
    /// Why there is nothing to break; the run then does not begin.
    pub impossible: Option<String>,
}

/// A probe, and why it is not started if it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedProbe {
    /// What the file says.
    #[serde(flatten)]
    pub probe: Probe,
    /// Why it is not started.
    pub skipped: Option<String>,
}

/// Whether a contract can be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Contract.
    pub contract: ContractId,
    /// Why it cannot be judged; None when it can.
    pub missing: Option<String>,
}

/// What is hit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlastRadius {
    /// Nodes that faults act on.
    pub nodes: Vec<NodeName>,
    /// Clusters whose nodes are all hit.
    pub clusters_lost: Vec<ClusterName>,
    /// Clusters with some nodes hit, or cut off from another.
    pub clusters_hurt: Vec<ClusterName>,
    /// Clusters that no fault touches.
    pub clusters_spared: Vec<ClusterName>,
}

/// Why a scenario does not fit a lab.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrillPlanError {
    /// A cluster that the lab does not have.
    #[error("{field} names cluster {cluster}, which lab {lab} does not have")]
    UnknownCluster {
        /// Path in the scenario.
        field: String,
        /// Cluster.
        cluster: ClusterName,
        /// Lab.
        lab: String,
    },
    /// A selector that hits no node.
    #[error("{field} selects no node of lab {lab}")]
    NoNodes {
        /// Path in the scenario.
        field: String,
        /// Lab.
        lab: String,
    },
    /// Everything would be hit: nobody would be left to be watched.
    #[error("the faults hit every cluster of lab {lab}: nothing would be left that could keep serving")]
    NothingSpared {
        /// Lab.
        lab: String,
    },
}

/// Makes the plan. `present` says what is really installed; components that are only folders count as absent.
pub fn drill_plan(
    scenario: &Scenario,
    lab: &Lab,
    components: &[Component],
    present: &Present,
) -> Result<DrillPlan, DrillPlanError> {
    let faults = resolve::faults(scenario, lab, present)?;
    let probes = resolve::probes(scenario, lab, present)?;
    let blast_radius = resolve::blast_radius(&faults, lab)?;
    let coverage = resolve::coverage(scenario, &faults, &probes, &blast_radius);
    let lost = lost::Lost::of(lab, &faults, present, &blast_radius);
    let dependencies = cycle::find(lab, components, present, &lost);
    let unknown_dependencies = lost::unknown(lab, &faults, &blast_radius);
    let mut plan = DrillPlan {
        drill: scenario.name.clone(),
        lab: lab.name.to_string(),
        scenario: scenario.clone(),
        faults,
        probes,
        coverage,
        blast_radius,
        dependencies,
        unknown_dependencies,
        digest: Digest([0; 32]),
        gaps: Vec::new(),
        versions: Vec::new(),
    };
    let mut hash = Sha256::new();
    hash.update(b"drillyard/drill-plan/v1");
    hash.update(serde_json::to_vec(&plan).unwrap_or_default());
    plan.digest = Digest(hash.finalize().into());
    Ok(plan)
}

impl DrillPlan {
    /// Probes that are started.
    pub fn active_probes(&self) -> impl Iterator<Item = &Probe> {
        self.probes
            .iter()
            .filter(|p| p.skipped.is_none())
            .map(|p| &p.probe)
    }

    /// Started probes that watch ExternalSecrets of the drill's own, with when something is done to them, milliseconds after the
    /// outage began.
    pub fn secret_canaries(&self) -> impl Iterator<Item = (&Probe, u64)> {
        self.active_probes().filter_map(|probe| match probe.look {
            Look::SecretCanary {
                act_after_seconds, ..
            } => Some((probe, act_after_seconds * 1000)),
            _ => None,
        })
    }

    /// The fault of that name.
    pub fn fault(&self, name: &str) -> Option<&PlannedFault> {
        self.faults.iter().find(|fault| fault.name == name)
    }

    /// The version of the part of that name; None where it did not run, or at two versions.
    pub fn version(&self, name: &str) -> Option<&str> {
        let part = self.versions.iter().find(|v| v.name == name)?;
        Some(part.version.as_str())
    }

    /// Why the run does not begin: faults that have nothing to break.
    pub fn impossible(&self) -> impl Iterator<Item = String> {
        self.faults
            .iter()
            .filter_map(|f| Some(format!("{}: {}", f.name, f.impossible.as_ref()?)))
    }

    /// Whether `contract` can be judged; the reason when it cannot. The premise is looked at anew, so that the history of
    /// a run that was planned before it mattered is judged by it too.
    pub fn not_covered(&self, contract: ContractId) -> Option<String> {
        let planned = self.coverage.iter().find(|c| c.contract == contract);
        planned
            .and_then(|c| c.missing.clone())
            .or_else(|| resolve::premise_absent(contract, &self.blast_radius))
    }

    /// The plan for people: stable, one fact per line.
    pub fn to_text(&self) -> String {
        text::render(self)
    }
}
