//! One attempt at a time, one step per lane, no attempt without a look at what the one before left, one initialiser.

use super::streams::Streams;
use crate::plan::Target;
use crate::record::Record;
use model::ids::{Attempt, ClusterName, Epoch, NodeName, StepId};
use model::step::{Lane, ProbeResult};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Steps {
    pub(super) attempts: u64,
    steps: BTreeMap<StepId, Step>,
    claims: BTreeMap<ClusterName, NodeName>,
    served: BTreeSet<ClusterName>,
}

struct Step {
    name: String,
    target: Target,
    cluster: Option<ClusterName>,
    lane: Option<Lane>,
    attempt: Attempt,
    is: Is,
    /// Whether the attempt before this one was looked at.
    looked: bool,
    /// Whether a new attempt could harm a cluster that had served when it was decided on.
    harmful: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Intended,
    Out,
    Done,
    Unsure,
    Looked,
    GivenUp,
}

impl Steps {
    pub(super) fn claim_count(&self) -> u64 {
        u64::try_from(self.claims.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn unfinished(&self) -> Vec<String> {
        self.steps
            .values()
            .filter(|step| matches!(step.is, Is::Intended | Is::Out))
            .map(|s| s.name.clone())
            .collect()
    }

    pub(super) fn read(
        &mut self,
        record: &Record,
        epoch: Epoch,
        streams: &Streams,
        broken: &mut Vec<String>,
    ) {
        match record {
            Record::NodesRemoved {} => {
                *self = Steps {
                    attempts: self.attempts,
                    ..Steps::default()
                }
            }
            Record::ClusterServed { cluster } => {
                self.served.insert(cluster.clone());
            }
            Record::InitClaimed { cluster, node, .. } => {
                if let Some(holder) = self.claims.insert(cluster.clone(), node.clone()) {
                    broken.push(format!("{cluster} is claimed for {node} and was for {holder}"));
                }
            }
            Record::StepIntended { .. } => self.intended(record, broken),
            _ => {}
        }
        let Some((id, attempt)) = record.step() else {
            return;
        };
        if matches!(record, Record::StepIntended { .. } | Record::Node { .. }) {
            return;
        }
        let Some(step) = self.steps.get(&id) else {
            return broken.push(format!("step {} was never intended", id.short()));
        };
        if step.attempt != attempt {
            broken.push(format!(
                "{}: attempt {attempt} is spoken of at attempt {}",
                step.name, step.attempt
            ));
        }
        if let Record::StepDispatched { epoch: of, .. } = record {
            if *of != epoch {
                broken.push(format!(
                    "{}: handed out under epoch {of} in epoch {epoch}",
                    step.name
                ));
            }
            self.dispatched(id, streams, broken);
        }
        self.follow(id, record, broken);
    }

    fn intended(&mut self, record: &Record, broken: &mut Vec<String>) {
        let Record::StepIntended {
            step,
            attempt,
            name,
            target,
            cluster,
            lane,
            ..
        } = record
        else {
            return;
        };
        let before = self.steps.get(step);
        if let Some(before) = before {
            if *attempt <= before.attempt {
                broken.push(format!(
                    "{name}: attempt {attempt} follows attempt {}",
                    before.attempt
                ));
            }
            if matches!(before.is, Is::Intended | Is::Out) && *attempt == before.attempt.next() {
                broken.push(format!(
                    "{name}: attempt {attempt} begins while attempt {} is out",
                    before.attempt
                ));
            }
        }
        let served = cluster
            .as_ref()
            .is_some_and(|cluster| self.served.contains(cluster));
        let is_new = Step {
            name: name.clone(),
            target: target.clone(),
            cluster: cluster.clone(),
            lane: *lane,
            attempt: *attempt,
            is: Is::Intended,
            looked: before.is_none_or(|before| before.is == Is::Looked),
            harmful: served && makes_cluster(name),
        };
        self.steps.insert(*step, is_new);
    }

    fn dispatched(&mut self, id: StepId, streams: &Streams, broken: &mut Vec<String>) {
        let Some(step) = self.steps.get(&id) else { return };
        let name = &step.name;
        if !matches!(step.is, Is::Intended | Is::Out) {
            broken.push(format!("{name}: handed out while it is {:?}", step.is));
        }
        if let Target::Node(node) = &step.target {
            if !streams.may_order(node) {
                broken.push(format!("{name}: handed out to an agent that may not be told"));
            }
            let holder = name
                .contains("kubeadm_init/")
                .then(|| step.cluster.as_ref().and_then(|c| self.claims.get(c)));
            if holder.is_some_and(|holder| holder != Some(node)) {
                broken.push(format!("{name}: handed out without the cluster's claim"));
            }
        }
        if step.is == Is::Intended {
            self.attempts += 1;
            if !step.looked {
                broken.push(format!(
                    "{name}: a new attempt without a look at what the last one left"
                ));
            }
            if step.harmful {
                broken.push(format!("{name}: run again after the cluster has served"));
            }
            let same_lane = |other: &&Step| {
                other.lane.is_some() && other.lane == step.lane && other.target == step.target
            };
            let others = self
                .steps
                .iter()
                .filter(|(other, _)| **other != id)
                .map(|(_, other)| other);
            if let Some(other) = others.filter(same_lane).find(|other| other.is == Is::Out) {
                broken.push(format!(
                    "{name}: handed out while {} is out in the same lane",
                    other.name
                ));
            }
        }
    }

    fn follow(&mut self, id: StepId, record: &Record, broken: &mut Vec<String>) {
        let Some(step) = self.steps.get_mut(&id) else {
            return;
        };
        step.is = match record {
            Record::StepDispatched { .. } | Record::StepRunning { .. } => Is::Out,
            Record::StepSucceeded { .. } => {
                if step.is == Is::Done {
                    broken.push(format!("{}: done twice", step.name));
                }
                Is::Done
            }
            Record::StepFailed { .. } | Record::StepUnknown { .. } => Is::Unsure,
            Record::StepProbed {
                result: ProbeResult::Done,
                ..
            } => step.is,
            Record::StepProbed { .. } => Is::Looked,
            Record::StepCancelled { .. } | Record::StepNeedsDecision { .. } => Is::GivenUp,
            _ => step.is,
        };
    }
}

/// Phases that make what the API server stands on.
fn makes_cluster(name: &str) -> bool {
    let phases = [
        "preflight",
        "certs",
        "kubeconfig",
        "etcd",
        "control_plane",
        "kubelet_start",
    ];
    name.split_once("kubeadm_init/")
        .is_some_and(|(_, phase)| phases.contains(&phase))
}
