//! A node that is silent and whose kernel does not answer: its power is off, or its network is cut. Told at once, since
//! nothing that is merely busy looks like this: a kernel answers however long its processes wait for a CPU.

use super::draft::Draft;
use crate::record::Record;
use crate::state::{Link, NodeState};
use model::fact::{Condition, ConditionStatus};
use model::ids::NodeName;

/// The condition's type.
const REACHABLE: &str = "NodeReachable";

impl Draft {
    pub(super) fn reachability(&mut self, node: NodeName, answers: bool, silent_ms: u64) {
        let Some(known) = self.state.nodes.get(&node).cloned() else {
            return;
        };
        if answers {
            let message = "its kernel answers, its agent does not speak".to_owned();
            if is_cut_off(&known) {
                self.observe(node, ConditionStatus::True, "KernelAnswers", message);
            }
            return;
        }
        if is_cut_off(&known) {
            return;
        }
        let reason = format!("silent for {silent_ms} ms, and nothing answers at its address");
        self.observe(node.clone(), ConditionStatus::False, "NoAnswer", reason.clone());
        if known.session.is_some() && known.link == Link::Connected {
            self.record(Record::AgentSuspect { node, reason });
        }
    }

    /// The agent spoke.
    pub(super) fn heard_again(&mut self, node: &NodeName) {
        if self.state.nodes.get(node).is_some_and(is_cut_off) {
            self.observe(
                node.clone(),
                ConditionStatus::True,
                "Heard",
                "its agent speaks".into(),
            );
        }
    }

    fn observe(&mut self, node: NodeName, status: ConditionStatus, reason: &str, message: String) {
        let condition = Condition {
            kind: REACHABLE.to_owned(),
            status,
            reason: reason.to_owned(),
            message,
            since: self.now,
        };
        self.record(Record::ConditionObserved { node, condition });
    }
}

fn is_cut_off(known: &NodeState) -> bool {
    known
        .conditions
        .get(REACHABLE)
        .is_some_and(|condition| condition.status == ConditionStatus::False)
}
