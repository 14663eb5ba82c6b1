//! Folding one record into the state. Total: whatever the log holds, this neither panics nor guesses.

use super::{Finished, Link, Run, State};
use crate::record::Record;
use model::ids::{Attempt, Epoch, Revision, StepId};
use model::moment::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// A record that cannot follow the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A hole or a repetition in the log.
    #[error("revision {found} follows {last}: the log has a hole or a repetition")]
    Revision {
        /// The last one that was applied.
        last: Revision,
        /// The one that came.
        found: Revision,
    },
    /// A step record about an attempt that is not the current one.
    #[error("step {step} is at attempt {current}, and a record speaks of attempt {found}")]
    Attempt {
        /// Step.
        step: StepId,
        /// Current attempt; 0 when it was never intended.
        current: Attempt,
        /// The record's.
        found: Attempt,
    },
    /// An epoch that is not above the last.
    #[error("epoch {found} follows epoch {last}")]
    Epoch {
        /// The last one.
        last: Epoch,
        /// The one that came.
        found: Epoch,
    },
}

impl State {
    /// Applies the record that became durable as `revision` at `at`.
    pub fn apply(&mut self, revision: Revision, record: &Record, at: Moment) -> Result<(), ApplyError> {
        if revision != self.revision.next() {
            return Err(ApplyError::Revision {
                last: self.revision,
                found: revision,
            });
        }
        self.fold(record, at)?;
        self.revision = revision;
        Ok(())
    }

    /// The same without a revision, for records that are being decided on.
    pub(crate) fn fold(&mut self, record: &Record, at: Moment) -> Result<(), ApplyError> {
        self.past_leases.fold(record, &self.leases);
        self.leases.fold(record, at);
        match record {
            Record::EpochStarted { epoch } => self.begin_epoch(*epoch, at)?,
            Record::NodesRemoved {} => self.forget_nodes(),
            Record::InitClaimed { cluster, node, step } => {
                self.claims.insert(cluster.clone(), (node.clone(), *step));
            }
            Record::ClusterServed { cluster } => {
                self.served.insert(cluster.clone());
            }
            Record::RunStarted { .. }
            | Record::GatesOpened { .. }
            | Record::RunCancelling { .. }
            | Record::RunFinished { .. }
            | Record::GateReached { .. }
            | Record::GatePassed { .. } => self.fold_run(record, at),
            Record::Node { .. }
            | Record::Gap { .. }
            | Record::AgentConnected { .. }
            | Record::AgentReconciled { .. }
            | Record::AgentDisconnected { .. }
            | Record::AgentSuspect { .. }
            | Record::AgentRecovered { .. }
            | Record::AgentLost { .. }
            | Record::ConditionObserved { .. } => self.fold_node(record, at),
            Record::LeaseTaken { .. }
            | Record::LeaseInjected { .. }
            | Record::LeaseRenewed { .. }
            | Record::LeaseUndone { .. }
            | Record::Audit { .. }
            | Record::TokenMinted { .. }
            | Record::TokenUsed { .. }
            | Record::CertificateIssued { .. }
            | Record::NodeRevoked { .. }
            | Record::DrillProgress { .. } => {}
            _ => self.fold_step(record, at)?,
        }
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: Epoch, at: Moment) -> Result<(), ApplyError> {
        if epoch <= self.epoch {
            return Err(ApplyError::Epoch {
                last: self.epoch,
                found: epoch,
            });
        }
        self.epoch = epoch;
        for node in self.nodes.values_mut() {
            node.session = None;
            node.reconciled = false;
            if node.link == Link::Connected {
                node.link = Link::Suspect;
                node.since = at;
            }
        }
        for step in self.steps.values_mut() {
            // Whoever was asked has nobody left to answer to.
            step.probing = None;
        }
        Ok(())
    }

    fn forget_nodes(&mut self) {
        self.nodes.clear();
        self.steps.clear();
        self.claims.clear();
        self.served.clear();
    }

    fn fold_run(&mut self, record: &Record, at: Moment) {
        if let Record::RunStarted {
            run,
            through,
            yes,
            plan_digest,
        } = record
        {
            self.run = Some(Run {
                id: *run,
                through: *through,
                yes: *yes,
                plan_digest: *plan_digest,
                started: at,
                cancelling: None,
                gates_reached: BTreeMap::new(),
                gates_passed: BTreeSet::new(),
                executed: 0,
                finished: None,
            });
            for step in self.steps.values_mut() {
                step.begin_run(at);
            }
            return;
        }
        let Some(run) = &mut self.run else { return };
        match record {
            Record::GatesOpened { .. } => run.yes = true,
            Record::RunCancelling { .. } => run.cancelling = Some(at),
            Record::RunFinished { outcome, message, .. } => {
                run.finished = Some(Finished {
                    outcome: *outcome,
                    at,
                    message: message.clone(),
                });
            }
            Record::GateReached { phase, .. } => {
                run.gates_reached.insert(*phase, at);
            }
            Record::GatePassed { phase, .. } => {
                run.gates_passed.insert(*phase);
            }
            _ => {}
        }
    }
}
