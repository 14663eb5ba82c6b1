//! How long it takes from the new start of `up` to the first useful step, read from the recorded history.

use crate::hunt::Kill;
use crate::prey::Role;
use domain::history::Line;
use domain::plan::Target;
use domain::record::Record;
use model::ids::{NodeName, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a step that is under way is waited for on; a wait for an agent is no work.
type Out = BTreeMap<StepId, Option<NodeName>>;

/// From the start of `up` after a coordinator's death to the first of: an order handed out, a step done, or an agent
/// compared whose unit ran on meanwhile. For an agent's death, to its comparison in a new session. None where nothing was
/// under way, or where the next kill came first.
pub fn after(kill: &Kill, next: Option<&Kill>, lines: &[Line]) -> Option<Duration> {
    let mut out = Out::new();
    let before = lines.iter().take_while(|line| line.time < kill.at);
    before.for_each(|line| follow(&mut out, &line.record));
    let rest = lines
        .iter()
        .filter(|line| line.time >= kill.at && next.is_none_or(|next| line.time < next.at));
    let found = match kill.prey.role {
        Role::Coordinator if out.is_empty() => None,
        Role::Coordinator => rest
            .skip_while(|line| !matches!(line.record, Record::EpochStarted { .. }))
            .find(|line| is_useful(&line.record, &out)),
        Role::Front => rest.clone().find(|line| match &line.record {
            Record::AgentReconciled { node } => Some(node.as_str()) == kill.prey.node.as_deref(),
            _ => false,
        }),
        // The front keeps its session while the helper is away.
        Role::Helper => None,
    };
    found.map(|line| Duration::from_millis(line.time.millis_since(kill.again)))
}

fn follow(out: &mut Out, record: &Record) {
    match record {
        Record::StepIntended {
            step, target, name, ..
        } if !name.ends_with("await_agent") => {
            let node = match target {
                Target::Node(node) => Some(node.clone()),
                Target::Host => None,
            };
            out.insert(*step, node);
        }
        Record::StepSucceeded { step, .. }
        | Record::StepFailed { step, .. }
        | Record::StepCancelled { step, .. }
        | Record::StepNeedsDecision { step, .. } => {
            out.remove(step);
        }
        _ => {}
    }
}

fn is_useful(record: &Record, out: &Out) -> bool {
    match record {
        Record::StepDispatched { .. } | Record::StepSucceeded { .. } => true,
        Record::AgentReconciled { node } => out.values().any(|on| on.as_ref() == Some(node)),
        _ => false,
    }
}
