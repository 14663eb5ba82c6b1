//! The state of a run: a fold of its records.

use crate::drill::deed::{Deed, DeedStatus, Deeds};
use crate::drill::plan::DrillPlan;
use crate::drill::record::{AbortCause, Phase, Record};
use crate::drill::report::verdict::Verdict;
use model::ids::RunId;
use model::moment::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run, as its records tell it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// Which run; None before its first record.
    pub id: Option<RunId>,
    /// When it began; of a run without records nothing is asked.
    pub began: Moment,
    /// What is carried out.
    pub plan: Option<Arc<DrillPlan>>,
    /// The present phase.
    pub phase: Option<Phase>,
    /// Since when.
    pub phase_since: Moment,
    /// Faults whose intention is on record.
    pub faults: BTreeMap<String, FaultState>,
    /// What was ordered for the drill's own ExternalSecrets, by the probe that watches them.
    pub deeds: BTreeMap<String, Deeds>,
    /// Whether the outage was held back for the worst moment.
    pub held_back: bool,
    /// Why it ends early; of several causes the one that says most of the evidence.
    pub abort: Option<AbortCause>,
    /// Whether a coordinator ended in the middle of it: nobody watched from then on.
    pub unwatched: bool,
    /// How it ended.
    pub finished: Option<Verdict>,
}

/// A fault whose intention is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultState {
    /// How far it is.
    pub status: FaultStatus,
    /// End of its lease.
    pub deadline: Moment,
    /// Position among the intentions; undoing goes backwards.
    pub order: usize,
}

/// How far a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultStatus {
    /// The injection was ordered, and its outcome is not known.
    Intended,
    /// It is in effect.
    Injected,
    /// The injection failed; some of it may be in effect.
    Failed,
    /// The undo was ordered.
    Undoing,
    /// The undo failed at that moment.
    UndoFailed(Moment),
    /// It is gone.
    Undone,
}

impl Run {
    /// Folds a history's records.
    pub fn fold<'a>(records: impl IntoIterator<Item = (Moment, &'a Record)>) -> Self {
        let mut run = Run::default();
        for (time, record) in records {
            run.apply(record, time);
        }
        run
    }

    /// Takes in one record.
    pub fn apply(&mut self, record: &Record, time: Moment) {
        match record {
            Record::Started { run, plan } => {
                self.id = Some(*run);
                self.began = time;
                self.plan = Some(Arc::new(DrillPlan::clone(plan)));
            }
            Record::PhaseEntered { phase } => {
                self.phase = Some(*phase);
                self.phase_since = time;
            }
            Record::BacklogForetold { .. } => {}
            Record::HeldBack { .. } => self.held_back = true,
            Record::FaultIntended { fault, deadline } => {
                let state = FaultState {
                    status: FaultStatus::Intended,
                    deadline: *deadline,
                    order: self.faults.len(),
                };
                self.faults.insert(fault.clone(), state);
            }
            Record::FaultInjected { fault, .. } => self.answered(fault, FaultStatus::Injected),
            Record::FaultFailed { fault, .. } => self.answered(fault, FaultStatus::Failed),
            Record::UndoIntended { fault } => self.set(fault, FaultStatus::Undoing),
            Record::UndoFailed { fault, .. } => self.set(fault, FaultStatus::UndoFailed(time)),
            Record::FaultUndone { fault, .. } => self.set(fault, FaultStatus::Undone),
            Record::DeedOrdered { probe, deed } => self.deed(probe, *deed, DeedStatus::Ordered),
            Record::DeedDone { probe, deed, .. } => self.deed(probe, *deed, DeedStatus::Done),
            Record::DeedFailed { probe, deed, .. } => self.deed(probe, *deed, DeedStatus::Failed(time)),
            Record::Aborting { cause } => {
                // Orders that were under way died with the coordinator: they are given again.
                if *cause == (AbortCause::CoordinatorLost {}) {
                    self.unwatched = true;
                    for fault in self.faults.values_mut() {
                        if fault.status == FaultStatus::Undoing {
                            fault.status = FaultStatus::Intended;
                        }
                    }
                }
                if cause.outweighs(self.abort.as_ref()) {
                    self.abort = Some(cause.clone());
                }
            }
            Record::Finished { verdict, .. } => self.finished = Some(*verdict),
        }
    }

    /// The answer to an injection; an undo that was ordered meanwhile comes after it and is not forgotten.
    fn answered(&mut self, fault: &str, status: FaultStatus) {
        if let Some(state) = self.faults.get_mut(fault)
            && state.status == FaultStatus::Intended
        {
            state.status = status;
        }
    }

    fn deed(&mut self, probe: &str, deed: Deed, status: DeedStatus) {
        self.deeds
            .entry(probe.to_owned())
            .or_default()
            .insert(deed, status);
    }

    fn set(&mut self, fault: &str, status: FaultStatus) {
        if let Some(state) = self.faults.get_mut(fault) {
            state.status = status;
        }
    }

    /// Faults that are not known to be gone, the last intended first.
    pub fn outstanding(&self) -> Vec<(&str, &FaultState)> {
        let mut list: Vec<(&str, &FaultState)> = self
            .faults
            .iter()
            .filter(|(_, state)| state.status != FaultStatus::Undone)
            .map(|(name, state)| (name.as_str(), state))
            .collect();
        list.sort_by_key(|(_, state)| std::cmp::Reverse(state.order));
        list
    }
}
