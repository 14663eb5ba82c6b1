//! The decision in the making: the state, to which each record is applied as soon as it is decided on, so that what is
//! decided next already knows it.

use super::{Decision, Refused};
use crate::diagnosis::with_likeliest;
use crate::effect::Effect;
use crate::event::SessionId;
use crate::plan::{Plan, PlannedStep};
use crate::record::Record;
use crate::state::{State, StepPhase, StepState};
use model::ids::{Attempt, NodeName, StepId};
use model::moment::Moment;
use std::sync::Arc;

pub(super) struct Draft<'a> {
    pub(super) state: State,
    pub(super) now: Moment,
    pub(super) decision: Decision,
    recorded: &'a mut dyn FnMut(&State, &Record),
}

impl<'a> Draft<'a> {
    /// `recorded` sees every record with the state that it led to.
    pub(super) fn new(state: State, now: Moment, recorded: &'a mut dyn FnMut(&State, &Record)) -> Self {
        Self {
            state,
            now,
            decision: Decision::default(),
            recorded,
        }
    }

    /// Decides on a record. One that cannot follow the others is dropped: the same rule protects the log when it is read.
    pub(super) fn record(&mut self, record: Record) {
        let revision = self.state.revision.next();
        let applied = self.state.apply(revision, &record, self.now);
        debug_assert!(applied.is_ok(), "decided on {record:?}: {applied:?}");
        if applied.is_ok() {
            (self.recorded)(&self.state, &record);
            self.decision.records.push(record);
        }
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }

    pub(super) fn refuse(&mut self, refused: Refused) {
        self.decision.refused = Some(refused);
    }

    pub(super) fn plan(&self) -> Option<Arc<Plan>> {
        self.state.plan().cloned()
    }

    pub(super) fn planned(&self, id: StepId) -> Option<PlannedStep> {
        self.state.plan()?.step(id).cloned()
    }

    pub(super) fn known(&self, id: StepId) -> Option<&StepState> {
        self.state.steps.get(&id)
    }

    pub(super) fn phase(&self, id: StepId) -> Option<&StepPhase> {
        self.known(id).map(|step| &step.phase)
    }

    /// Whether a run goes on and is not being cancelled.
    pub(super) fn running(&self) -> bool {
        self.state
            .active_run()
            .is_some_and(|run| run.cancelling.is_none())
    }

    /// Whether `session` is the live one: what older ones still deliver is ignored.
    pub(super) fn is_session(&self, node: &NodeName, session: SessionId) -> bool {
        self.state
            .nodes
            .get(node)
            .is_some_and(|known| known.session == Some(session))
    }

    /// Decides on a new attempt, without handing it out.
    pub(super) fn intend(&mut self, planned: &PlannedStep, attempt: Attempt) {
        self.take_up(planned, attempt, true);
    }

    /// Takes up an attempt, `ours` or one that an agent knows from elsewhere.
    pub(super) fn take_up(&mut self, planned: &PlannedStep, attempt: Attempt, ours: bool) {
        self.record(Record::StepIntended {
            step: planned.id,
            attempt,
            name: planned.name.clone(),
            target: planned.target.clone(),
            cluster: planned.cluster.clone(),
            lane: planned.lane(),
            ours,
        });
    }

    /// Hands out the current attempt, for the first time or again.
    pub(super) fn dispatch(&mut self, planned: &PlannedStep) {
        let Some(attempt) = self.known(planned.id).map(|step| step.attempt) else {
            return;
        };
        self.record(Record::StepDispatched {
            step: planned.id,
            attempt,
            epoch: self.state.epoch,
        });
        let effect = match (planned.target.node(), planned.order(attempt)) {
            (Some(node), Some(order)) => Effect::Dispatch {
                node: node.clone(),
                order,
            },
            _ => Effect::RunHost {
                step: planned.clone(),
                attempt,
            },
        };
        self.effect(effect);
    }

    pub(super) fn unknown(&mut self, step: StepId, reason: impl Into<String>) {
        let Some(attempt) = self.known(step).map(|known| known.attempt) else {
            return;
        };
        self.record(Record::StepUnknown {
            step,
            attempt,
            reason: reason.into(),
            source: None,
        });
    }

    pub(super) fn needs_decision(&mut self, step: StepId, reason: impl Into<String>) {
        let Some(known) = self.known(step) else { return };
        let attempt = known.attempt;
        let mut reason = reason.into();
        if let Some(error) = &known.first_error {
            reason = format!("{} ({}), then {reason}", error.message, error.code);
        } else {
            reason = with_likeliest(reason, &known.causes);
        }
        self.record(Record::StepNeedsDecision {
            step,
            attempt,
            reason,
        });
    }
}
