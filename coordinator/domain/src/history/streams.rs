//! Agents' streams have no silent hole, and orders go only to agents whose ledger was compared.

use crate::record::Record;
use model::ids::{Incarnation, NodeName, Seq};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Streams {
    nodes: BTreeMap<NodeName, Node>,
}

#[derive(Default)]
struct Node {
    connected: bool,
    reconciled: bool,
    suspect: bool,
    cursors: BTreeMap<Incarnation, Seq>,
}

impl Streams {
    pub(super) fn may_order(&self, node: &NodeName) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.connected && node.reconciled && !node.suspect)
    }

    pub(super) fn read(&mut self, record: &Record, broken: &mut Vec<String>) {
        match record {
            Record::EpochStarted { .. } => self.nodes.values_mut().for_each(Node::disconnect),
            Record::NodesRemoved {} => self.nodes.clear(),
            _ => {}
        }
        if let Record::Gap {
            node,
            incarnation,
            from,
            to,
            ..
        } = record
        {
            let cursor = self
                .nodes
                .entry(node.clone())
                .or_default()
                .cursors
                .entry(*incarnation)
                .or_default();
            if *from != cursor.next() {
                broken.push(format!("{node}: a gap from {from} is declared at {cursor}"));
            }
            if let Some(to) = to {
                *cursor = (*cursor).max(*to);
            }
            return;
        }
        if let Some(source) = record.source() {
            let node = self.nodes.entry(source.node.clone()).or_default();
            let cursor = node.cursors.entry(source.incarnation).or_default();
            let declares = matches!(record, Record::Node { event, .. }
                if matches!(event.kind, model::event::NodeEventKind::Dropped { .. }));
            if source.seq != cursor.next() && !(declares && source.seq <= cursor.next()) {
                broken.push(format!("{}: event {} follows {cursor}", source.node, source.seq));
            }
            *cursor = (*cursor).max(source.seq);
            return;
        }
        let Some(name) = record.node() else { return };
        let node = self.nodes.entry(name).or_default();
        match record {
            Record::AgentConnected { .. } => {
                node.disconnect();
                node.connected = true;
            }
            Record::AgentReconciled { .. } => node.reconciled = true,
            Record::AgentSuspect { .. } => node.suspect = true,
            Record::AgentRecovered { .. } => node.suspect = false,
            Record::AgentDisconnected { .. } | Record::AgentLost { .. } => node.disconnect(),
            _ => {}
        }
    }
}

impl Node {
    fn disconnect(&mut self) {
        self.connected = false;
        self.reconciled = false;
        self.suspect = false;
    }
}
