//! Folding what concerns a step.

use super::{ApplyError, State, StepError, StepPhase, StepState};
use crate::record::Record;
use model::ids::{Attempt, StepId};
use model::moment::Moment;

/// Pause before the next attempt after so many failures, in milliseconds.
const RETRY_MS: [u64; 3] = [0, 1_000, 5_000];

/// Pause before the next look when only looking is allowed.
const LOOK_MS: [u64; 6] = [0, 0, 2_000, 5_000, 10_000, 30_000];

impl State {
    pub(super) fn fold_step(&mut self, record: &Record, at: Moment) -> Result<(), ApplyError> {
        // Before anything is changed: a record that is refused leaves no trace.
        self.check_attempt(record)?;
        if let Some(source) = record.source() {
            self.advance(&source, at);
        }
        let Some((id, attempt)) = record.step() else {
            return Ok(());
        };
        if let Record::StepIntended { .. } = record {
            self.intend(id, record, at);
            return Ok(());
        }
        self.count_dispatch(id, record);
        let epoch = self.epoch;
        let incarnation = self
            .steps
            .get(&id)
            .and_then(|step| step.target.node())
            .and_then(|node| self.nodes.get(node))
            .and_then(|node| node.incarnation);
        let Some(step) = self.steps.get_mut(&id) else {
            return Ok(());
        };
        match record {
            Record::StepDispatched { .. } => {
                step.epoch = Some(epoch);
                step.incarnation = incarnation;
                step.enter(StepPhase::Dispatched, at);
            }
            Record::StepRunning { unit, .. } => step.enter(StepPhase::Running { unit: unit.clone() }, at),
            Record::StepProgress { message, .. } => step.progress = Some(message.clone()),
            Record::StepDiagnosed { causes, .. } => step.causes.clone_from(causes),
            Record::StepSucceeded {
                run_ms, cpu_ms, boot, ..
            } => {
                step.boot = *boot;
                step.looks = 0;
                step.causes.clear();
                step.enter(
                    StepPhase::Succeeded {
                        run_ms: *run_ms,
                        cpu_ms: *cpu_ms,
                    },
                    at,
                );
            }
            Record::StepFailed {
                code,
                message,
                output,
                ..
            } => {
                let error = StepError {
                    attempt,
                    code: code.clone(),
                    message: message.clone(),
                    output: output.clone(),
                    at,
                };
                step.failures += 1;
                step.first_error.get_or_insert_with(|| error.clone());
                step.last_error = Some(error);
                step.enter(StepPhase::Failed, at);
            }
            Record::StepUnknown { reason, .. } => {
                step.unknowns += 1;
                step.enter(
                    StepPhase::Unknown {
                        reason: reason.clone(),
                    },
                    at,
                );
            }
            Record::StepCancelled { .. } => step.enter(StepPhase::Cancelled, at),
            Record::StepProbing { .. } => {
                if !step.phase.wants_probe() {
                    step.enter(
                        StepPhase::Unknown {
                            reason: "looking again".into(),
                        },
                        at,
                    );
                }
                step.probing = Some(at);
            }
            Record::StepProbed { .. } => {
                step.looks += 1;
                let until = at.plus_millis(step.pause_ms());
                step.enter(StepPhase::Backoff { until }, at);
            }
            Record::StepNeedsDecision { reason, .. } => {
                step.enter(
                    StepPhase::NeedsDecision {
                        reason: reason.clone(),
                    },
                    at,
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// A new attempt is above the last one; every other record of a step speaks of the present one.
    fn check_attempt(&self, record: &Record) -> Result<(), ApplyError> {
        let Some((step, found)) = record.step() else {
            return Ok(());
        };
        let known = self.steps.get(&step).map(|known| known.attempt);
        let fits = match record {
            Record::StepIntended { .. } => known.is_none_or(|current| found > current),
            _ => known == Some(found),
        };
        let current = known.unwrap_or(Attempt(0));
        if fits {
            Ok(())
        } else {
            Err(ApplyError::Attempt { step, current, found })
        }
    }

    fn intend(&mut self, id: StepId, record: &Record, at: Moment) {
        let Record::StepIntended {
            attempt,
            name,
            target,
            cluster,
            lane,
            ours,
            ..
        } = record
        else {
            return;
        };
        if let Some(step) = self.steps.get_mut(&id) {
            step.attempt = *attempt;
            step.intended = at;
            step.ours = *ours;
            step.looks = 0;
            step.causes.clear();
            step.enter(StepPhase::Intended, at);
            return;
        }
        let step = StepState {
            name: name.clone(),
            target: target.clone(),
            cluster: cluster.clone(),
            lane: *lane,
            attempt: *attempt,
            phase: StepPhase::Intended,
            since: at,
            intended: at,
            ours: *ours,
            epoch: None,
            incarnation: None,
            boot: None,
            probing: None,
            looks: 0,
            failures: 0,
            unknowns: 0,
            first_error: None,
            last_error: None,
            progress: None,
            causes: Vec::new(),
        };
        self.steps.insert(id, step);
    }

    /// An attempt counts once, however often its order had to be sent.
    fn count_dispatch(&mut self, id: StepId, record: &Record) {
        let first = matches!(record, Record::StepDispatched { .. })
            && self
                .steps
                .get(&id)
                .is_some_and(|step| step.phase == StepPhase::Intended);
        if let (true, Some(run)) = (first, &mut self.run) {
            run.executed += 1;
        }
    }
}

impl StepState {
    fn enter(&mut self, phase: StepPhase, at: Moment) {
        self.phase = phase;
        self.since = at;
        self.probing = None;
        if !matches!(self.phase, StepPhase::Running { .. }) {
            self.progress = None;
        }
    }

    /// A new run looks again at whatever did not end well, and counts its own failures.
    pub(super) fn begin_run(&mut self, at: Moment) {
        self.failures = 0;
        self.unknowns = 0;
        self.looks = 0;
        self.first_error = None;
        self.last_error = None;
        let open =
            self.phase.given_up() || matches!(self.phase, StepPhase::Failed | StepPhase::Backoff { .. });
        if open {
            self.enter(
                StepPhase::Unknown {
                    reason: "a new run looks again".into(),
                },
                at,
            );
        }
    }

    fn pause_ms(&self) -> u64 {
        let table = if self.failures > 0 {
            (&RETRY_MS[..], self.failures)
        } else {
            (&LOOK_MS[..], self.looks)
        };
        let index = usize::try_from(table.1)
            .unwrap_or(usize::MAX)
            .min(table.0.len() - 1);
        table.0.get(index).copied().unwrap_or(0)
    }
}
