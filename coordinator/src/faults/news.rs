//! What agents tell that a call waits for: outcomes of its steps, states of its lease, surveys.

use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, LeaseId, StepId};
use model::lease::{LeaseStatus, Survey};
use model::step::StepOutcome;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Shared by the sessions' reader and the calls; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct News(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    steps: HashMap<(StepId, Attempt), oneshot::Sender<StepOutcome>>,
    surveys: HashMap<u64, oneshot::Sender<Survey>>,
    leases: HashMap<LeaseId, LeaseStatus>,
    last_request: u64,
}

impl News {
    /// Reads what a node sent, before the engine does.
    pub fn events(&self, events: &[NodeEvent]) {
        for event in events {
            match &event.kind {
                NodeEventKind::StepFinished {
                    step,
                    attempt,
                    outcome,
                } => self.ended(*step, *attempt, outcome.clone()),
                NodeEventKind::StepRefused {
                    step,
                    attempt,
                    code,
                    reason,
                } => {
                    let outcome = StepOutcome::Failed {
                        code: code.clone(),
                        message: reason.clone(),
                        output: String::new(),
                    };
                    self.ended(*step, *attempt, outcome);
                }
                NodeEventKind::LeaseChanged { status } => {
                    // Only what somebody asked for is kept; states never go back.
                    if let Some(known) = self.board().leases.get_mut(&status.lease)
                        && known.state <= status.state
                    {
                        known.clone_from(status);
                    }
                }
                _ => {}
            }
        }
    }

    /// A survey came.
    pub fn surveyed(&self, request: u64, survey: Survey) {
        if let Some(waiting) = self.board().surveys.remove(&request) {
            // Whoever asked may have given up.
            let _ = waiting.send(survey);
        }
    }

    /// The outcome of an attempt, once it comes.
    pub(super) fn outcome(&self, step: StepId, attempt: Attempt) -> oneshot::Receiver<StepOutcome> {
        let (sender, receiver) = oneshot::channel();
        self.board().steps.insert((step, attempt), sender);
        receiver
    }

    /// A number for a survey, and the survey once it comes.
    pub(super) fn survey(&self) -> (u64, oneshot::Receiver<Survey>) {
        let (sender, receiver) = oneshot::channel();
        let mut board = self.board();
        board.last_request += 1;
        let request = board.last_request;
        board.surveys.insert(request, sender);
        (request, receiver)
    }

    /// Keeps the states of this lease from now on.
    pub(super) fn follow(&self, first: LeaseStatus) {
        self.board().leases.insert(first.lease, first);
    }

    /// The latest state of a followed lease.
    pub(super) fn lease(&self, lease: LeaseId) -> Option<LeaseStatus> {
        self.board().leases.get(&lease).cloned()
    }

    /// Stops following.
    pub(super) fn forget(&self, lease: LeaseId) {
        self.board().leases.remove(&lease);
    }

    fn ended(&self, step: StepId, attempt: Attempt, outcome: StepOutcome) {
        if let Some(waiting) = self.board().steps.remove(&(step, attempt)) {
            let _ = waiting.send(outcome);
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
