//! Ordering by needs: every step after all of its providers, otherwise as they were listed. Cycles and holes are refused.

use super::{PlanError, PlannedStep};
use crate::capability::Capability;
use std::collections::{BTreeMap, BTreeSet};

/// The steps in an order in which they could run one after another.
pub(super) fn ordered(steps: Vec<PlannedStep>) -> Result<Vec<PlannedStep>, PlanError> {
    let mut ids = BTreeSet::new();
    if let Some(twice) = steps.iter().find(|step| !ids.insert(step.id)) {
        return Err(PlanError::SameStep(twice.name.clone()));
    }
    let before = edges(&steps)?;
    let mut placed = vec![false; steps.len()];
    let mut order = Vec::with_capacity(steps.len());
    while order.len() < steps.len() {
        let next = (0..steps.len()).find(|&i| !placed[i] && before[i].iter().all(|&j| placed[j]));
        let Some(next) = next else {
            return Err(PlanError::Cycle(cycle(&steps, &before, &placed)));
        };
        placed[next] = true;
        order.push(next);
    }
    let mut slots: Vec<Option<PlannedStep>> = steps.into_iter().map(Some).collect();
    Ok(order
        .into_iter()
        .filter_map(|i| slots.get_mut(i).and_then(Option::take))
        .collect())
}

/// The steps of phases up to `through`; what they need never lies in a later phase.
pub(super) fn up_to(steps: Vec<PlannedStep>, through: u8) -> Vec<PlannedStep> {
    steps.into_iter().filter(|step| step.phase <= through).collect()
}

/// For each step the indices of the steps that must come before it.
fn edges(steps: &[PlannedStep]) -> Result<Vec<BTreeSet<usize>>, PlanError> {
    let mut providers: BTreeMap<&Capability, Vec<usize>> = BTreeMap::new();
    for (i, step) in steps.iter().enumerate() {
        for capability in &step.provides {
            providers.entry(capability).or_default().push(i);
        }
    }
    let mut before = Vec::with_capacity(steps.len());
    for step in steps {
        let mut set = BTreeSet::new();
        for capability in &step.needs {
            let Some(list) = providers.get(capability) else {
                return Err(PlanError::NoProvider {
                    step: step.name.clone(),
                    capability: capability.clone(),
                });
            };
            set.extend(list.iter().copied());
        }
        before.push(set);
    }
    Ok(before)
}

/// The names along one cycle among the steps that could not be placed.
fn cycle(steps: &[PlannedStep], before: &[BTreeSet<usize>], placed: &[bool]) -> Vec<String> {
    let blocked = |i: usize| before[i].iter().copied().find(|&j| !placed[j]);
    let Some(mut at) = (0..steps.len()).find(|&i| !placed[i]) else {
        return vec![];
    };
    let mut path = Vec::new();
    while !path.contains(&at) {
        path.push(at);
        let Some(next) = blocked(at) else { break };
        at = next;
    }
    let begin = path.iter().position(|&i| i == at).unwrap_or(0);
    let mut names: Vec<String> = path[begin..].iter().map(|&i| steps[i].name.clone()).collect();
    names.push(steps[at].name.clone());
    names
}
