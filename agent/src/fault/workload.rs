//! Pods of one label on this node: frozen in place until the lease ends, or killed once.

use super::{Trace, containers};
use crate::step::StepError;
use model::fault_parts::Workload;

/// Freezes all containers: what serves them sees a hang, not a refusal.
pub(super) fn pause(workload: &Workload) -> Result<(), StepError> {
    let found = found(workload)?;
    containers::pause(&found)
}

/// Lets go on whatever of the label stands still now, also a container that came after the injection.
pub(super) fn resume(workload: &Workload) -> Result<(), StepError> {
    containers::resume(&containers::of_workload(workload)?)
}

/// Kills all containers. Kubelet starts them anew, which is the undo.
pub(super) fn kill(workload: &Workload) -> Result<(), StepError> {
    let found = found(workload)?;
    containers::kill(&found)
}

pub(super) fn trace(workload: &Workload) -> Result<Trace, StepError> {
    let tasks = containers::tasks(&containers::of_workload(workload)?)?;
    let count = |wanted| tasks.iter().filter(|(_, task)| *task == wanted).count();
    let (paused, running) = (count(containers::Task::Paused), count(containers::Task::Running));
    Ok(match (paused, running) {
        (0, _) => Trace::Nothing,
        (_, 0) => Trace::Whole,
        (_, running) => Trace::Part(format!("{paused} containers stand still, {running} run")),
    })
}

/// A fault that hits nothing would be reported as survived.
fn found(workload: &Workload) -> Result<Vec<String>, StepError> {
    let found = containers::of_workload(workload)?;
    if found.is_empty() {
        let (namespace, key, value) = (workload.namespace(), workload.key(), workload.value());
        return Err(StepError::Missing {
            what: format!("a container of {namespace}, {key}={value}"),
        });
    }
    Ok(found)
}
