//! A silent node was looked at from outside. What two independent signs agree on is told at once, since nothing that is
//! merely busy looks like it: a kernel answers however long its processes wait for a CPU.

use super::draft::Draft;
use crate::record::Record;
use crate::signs::Signs;
use crate::state::{Link, NodeState};
use model::fact::{Condition, ConditionStatus};
use model::ids::NodeName;

/// The condition's type.
const REACHABLE: &str = "NodeReachable";

impl Draft<'_> {
    pub(super) fn reachability(&mut self, node: NodeName, signs: Signs, silent_ms: u64) {
        let Some(known) = self.state.nodes.get(&node).cloned() else {
            return;
        };
        let verdict = signs.verdict();
        let told = known.conditions.get(REACHABLE);
        let lost = verdict.status == ConditionStatus::False;
        let same = told.is_some_and(|c| c.status == verdict.status && c.reason == verdict.reason);
        // That a kernel answers is news only where it was doubted.
        let no_news = verdict.status == ConditionStatus::True && !is_doubted(&known);
        if !same && !no_news {
            let message = if lost {
                format!("silent for {silent_ms} ms: {}", verdict.message)
            } else {
                verdict.message.to_owned()
            };
            self.observe(node.clone(), verdict.status, verdict.reason, message.clone());
            if lost && known.session.is_some() && known.link == Link::Connected {
                self.record(Record::AgentSuspect {
                    node,
                    reason: message,
                });
            }
        }
    }

    /// The agent spoke.
    pub(super) fn heard_again(&mut self, node: &NodeName) {
        if self.state.nodes.get(node).is_some_and(is_doubted) {
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

fn is_doubted(known: &NodeState) -> bool {
    known
        .conditions
        .get(REACHABLE)
        .is_some_and(|condition| condition.status != ConditionStatus::True)
}
