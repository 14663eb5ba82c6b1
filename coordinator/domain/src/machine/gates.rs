//! Gates between phases, and the end of a run.

use super::draft::Draft;
use crate::plan::{HostStep, Plan, PlannedStep, StepBody, Target};
use crate::record::{Record, RunOutcome};
use crate::state::Run;
use std::collections::BTreeSet;

impl Draft<'_> {
    /// Reaches and passes the gates whose phases are verified, in order.
    pub(super) fn gates(&mut self, plan: &Plan) {
        for phase in 1..=plan.through {
            let Some(run) = self.state.active_run().cloned() else {
                return;
            };
            if !plan
                .steps
                .iter()
                .filter(|step| step.phase == phase)
                .all(|step| self.state.is_done(step.id))
            {
                return;
            }
            if !run.gates_reached.contains_key(&phase) {
                self.record(Record::GateReached {
                    run: run.id,
                    phase,
                    missing: plan.missing(phase),
                });
            }
            if run.gates_passed.contains(&phase) || phase == plan.through {
                continue;
            }
            if !run.yes {
                return;
            }
            self.record(Record::GatePassed { run: run.id, phase });
        }
    }

    /// Ends the run when everything is done, or when nothing more can be done.
    pub(super) fn maybe_finish(&mut self, plan: &Plan) {
        let Some(run) = self.state.active_run().cloned() else {
            return;
        };
        if run.cancelling.is_some() {
            return self.finish_cancelled(&run);
        }
        if plan.steps.iter().all(|step| self.state.is_done(step.id)) {
            if run.gates_reached.contains_key(&plan.through) && self.state.gate_open(plan.through) {
                let count = run.executed;
                let message = if count == 0 {
                    "everything is as it should be; nothing had to be done".to_owned()
                } else {
                    format!(
                        "done through phase {}; {count} step attempts were run",
                        plan.through
                    )
                };
                self.finish(RunOutcome::Succeeded, message);
            }
            return;
        }
        let doomed = self.doomed(plan);
        if doomed.is_empty() {
            return;
        }
        let blocked = |step: &PlannedStep| {
            !run.yes
                && plan
                    .steps
                    .iter()
                    .enumerate()
                    .any(|(i, s)| s.phase < step.phase && doomed.contains(&i))
        };
        let alive = plan
            .steps
            .iter()
            .enumerate()
            .any(|(i, step)| !self.state.is_done(step.id) && !doomed.contains(&i) && !blocked(step));
        if !alive {
            self.finish(RunOutcome::NeedsDecision, self.decisions());
        }
    }

    /// Steps that were given up, and those that need what these provide. One pass is enough: the plan is ordered.
    fn doomed(&self, plan: &Plan) -> BTreeSet<usize> {
        let mut doomed = BTreeSet::new();
        let mut no_nodes = false;
        for (i, step) in plan.steps.iter().enumerate() {
            let given_up = self.phase(step.id).is_some_and(|phase| phase.given_up());
            let lacks = |need| {
                plan.steps
                    .iter()
                    .enumerate()
                    .any(|(j, s)| doomed.contains(&j) && s.provides.contains(need))
            };
            let never_comes = match &step.body {
                StepBody::Host(HostStep::AwaitAgent { node }) => no_nodes && !self.state.may_order(node),
                _ => false,
            };
            if self.state.is_done(step.id) || !(given_up || never_comes || step.needs.iter().any(lacks)) {
                continue;
            }
            // What still runs or is being looked at is waited for, even when it can no longer help.
            let busy = self
                .known(step.id)
                .is_some_and(|known| known.phase.in_flight() || known.probing.is_some());
            if busy && !never_comes {
                continue;
            }
            no_nodes |= matches!(step.body, StepBody::Host(HostStep::EnsureNodes { .. }));
            doomed.insert(i);
        }
        doomed
    }

    /// Waits for what can still answer: host steps, and steps on nodes that can be reached.
    fn finish_cancelled(&mut self, run: &Run) {
        let patience_over = run
            .cancelling
            .is_some_and(|since| self.now.millis_since(since) > 60_000);
        let busy = self.state.steps.values().any(|step| {
            step.phase.in_flight()
                && match &step.target {
                    Target::Host => true,
                    Target::Node(node) => self.state.may_order(node),
                }
        });
        if !busy || patience_over {
            self.finish(
                RunOutcome::Cancelled,
                "cancelled; `coordinator up` goes on from here".into(),
            );
        }
    }
}
