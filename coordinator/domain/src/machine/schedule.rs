//! What is to be done next. Looks at the whole state each time and needs no hint of what changed.

use super::draft::Draft;
use super::outcomes::init_phase;
use super::probes::{forgets_on_boot, may_not_rerun};
use crate::plan::{HostStep, Plan, PlannedStep, StepBody, Target};
use crate::record::Record;
use crate::state::StepPhase;
use model::ids::{Attempt, NodeName};
use model::step::ProbeResult;

impl Draft<'_> {
    /// Carries the plan on as far as it goes now.
    pub(super) fn schedule(&mut self) {
        let Some(plan) = self.plan() else { return };
        loop {
            let before = self.decision.records.len();
            if self.running() {
                for step in &plan.steps {
                    self.carry_on(step);
                }
                self.gates(&plan);
            }
            if self.decision.records.len() == before {
                break;
            }
        }
        self.maybe_finish(&plan);
    }

    fn carry_on(&mut self, step: &PlannedStep) {
        if let StepBody::Host(HostStep::AwaitAgent { node }) = &step.body {
            return self.await_agent(step, node);
        }
        let state = self
            .known(step.id)
            .map(|known| (known.phase.clone(), known.probing.is_some()));
        match state {
            None => self.begin(step, Attempt(1)),
            Some((StepPhase::Intended, _)) => self.hand_out(step),
            // What is to be replaced first says nothing of what replaces it.
            Some((StepPhase::Unknown { .. } | StepPhase::Failed, false))
                if matches!(step.body, StepBody::Host(HostStep::AwaitReady { .. }))
                    && !self.state.needs_met(step) => {}
            Some((StepPhase::Unknown { .. } | StepPhase::Failed, false)) => self.probe(step),
            Some((StepPhase::Backoff { until }, _)) if until <= self.now => self.after_pause(step),
            Some((StepPhase::Succeeded { .. }, _)) => self.doubt_after_boot(step),
            _ => {}
        }
    }

    /// A wait that the machine itself observes; it is never handed out.
    fn await_agent(&mut self, step: &PlannedStep, node: &NodeName) {
        let Some(known) = self.known(step.id) else {
            self.intend(step, Attempt(1));
            return self.await_agent(step, node);
        };
        let attempt = known.attempt;
        let waiting = matches!(known.phase, StepPhase::Running { .. });
        if known.phase.done() || known.phase.given_up() {
            return;
        }
        if self.state.may_order(node) {
            let run_ms = self
                .known(step.id)
                .map_or(0, |known| self.now.millis_since(known.since));
            self.record(Record::StepSucceeded {
                step: step.id,
                attempt,
                run_ms,
                cpu_ms: 0,
                boot: None,
                source: None,
            });
        } else if !waiting {
            self.record(Record::StepRunning {
                step: step.id,
                attempt,
                unit: "wait".into(),
                source: None,
            });
        }
    }

    /// Another attempt after a pause, or another look where another attempt could do harm.
    fn after_pause(&mut self, step: &PlannedStep) {
        if may_not_rerun(&self.state, step, &ProbeResult::NotStarted) {
            return self.probe(step);
        }
        let next = self
            .known(step.id)
            .map_or(Attempt(1), |known| known.attempt.next());
        self.begin(step, next);
    }

    fn begin(&mut self, step: &PlannedStep, attempt: Attempt) {
        if !self.may_start(step) {
            return;
        }
        if !self.claim(step) {
            self.intend(step, attempt);
            return self.needs_decision(step.id, "another node has initialised this cluster");
        }
        self.intend(step, attempt);
        self.dispatch(step);
    }

    /// Only after a log that ends between intention and dispatch, which one batch does not allow; kept total.
    fn hand_out(&mut self, step: &PlannedStep) {
        let reachable = step.target.node().is_none_or(|node| self.state.may_order(node));
        if reachable {
            self.dispatch(step);
        }
    }

    fn may_start(&self, step: &PlannedStep) -> bool {
        if !self.state.gate_open(step.phase) || !self.state.needs_met(step) {
            return false;
        }
        match (&step.target, step.lane()) {
            (Target::Node(node), Some(lane)) => {
                self.state.may_order(node) && self.state.lane_holder(node, lane).is_none()
            }
            _ => true,
        }
    }

    /// Makes sure that this node alone initialises its cluster; false when another one does.
    fn claim(&mut self, step: &PlannedStep) -> bool {
        let (Some(_), Some(cluster), Some(node)) = (init_phase(step), &step.cluster, step.target.node())
        else {
            return true;
        };
        if let Some((holder, _)) = self.state.claims.get(cluster) {
            return holder == node;
        }
        self.record(Record::InitClaimed {
            cluster: cluster.clone(),
            node: node.clone(),
            step: step.id,
        });
        true
    }

    /// What was done in an earlier boot of its node is looked at again.
    fn doubt_after_boot(&mut self, step: &PlannedStep) {
        let Some(node) = step.target.node().filter(|node| self.state.may_order(node)) else {
            return;
        };
        let (Some(known), Some(current)) = (self.known(step.id), self.state.nodes.get(node)) else {
            return;
        };
        let other_boot = known.boot.is_some() && known.boot != current.boot;
        if other_boot && forgets_on_boot(&self.state, step) {
            self.unknown(step.id, "the node was booted since");
        }
    }

    /// The steps of `plan` on `node` that are not done and could start or answer but for the node.
    pub(super) fn held_up_by(&self, plan: &Plan, node: &NodeName) -> Vec<PlannedStep> {
        let held = |step: &&PlannedStep| {
            step.target.node() == Some(node)
                && match self.phase(step.id) {
                    None => self.state.needs_met(step) && self.state.gate_open(step.phase),
                    Some(phase) => !phase.done() && !phase.given_up(),
                }
        };
        plan.steps.iter().filter(held).cloned().collect()
    }
}
