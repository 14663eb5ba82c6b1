//! Agents come, go and deliver their numbered events.

use super::draft::Draft;
use super::outcomes::codes;
use crate::effect::Effect;
use crate::event::SessionId;
use crate::plan::{HostStep, PlannedStep, StepBody};
use crate::record::Record;
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{BootId, Incarnation, NodeName, Seq};
use model::planted::{self, Bug};

/// What an agent says first.
pub(super) struct Hello {
    pub(super) node: NodeName,
    pub(super) session: SessionId,
    pub(super) version: String,
    pub(super) boot: BootId,
    pub(super) incarnation: Incarnation,
    pub(super) last_seq: Seq,
}

impl Draft<'_> {
    pub(super) fn connected(&mut self, hello: Hello) {
        let Hello {
            node,
            session,
            version,
            boot,
            incarnation,
            last_seq,
        } = hello;
        let known = self.state.nodes.get(&node).cloned().unwrap_or_default();
        if known.retired.contains(&incarnation) {
            let reason = "its store is an older one than was seen before".to_owned();
            self.record(Record::Audit {
                actor: format!("node {node}"),
                action: "connect with a retired store".into(),
                target: incarnation.to_string(),
                outcome: "denied".into(),
            });
            return self.effect(Effect::CloseSession { node, reason });
        }
        if let Some(old) = known.incarnation.filter(|old| *old != incarnation) {
            let cause = "the agent's store began a new life".into();
            self.record(Record::Gap {
                node: node.clone(),
                incarnation: old,
                from: known.cursor.next(),
                to: None,
                cause,
            });
        }
        self.record(Record::AgentConnected {
            node: node.clone(),
            session,
            version,
            boot,
            incarnation,
        });
        self.heard_again(&node);
        let cursor = self.state.nodes.get(&node).map_or(Seq(0), |known| known.cursor);
        if last_seq < cursor {
            // Numbers below the cursor would be taken for repetitions, so the agent must skip them.
            self.effect(Effect::Rewind {
                node: node.clone(),
                expected: cursor.next(),
            });
        }
        self.effect(Effect::ListSteps { node });
    }

    /// Waiting on is of no use: the agent has nothing else to enrol with. Who has the certificate is a person's question.
    pub(super) fn token_spent(&mut self, node: &NodeName) {
        let Some(plan) = self.plan() else { return };
        let awaits = |step: &&PlannedStep| match &step.body {
            StepBody::Host(HostStep::AwaitAgent { node: awaited }) => awaited == node,
            _ => false,
        };
        let waiting: Vec<_> = plan.steps.iter().filter(awaits).map(|step| step.id).collect();
        for step in waiting {
            if self.known(step).is_some_and(|known| known.phase.in_flight()) {
                self.needs_decision(
                    step,
                    format!(
                        "the enrolment token of {node} was used before with another key ({}): the node was wiped, or its \
                         seed leaked; `coordinator enrol {node} --replace` revokes what was enrolled and gives a new token",
                        codes::TOKEN_SPENT
                    ),
                );
            }
        }
    }

    pub(super) fn disconnected(&mut self, node: NodeName, session: SessionId, reason: String) {
        if self.is_session(&node, session) {
            self.record(Record::AgentDisconnected { node, reason });
        }
    }

    pub(super) fn node_events(&mut self, node: &NodeName, session: SessionId, events: Vec<NodeEvent>) {
        if !self.is_session(node, session) {
            return;
        }
        let mut wanted = None;
        for event in events {
            let Some((incarnation, cursor)) = self.cursor(node) else {
                return;
            };
            if event.incarnation != incarnation {
                return;
            }
            if let Some((to, reason)) = skips(&event, cursor) {
                if !planted::is(Bug::GapOmitted) {
                    self.gap(node, incarnation, cursor.next(), to, reason);
                }
            } else if event.seq > cursor.next() {
                wanted = Some(cursor.next());
                break;
            } else if event.seq <= cursor && !planted::is(Bug::DedupOff) {
                continue;
            }
            self.accept(node, event);
        }
        if let Some((incarnation, upto)) = self.cursor(node) {
            self.effect(Effect::AckEvents {
                node: node.clone(),
                incarnation,
                upto,
            });
        }
        if let Some(expected) = wanted {
            self.effect(Effect::Rewind {
                node: node.clone(),
                expected,
            });
        }
    }

    fn cursor(&self, node: &NodeName) -> Option<(Incarnation, Seq)> {
        let known = self.state.nodes.get(node)?;
        Some((known.incarnation?, known.cursor))
    }

    fn gap(&mut self, node: &NodeName, incarnation: Incarnation, from: Seq, to: Seq, cause: String) {
        self.record(Record::Gap {
            node: node.clone(),
            incarnation,
            from,
            to: Some(to),
            cause,
        });
    }

    /// One event, one record that consumes its number.
    fn accept(&mut self, node: &NodeName, event: NodeEvent) {
        let consumed = self.decision.records.len();
        self.step_event(node, &event);
        if self.decision.records.len() == consumed {
            self.record(Record::Node {
                node: node.clone(),
                event,
            });
        }
    }
}

/// Whether `event` declares that the next wanted numbers were dropped, and up to which. Its own number may lie inside
/// the dropped range, replace its first, or follow it.
fn skips(event: &NodeEvent, cursor: Seq) -> Option<(Seq, String)> {
    let NodeEventKind::Dropped { from, to, reason } = &event.kind else {
        return None;
    };
    let next = cursor.next();
    (*from <= next && next <= *to && event.seq <= to.next()).then(|| (*to, reason.clone()))
}
