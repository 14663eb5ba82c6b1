//! Epochs rise; one run at a time; a run succeeds only when everything it began is done.

use super::steps::Steps;
use crate::record::{Record, RunOutcome};
use model::ids::{Epoch, RunId};

#[derive(Default)]
pub(super) struct Runs {
    pub(super) epoch: Epoch,
    pub(super) epochs: u64,
    pub(super) count: u64,
    pub(super) active: Option<RunId>,
    gate: u8,
}

impl Runs {
    pub(super) fn read(&mut self, record: &Record, steps: &Steps, broken: &mut Vec<String>) {
        match record {
            Record::EpochStarted { epoch } => {
                if *epoch <= self.epoch {
                    broken.push(format!("epoch {epoch} does not rise above {}", self.epoch));
                }
                self.epoch = *epoch;
                self.epochs += 1;
            }
            Record::RunStarted { run, .. } => {
                if let Some(active) = self.active.replace(*run) {
                    broken.push(format!("a run starts while run {active} is active"));
                }
                self.count += 1;
                self.gate = 0;
            }
            Record::RunFinished { run, outcome, .. } => {
                if self.active.take() != Some(*run) {
                    broken.push(format!("run {run} ends without being active"));
                }
                let open = steps.unfinished();
                if *outcome == RunOutcome::Succeeded && !open.is_empty() {
                    broken.push(format!(
                        "the run succeeds with unfinished steps: {}",
                        open.join(", ")
                    ));
                }
            }
            Record::GateReached { phase, .. } => {
                if *phase != self.gate + 1 {
                    broken.push(format!("gate {phase} is reached after gate {}", self.gate));
                }
                self.gate = *phase;
            }
            Record::GatePassed { phase, .. } if *phase != self.gate => {
                broken.push(format!("gate {phase} is passed at gate {}", self.gate));
            }
            _ => {}
        }
    }
}
