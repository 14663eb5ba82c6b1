//! What each unfinished step waits for: subject, blocker, since when, how long it usually takes, which deadline fires first.

use crate::capability::Capability;
use crate::diagnosis::{Cause, with_likeliest};
use crate::plan::{PlannedStep, Target};
use crate::state::{State, StepPhase, StepState};
use model::ids::{Attempt, ClusterName, NodeName, StepId};
use model::moment::Moment;
use serde::Serialize;

/// One wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// Step that is not done.
    pub step: StepId,
    /// Its name.
    pub name: String,
    /// Its node, when an agent performs it.
    pub node: Option<NodeName>,
    /// Its cluster.
    pub cluster: Option<ClusterName>,
    /// Current attempt; 0 before the first.
    pub attempt: Attempt,
    /// What holds it up now.
    #[serde(flatten)]
    pub blocker: Blocker,
    /// The blocker as one line for people.
    pub summary: String,
    /// Why it probably waits, the most probable cause first; empty when nothing is known or nothing unusual.
    pub causes: Vec<Cause>,
    /// Since when.
    pub since: Moment,
    /// How long the step usually takes, in milliseconds.
    pub expected_ms: u64,
    /// When the step's budget ends; None before it runs.
    pub deadline: Option<Moment>,
}

/// What holds a step up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "blocker", rename_all = "snake_case")]
pub enum Blocker {
    /// It runs.
    Running {
        /// Latest progress, or the unit.
        detail: String,
    },
    /// A probe was asked for.
    Probing {
        /// Why it had to be.
        reason: String,
    },
    /// A pause after a failed attempt.
    Pause {
        /// End of the pause.
        until: Moment,
        /// The first error.
        error: Option<String>,
    },
    /// Something must hold first.
    Needs {
        /// What does not hold yet.
        capability: Capability,
        /// The first step that would provide it.
        provider: Option<String>,
    },
    /// The node's agent cannot be told.
    Agent {
        /// Node.
        node: NodeName,
    },
    /// Another step occupies the lane.
    Lane {
        /// Which.
        by: String,
    },
    /// The gate of this phase was not passed.
    Gate {
        /// Phase.
        phase: u8,
    },
    /// A person.
    Decision {
        /// What was found.
        reason: String,
    },
    /// Nothing: it starts with the next event.
    Nothing,
}

impl std::fmt::Display for Blocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Blocker::Running { detail } => f.write_str(detail),
            Blocker::Probing { reason } => write!(f, "looking at what is there ({reason})"),
            Blocker::Pause {
                error: Some(error), ..
            } => write!(f, "pause before the next attempt after: {error}"),
            Blocker::Pause { error: None, .. } => f.write_str("pause before the next look"),
            Blocker::Needs {
                capability,
                provider: Some(provider),
            } => write!(f, "needs {capability} from {provider}"),
            Blocker::Needs {
                capability,
                provider: None,
            } => write!(f, "needs {capability}"),
            Blocker::Agent { node } => write!(f, "agent of {node} is not connected"),
            Blocker::Lane { by } => write!(f, "after {by}"),
            Blocker::Gate { phase } => write!(f, "the gate of phase {phase} waits for confirmation"),
            Blocker::Decision { reason } => write!(f, "needs a decision: {reason}"),
            Blocker::Nothing => f.write_str("starts now"),
        }
    }
}

/// Every unfinished step of the active run's plan, in plan order.
pub fn waits(state: &State, _now: Moment) -> Vec<Wait> {
    let (Some(plan), Some(run)) = (state.plan(), state.active_run()) else {
        return vec![];
    };
    let unfinished = plan.steps.iter().filter(|step| !state.is_done(step.id));
    unfinished.map(|step| of_step(state, step, run.started)).collect()
}

/// The waits that hold up others, for a live display: steps that run, are probed, pause or need a person.
pub fn active(state: &State, now: Moment) -> Vec<Wait> {
    let busy = |wait: &Wait| {
        !matches!(
            wait.blocker,
            Blocker::Needs { .. } | Blocker::Lane { .. } | Blocker::Gate { .. } | Blocker::Nothing
        )
    };
    waits(state, now).into_iter().filter(busy).collect()
}

fn of_step(state: &State, step: &PlannedStep, began: Moment) -> Wait {
    let known = state.step(step.id);
    let runs = known.filter(|known| known.phase.in_flight());
    let awaited = runs.map(|known| state.awaited_since(known));
    let (blocker, since) = match known {
        Some(known) => (of_phase(state, step, known), awaited.unwrap_or(known.since)),
        None => (not_begun(state, step), began),
    };
    let causes = known.map(|known| known.causes.clone()).unwrap_or_default();
    Wait {
        step: step.id,
        name: step.name.clone(),
        node: step.target.node().cloned(),
        cluster: step.cluster.clone(),
        attempt: known.map_or(Attempt(0), |known| known.attempt),
        summary: with_likeliest(blocker.to_string(), &causes),
        causes,
        blocker,
        since,
        expected_ms: step.expected_ms,
        deadline: awaited.map(|since| since.plus_millis(step.budget_ms)),
    }
}

fn of_phase(state: &State, step: &PlannedStep, known: &StepState) -> Blocker {
    let reachable = step.target.node().is_none_or(|node| state.may_order(node));
    match (&known.phase, &step.target) {
        (StepPhase::Intended | StepPhase::Dispatched | StepPhase::Running { .. }, Target::Node(node))
            if !reachable =>
        {
            Blocker::Agent { node: node.clone() }
        }
        (StepPhase::Unknown { .. } | StepPhase::Failed, Target::Node(node)) if !reachable => {
            Blocker::Agent { node: node.clone() }
        }
        (StepPhase::Running { unit }, _) => Blocker::Running {
            detail: known
                .progress
                .clone()
                .unwrap_or_else(|| format!("running as {unit}")),
        },
        (StepPhase::Intended | StepPhase::Dispatched, _) => Blocker::Running {
            detail: known.progress.clone().unwrap_or_else(|| "handed out".into()),
        },
        (StepPhase::Unknown { reason }, _) => Blocker::Probing {
            reason: reason.clone(),
        },
        (StepPhase::Failed, _) => {
            let error = known.last_error.as_ref().map(|error| error.message.clone());
            Blocker::Probing {
                reason: error.unwrap_or_default(),
            }
        }
        (StepPhase::Backoff { until }, _) => {
            let error = known.first_error.as_ref().map(|error| error.message.clone());
            Blocker::Pause { until: *until, error }
        }
        (StepPhase::NeedsDecision { reason }, _) => Blocker::Decision {
            reason: reason.clone(),
        },
        (StepPhase::Cancelled, _) => Blocker::Decision {
            reason: "stopped on request".into(),
        },
        (StepPhase::Succeeded { .. }, _) => Blocker::Nothing,
    }
}

fn not_begun(state: &State, step: &PlannedStep) -> Blocker {
    if let Some(capability) = step.needs.iter().find(|need| !state.holds(need)) {
        let plan = state.plan();
        let provider = plan.and_then(|plan| plan.providers(capability).find(|step| !state.is_done(step.id)));
        return Blocker::Needs {
            capability: capability.clone(),
            provider: provider.map(|step| step.name.clone()),
        };
    }
    let passed = |phase| {
        state
            .active_run()
            .is_some_and(|run| run.gates_passed.contains(&phase))
    };
    if !state.gate_open(step.phase)
        && let Some(phase) = (1..step.phase).find(|phase| !passed(*phase))
    {
        return Blocker::Gate { phase };
    }
    let (Some(node), Some(lane)) = (step.target.node(), step.lane()) else {
        return Blocker::Nothing;
    };
    if !state.may_order(node) {
        return Blocker::Agent { node: node.clone() };
    }
    match state.lane_holder(node, lane) {
        Some((_, holder)) => Blocker::Lane {
            by: holder.name.clone(),
        },
        None => Blocker::Nothing,
    }
}
