//! Comparing an agent's ledger with ours, before anything is sent to it.

use super::draft::Draft;
use super::outcomes::init_phase;
use crate::event::{AgentPhase, AgentStep, SessionId};
use crate::record::Record;
use crate::state::{StepPhase, StepState};
use model::ids::{NodeName, StepId};

impl Draft<'_> {
    pub(super) fn reconcile(&mut self, node: &NodeName, session: SessionId, states: &[AgentStep]) {
        // Only the first answer of a session is told apart from what was sent since: a later or repeated one could be
        // older than an order that the agent has begun.
        let asked = self
            .state
            .nodes
            .get(node)
            .is_some_and(|known| known.session == Some(session) && !known.reconciled);
        if !asked {
            return;
        }
        let ours: Vec<(StepId, StepState)> = self
            .state
            .steps
            .iter()
            .filter(|(_, step)| step.target.node() == Some(node))
            .map(|(id, step)| (*id, step.clone()))
            .collect();
        self.record(Record::AgentReconciled { node: node.clone() });
        for (id, step) in &ours {
            let theirs = states.iter().find(|theirs| theirs.step == *id).copied();
            self.compare(node, *id, step, theirs);
        }
        for theirs in states {
            if !ours.iter().any(|(id, _)| *id == theirs.step) {
                self.adopt(node, *theirs);
            }
        }
    }

    fn compare(&mut self, node: &NodeName, id: StepId, step: &StepState, theirs: Option<AgentStep>) {
        match theirs.map(|theirs| (theirs.attempt.cmp(&step.attempt), theirs)) {
            Some((std::cmp::Ordering::Greater, theirs)) => self.adopt(node, theirs),
            Some((std::cmp::Ordering::Equal, theirs)) => self.same_attempt(id, step, theirs.phase),
            _ if !step.phase.in_flight() => {}
            _ => self.not_listed(node, id, step),
        }
    }

    fn same_attempt(&mut self, id: StepId, step: &StepState, theirs: AgentPhase) {
        match theirs {
            // The agent answers an order that it knows with the outcome that it kept.
            AgentPhase::Finished if step.phase.in_flight() => {
                if let Some(planned) = self.planned(id) {
                    self.dispatch(&planned);
                }
            }
            AgentPhase::Finished => {}
            // It runs, whatever was concluded meanwhile: nothing else may start before it ends.
            AgentPhase::Accepted | AgentPhase::Started if !step.phase.in_flight() && !step.phase.done() => {
                let unit = "found running".into();
                self.record(Record::StepRunning {
                    step: id,
                    attempt: step.attempt,
                    unit,
                    source: None,
                });
            }
            AgentPhase::Accepted | AgentPhase::Started => {}
        }
    }

    fn not_listed(&mut self, node: &NodeName, id: StepId, step: &StepState) {
        let same_store = self
            .state
            .nodes
            .get(node)
            .is_some_and(|known| known.incarnation == step.incarnation);
        let never_ran = same_store && !matches!(step.phase, StepPhase::Running { .. });
        let planned = self.planned(id);
        match planned {
            // The order never arrived: the same attempt again is safe, the agent would know it otherwise.
            Some(planned) if never_ran && self.running() => self.dispatch(&planned),
            _ if never_ran => self.record(Record::StepCancelled {
                step: id,
                attempt: step.attempt,
                source: None,
            }),
            _ => self.unknown(id, "the agent no longer knows it"),
        }
    }

    /// The agent did what our log does not tell: the log was lost or set back. Only a probe may say more.
    fn adopt(&mut self, node: &NodeName, theirs: AgentStep) {
        let Some(planned) = self
            .planned(theirs.step)
            .filter(|planned| planned.target.node() == Some(node))
        else {
            return;
        };
        if let (Some(_), Some(cluster)) = (init_phase(&planned), &planned.cluster)
            && !self.state.claims.contains_key(cluster)
        {
            self.record(Record::InitClaimed {
                cluster: cluster.clone(),
                node: node.clone(),
                step: theirs.step,
            });
        }
        self.take_up(&planned, theirs.attempt, false);
        self.unknown(theirs.step, "the agent knows it, this log does not");
    }
}
