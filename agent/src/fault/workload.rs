//! Pods of one label on this node: frozen in place until the lease ends, or killed once, which kubelet undoes.

use super::took::Took;
use super::{Targets, Trace, containers};
use crate::step::StepError;
use model::fault_parts::Workload;

/// What runs of its containers. A fault that hits nothing would be reported as survived.
pub(super) fn find(workload: &Workload) -> Result<Targets, StepError> {
    let found = containers::of_workload(workload)?;
    if found.is_empty() {
        let (namespace, key, value) = (workload.namespace(), workload.key(), workload.value());
        return Err(StepError::Missing {
            what: format!("a container of {namespace}, {key}={value}"),
        });
    }
    containers::alive(&found)
}

/// Freezes all containers: what serves them sees a hang, not a refusal. `found` are those of before.
pub(super) fn pause(workload: &Workload, found: &Targets, took: &mut Took) -> Result<(), StepError> {
    containers::pause(found, took)?;
    // One that kubelet started meanwhile is none of those that were found.
    containers::pause_running(&containers::of_workload(workload)?)
}

/// Lets go on whatever of the label stands still now, also a container that came after the injection.
pub(super) fn resume(workload: &Workload) -> Result<(), StepError> {
    containers::resume(&containers::of_workload(workload)?)
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
