//! Containers that stand still though no outstanding lease has them so. They carry no name of ours, but nothing else on a node
//! freezes any.

use super::containers;
use crate::step::{StepError, systemd};
use model::fault::{Fault, NodeFault};
use model::fault_parts::NodeUnit;
use model::lease::HeldLease;

/// One line for each; `outstanding` are the leases that may explain it.
pub(super) fn lines(outstanding: &[HeldLease]) -> Vec<String> {
    let line = |id: &String| match containers::name(id) {
        Some(name) => format!("container {name} ({id}) stands still"),
        None => format!("container {id} stands still"),
    };
    match unexplained(outstanding) {
        Ok(found) => found.iter().map(line).collect(),
        Err(error) => vec![format!("containers cannot be listed: {}", error.chain())],
    }
}

/// Lets all of them go on.
pub(super) fn end() -> Result<(), StepError> {
    containers::resume(&paused()?)
}

fn unexplained(outstanding: &[HeldLease]) -> Result<Vec<String>, StepError> {
    let mut standing = paused()?;
    for held in outstanding {
        if let Fault::Node {
            inject: NodeFault::PauseWorkload { workload },
            ..
        } = &held.fault
            && !standing.is_empty()
        {
            let explained = containers::of_workload(workload)?;
            standing.retain(|id| !explained.contains(id));
        }
    }
    Ok(standing)
}

/// Where containerd does not run nobody can say, and asking takes until its tool gives up.
fn paused() -> Result<Vec<String>, StepError> {
    if systemd::is_active(NodeUnit::Containerd.unit()) {
        return containers::paused();
    }
    Ok(Vec::new())
}
