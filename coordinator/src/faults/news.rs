//! What agents tell that a call waits for: outcomes of its steps, states of its lease, surveys.

use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, LeaseId, NodeName, StepId};
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
    /// Numbers are easily guessed: each counts for the node that was asked.
    surveys: HashMap<(NodeName, u64), oneshot::Sender<Survey>>,
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

    /// A survey came from `node`. One that nobody waits for, or waits for from another node, is dropped.
    pub fn surveyed(&self, node: &NodeName, request: u64, survey: Survey) {
        if let Some(waiting) = self.board().surveys.remove(&(node.clone(), request)) {
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

    /// A number for a survey of `node`, and the survey once it comes.
    pub(super) fn survey(&self, node: &NodeName) -> (u64, oneshot::Receiver<Survey>) {
        let (sender, receiver) = oneshot::channel();
        let mut board = self.board();
        board.last_request += 1;
        let request = board.last_request;
        board.surveys.insert((node.clone(), request), sender);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_answers_no_survey_of_another() {
        let node = |name| NodeName::new(name).expect("valid");
        let (asked, other) = (node("app1-cp"), node("app2-cp"));
        let news = News::default();
        let (request, mut answer) = news.survey(&asked);
        let foul = Survey {
            residue: vec!["nothing to see here".into()],
            ..Survey::default()
        };
        news.surveyed(&other, request, foul);
        assert!(answer.try_recv().is_err(), "another node's word was taken");
        news.surveyed(&asked, request, Survey::default());
        assert_eq!(answer.try_recv().expect("answered"), Survey::default());
    }
}
