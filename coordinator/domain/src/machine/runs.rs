//! What operators ask for, and the coordinator's own start.

use super::Refused;
use super::draft::Draft;
use crate::effect::Effect;
use crate::plan::{HostStep, Plan, PlannedStep, StepBody, Target};
use crate::record::{Record, RunOutcome};
use crate::state::StepPhase;
use model::ids::{Epoch, RunId, StepId};
use model::step::{InitPhase, NodeStep};
use std::sync::Arc;

impl Draft<'_> {
    pub(super) fn started(&mut self, epoch: Epoch) {
        if epoch <= self.state.epoch {
            return self.refuse(Refused::StaleEpoch {
                last: self.state.epoch,
                found: epoch,
            });
        }
        self.record(Record::EpochStarted { epoch });
        let lost: Vec<StepId> = self
            .state
            .steps
            .iter()
            .filter(|(_, step)| step.target == Target::Host && step.epoch.is_some() && step.phase.in_flight())
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.unknown(id, "the coordinator ended while it ran");
        }
    }

    pub(super) fn up_requested(&mut self, run: RunId, through: u8, yes: bool, plan: Plan) {
        if let Some(active) = self.state.active_run() {
            let (id, same, opens) = (active.id, active.plan_digest == plan.digest, yes && !active.yes);
            if !same {
                self.refuse(Refused::RunActive(id));
            } else if opens {
                self.record(Record::GatesOpened { run: id });
            }
            return;
        }
        let plan_digest = plan.digest;
        self.record(Record::RunStarted {
            run,
            through,
            yes,
            plan_digest,
        });
        let plan = Arc::new(plan);
        self.state.offer_plan(Arc::clone(&plan));
        for step in &plan.steps {
            self.look_again(&plan, step);
        }
    }

    /// What the host observes is observed anew by each run; it is not taken from an earlier one. Nor are the images of a node:
    /// a later phase brings archives that an earlier run did not have. And what was replaced since is done no more.
    fn look_again(&mut self, plan: &Plan, step: &PlannedStep) {
        if !self.state.is_done(step.id) {
            return;
        }
        match &step.body {
            StepBody::Host(HostStep::EnsureNodes { .. } | HostStep::AwaitReady { .. })
            | StepBody::Node(NodeStep::ImportImages { .. }) => {
                self.unknown(step.id, "a new run looks again");
            }
            StepBody::Host(HostStep::AwaitAgent { node }) if !self.state.may_order(node) => {
                self.unknown(step.id, "the agent is not connected");
            }
            StepBody::Host(HostStep::InstallComponent { .. }) if self.state.is_overtaken(step) => {
                self.unknown(step.id, "other inputs were installed since");
            }
            StepBody::Node(NodeStep::KubeadmInit {
                phase: InitPhase::BootstrapToken,
                ..
            }) if self.is_join_open(plan, step) => {
                self.unknown(step.id, "a node has yet to join, and a join token runs out");
            }
            _ => {}
        }
    }

    /// Whether a node of the cluster that `token` is for has not joined yet.
    fn is_join_open(&self, plan: &Plan, token: &PlannedStep) -> bool {
        plan.steps.iter().any(|step| {
            matches!(step.node_step(), Some(NodeStep::KubeadmJoin { .. }))
                && step.cluster == token.cluster
                && !self.state.is_done(step.id)
        })
    }

    pub(super) fn gate_confirmed(&mut self, run: RunId, phase: u8, go_on: bool) {
        let Some(active) = self.state.active_run().filter(|active| active.id == run) else {
            return self.refuse(Refused::NoActiveRun);
        };
        let at_gate = active.gates_reached.contains_key(&phase)
            && !active.gates_passed.contains(&phase)
            && phase < active.through;
        if !at_gate {
            return self.refuse(Refused::NotAtGate(phase));
        }
        if go_on {
            return self.record(Record::GatePassed { run, phase });
        }
        self.finish(
            RunOutcome::StoppedAtGate,
            format!("stopped after phase {phase} as asked"),
        );
    }

    pub(super) fn cancel_requested(&mut self) {
        let Some(run) = self.state.active_run() else {
            return self.refuse(Refused::NoActiveRun);
        };
        if run.cancelling.is_some() {
            return;
        }
        let run = run.id;
        self.record(Record::RunCancelling { run });
        let in_flight: Vec<_> = self
            .state
            .steps
            .iter()
            .filter(|(_, step)| step.phase.in_flight())
            .map(|(id, step)| (*id, step.clone()))
            .collect();
        for (step, known) in in_flight {
            let attempt = known.attempt;
            match &known.target {
                Target::Node(node) if self.state.may_order(node) => {
                    self.effect(Effect::Cancel {
                        node: node.clone(),
                        step,
                        attempt,
                    });
                }
                Target::Node(_) => {}
                Target::Host if known.epoch.is_some() => self.effect(Effect::CancelHost { step, attempt }),
                Target::Host => self.record(Record::StepCancelled {
                    step,
                    attempt,
                    source: None,
                }),
            }
        }
    }

    pub(super) fn nodes_removed(&mut self) {
        if let Some(run) = self.state.active_run() {
            let id = run.id;
            return self.refuse(Refused::RunActive(id));
        }
        self.record(Record::NodesRemoved {});
    }

    pub(super) fn finish(&mut self, outcome: RunOutcome, message: String) {
        let Some(run) = self.state.active_run() else {
            return;
        };
        let (run, executed) = (run.id, run.executed);
        self.record(Record::RunFinished {
            run,
            outcome,
            executed,
            message,
        });
    }

    /// The steps that wait for a person, with what was found: the text of a run that could not end well.
    pub(super) fn decisions(&self) -> String {
        let Some(plan) = self.plan() else {
            return String::new();
        };
        let waiting = plan.steps.iter().filter_map(|step| match self.phase(step.id) {
            Some(StepPhase::NeedsDecision { reason }) => Some(format!("{}: {reason}", step.name)),
            _ => None,
        });
        waiting.collect::<Vec<_>>().join("; ")
    }
}
