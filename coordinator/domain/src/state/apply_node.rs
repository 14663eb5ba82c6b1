//! Folding what concerns an agent: its link, its cursor, what it observed.

use super::{Link, NodeState, State};
use crate::record::{Record, Source};
use model::event::NodeEventKind;
use model::moment::Moment;

impl State {
    pub(super) fn fold_node(&mut self, record: &Record, at: Moment) {
        if let Some(source) = record.source() {
            self.advance(&source, at);
        }
        let Some(name) = record.node() else { return };
        let node = self.nodes.entry(name).or_default();
        match record {
            Record::AgentConnected {
                session,
                version,
                boot,
                incarnation,
                ..
            } => {
                node.session = Some(*session);
                node.reconciled = false;
                node.version.clone_from(version);
                node.boot = Some(*boot);
                if node.incarnation != Some(*incarnation) {
                    node.retired.extend(node.incarnation);
                    node.incarnation = Some(*incarnation);
                    node.cursor = model::ids::Seq(0);
                }
                node.set_link(Link::Connected, at);
                // A reconnect begins a new wait, even when the link was thought to be up.
                node.since = at;
                self.forget_probes(record);
            }
            Record::AgentReconciled { .. } => node.reconciled = true,
            Record::AgentDisconnected { .. } => {
                node.session = None;
                node.reconciled = false;
                node.set_link(Link::Suspect, at);
                self.forget_probes(record);
            }
            Record::AgentSuspect { .. } => node.set_link(Link::Suspect, at),
            Record::AgentRecovered { .. } => node.set_link(Link::Connected, at),
            Record::AgentLost { .. } => {
                node.session = None;
                node.reconciled = false;
                node.set_link(Link::Lost, at);
                self.forget_probes(record);
            }
            Record::Gap {
                incarnation,
                to: Some(to),
                ..
            } if node.incarnation == Some(*incarnation) => {
                node.cursor = node.cursor.max(*to);
            }
            Record::ConditionObserved { condition, .. } => {
                node.conditions.insert(condition.kind.clone(), condition.clone());
            }
            Record::Node { event, .. } => match &event.kind {
                NodeEventKind::ConditionChanged { condition } => {
                    node.conditions.insert(condition.kind.clone(), condition.clone());
                }
                NodeEventKind::Health { facts } => node.facts = Some((facts.clone(), event.time)),
                _ => {}
            },
            _ => {}
        }
    }

    /// Moves the cursor of an agent's stream over what a record consumed.
    pub(super) fn advance(&mut self, source: &Source, at: Moment) {
        let node = self.nodes.entry(source.node.clone()).or_default();
        node.last_record = at;
        if node.incarnation == Some(source.incarnation) {
            node.cursor = node.cursor.max(source.seq);
        }
    }

    /// An answer belongs to its session: with that gone, the question must be asked again.
    fn forget_probes(&mut self, record: &Record) {
        let Some(name) = record.node() else { return };
        for step in self
            .steps
            .values_mut()
            .filter(|step| step.target.node() == Some(&name))
        {
            step.probing = None;
        }
    }
}

impl NodeState {
    fn set_link(&mut self, link: Link, at: Moment) {
        if self.link != link {
            self.link = link;
            self.since = at;
        }
    }
}
