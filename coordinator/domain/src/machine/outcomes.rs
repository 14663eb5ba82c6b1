//! What agents and the host report of steps.

use super::draft::Draft;
use crate::plan::{PlannedStep, Target};
use crate::record::{Record, Source};
use crate::state::StepPhase;
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, BootId, NodeName, StepId};
use model::step::{InitPhase, NodeStep, StepOutcome};

/// Codes of agents' refusals and failures on which a decision depends.
pub(super) mod codes {
    /// An order of an older coordinator.
    pub(crate) const STALE_EPOCH: &str = "DY-0520";
    /// The node has served already: only a person may make this anew.
    pub(crate) const SERVED: &str = "DY-0505";
    /// The node's enrolment token was used up by somebody with another key.
    pub(crate) const TOKEN_SPENT: &str = "DY-0509";
}

impl Draft<'_> {
    /// Turns a step's event into the record that it means; decides on none when it means nothing for the current attempt.
    pub(super) fn step_event(&mut self, node: &NodeName, event: &NodeEvent) {
        let source = Some(Source::of(node, event));
        match &event.kind {
            NodeEventKind::StepStarted { step, attempt, unit }
                if self.in_phase(*step, *attempt, handed_out) =>
            {
                self.record(Record::StepRunning {
                    step: *step,
                    attempt: *attempt,
                    unit: unit.clone(),
                    source,
                });
            }
            NodeEventKind::StepProgress {
                step,
                attempt,
                message,
            } if self.in_phase(*step, *attempt, StepPhase::in_flight) => {
                let message = message.clone();
                self.record(Record::StepProgress {
                    step: *step,
                    attempt: *attempt,
                    message,
                    source,
                });
            }
            NodeEventKind::StepEvidence {
                step,
                attempt,
                evidence,
                ..
            } => self.diagnosed(*step, *attempt, evidence, source),
            NodeEventKind::StepFinished {
                step,
                attempt,
                outcome,
            } => {
                self.finished(node, *step, *attempt, outcome, event.boot, source);
            }
            NodeEventKind::StepRefused {
                step,
                attempt,
                code,
                reason,
            } => {
                self.order_refused(node, event, (*step, *attempt), code, reason, source);
            }
            _ => {}
        }
    }

    fn order_refused(
        &mut self,
        node: &NodeName,
        event: &NodeEvent,
        (step, attempt): (StepId, Attempt),
        code: &str,
        reason: &str,
        source: Option<Source>,
    ) {
        if code == codes::STALE_EPOCH {
            self.record(Record::Node {
                node: node.clone(),
                event: event.clone(),
            });
            return self.record(Record::Audit {
                actor: "an older coordinator".into(),
                action: "order a step".into(),
                target: format!("{node} {}", step.short()),
                outcome: code.into(),
            });
        }
        if self.in_phase(step, attempt, handed_out) {
            let (code, message) = (code.to_owned(), format!("the agent refused the order: {reason}"));
            self.record(Record::StepFailed {
                step,
                attempt,
                code,
                message,
                output: String::new(),
                source,
            });
        }
    }

    pub(super) fn in_phase(&self, step: StepId, attempt: Attempt, is: impl Fn(&StepPhase) -> bool) -> bool {
        self.known(step)
            .is_some_and(|known| known.attempt == attempt && is(&known.phase))
    }

    fn finished(
        &mut self,
        node: &NodeName,
        step: StepId,
        attempt: Attempt,
        outcome: &StepOutcome,
        boot: BootId,
        source: Option<Source>,
    ) {
        let Some(known) = self
            .known(step)
            .filter(|known| known.attempt == attempt && !known.phase.done())
        else {
            return;
        };
        let current = self.state.nodes.get(node).and_then(|known| known.boot) == Some(boot);
        let in_flight = known.phase.in_flight();
        let unsure = known.phase.wants_probe() && current;
        match outcome {
            // A success of an earlier boot says nothing once somebody asked what there is now.
            StepOutcome::Succeeded { run_ms, cpu_ms } if in_flight || current => {
                let (run_ms, cpu_ms) = (*run_ms, *cpu_ms);
                self.record(Record::StepSucceeded {
                    step,
                    attempt,
                    run_ms,
                    cpu_ms,
                    boot: Some(boot),
                    source,
                });
                self.note_served(step);
            }
            StepOutcome::Failed {
                code,
                message,
                output,
            } if in_flight || unsure => {
                let message = self.explained(step, attempt, (code, message, output));
                self.record(Record::StepFailed {
                    step,
                    attempt,
                    code: code.clone(),
                    message,
                    output: output.clone(),
                    source,
                });
            }
            StepOutcome::Unknown { reason } if in_flight => {
                self.record(Record::StepUnknown {
                    step,
                    attempt,
                    reason: reason.clone(),
                    source,
                });
            }
            StepOutcome::Cancelled if in_flight || unsure => {
                self.record(Record::StepCancelled {
                    step,
                    attempt,
                    source,
                });
            }
            _ => {}
        }
    }

    /// Records the point of no return when `step` is the one that marks it.
    pub(super) fn note_served(&mut self, step: StepId) {
        let Some(planned) = self.planned(step) else { return };
        let (Some(InitPhase::WaitControlPlane), Some(cluster)) = (init_phase(&planned), planned.cluster)
        else {
            return;
        };
        if !self.state.served.contains(&cluster) {
            self.record(Record::ClusterServed { cluster });
        }
    }

    pub(super) fn host_finished(&mut self, step: StepId, attempt: Attempt, outcome: StepOutcome) {
        let fits = self.known(step).is_some_and(|known| {
            known.target == Target::Host
                && known.attempt == attempt
                && known.phase.in_flight()
                && known.epoch.is_some()
        });
        if !fits {
            return;
        }
        let source = None;
        let outcome = match outcome {
            StepOutcome::Failed {
                code,
                message,
                output,
            } => StepOutcome::Failed {
                message: self.explained(step, attempt, (&code, &message, &output)),
                code,
                output,
            },
            other => other,
        };
        self.record(match outcome {
            StepOutcome::Succeeded { run_ms, cpu_ms } => Record::StepSucceeded {
                step,
                attempt,
                run_ms,
                cpu_ms,
                boot: None,
                source,
            },
            StepOutcome::Failed {
                code,
                message,
                output,
            } => Record::StepFailed {
                step,
                attempt,
                code,
                message,
                output,
                source,
            },
            StepOutcome::Unknown { reason } => Record::StepUnknown {
                step,
                attempt,
                reason,
                source,
            },
            StepOutcome::Cancelled => Record::StepCancelled {
                step,
                attempt,
                source,
            },
        });
    }

    pub(super) fn host_progress(&mut self, step: StepId, attempt: Attempt, message: String) {
        if self.in_phase(step, attempt, StepPhase::in_flight) {
            let same = self.known(step).and_then(|known| known.progress.as_ref()) == Some(&message);
            if !same {
                self.record(Record::StepProgress {
                    step,
                    attempt,
                    message,
                    source: None,
                });
            }
        }
    }
}

fn handed_out(phase: &StepPhase) -> bool {
    matches!(phase, StepPhase::Intended | StepPhase::Dispatched)
}

/// The phase of `kubeadm init` that a step performs.
pub(super) fn init_phase(planned: &PlannedStep) -> Option<InitPhase> {
    match planned.node_step() {
        Some(NodeStep::KubeadmInit { phase, .. }) => Some(*phase),
        _ => None,
    }
}
