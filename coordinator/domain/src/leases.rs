//! Which faults are outstanding, as a fold of the log: a coordinator that restarts knows every one of them.
//!
//! A lease enters before its fault can exist anywhere, and leaves when its place says that the fault is undone, whoever
//! undid it. What is in between is undone by somebody: this book only says what to ask for.

mod past;

pub use past::{PastLease, PastLeases};

use crate::record::Record;
use model::event::NodeEventKind;
use model::fault::Fault;
use model::ids::LeaseId;
use model::lease::{LeaseState, Span, Terms};
use model::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A fault that may be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLease {
    /// What, and where.
    pub fault: Fault,
    /// For how long.
    pub terms: Terms,
    /// When it ends by itself, by the coordinator's clock; later than at its place by what the order took to get there.
    pub deadline: Moment,
    /// Whether the fault is known to be there.
    pub injected: bool,
    /// Since when it is on record.
    pub since: Moment,
    /// When the fault came, once it is there. The snapshots of earlier releases do not say.
    #[serde(default)]
    pub took: Option<Took>,
}

/// When a fault came, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// Around the call that injected it, by the coordinator's clock.
    pub called: Span,
    /// Around the injection, by the clock of its place.
    pub at: Span,
}

/// All outstanding leases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leases(BTreeMap<LeaseId, OpenLease>);

impl Leases {
    /// In order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (LeaseId, &OpenLease)> {
        self.0.iter().map(|(id, lease)| (*id, lease))
    }

    /// One of them.
    pub fn get(&self, lease: LeaseId) -> Option<&OpenLease> {
        self.0.get(&lease)
    }

    pub(crate) fn fold(&mut self, record: &Record, at: Moment) {
        match record {
            Record::LeaseTaken {
                lease,
                fault,
                terms,
                deadline,
            } => {
                let open = OpenLease {
                    fault: fault.clone(),
                    terms: *terms,
                    deadline: *deadline,
                    injected: false,
                    since: at,
                    took: None,
                };
                self.0.insert(*lease, open);
            }
            Record::LeaseInjected { lease, called, at } => {
                if let Some(open) = self.0.get_mut(lease) {
                    open.injected = true;
                    open.took = Some(Took {
                        called: *called,
                        at: *at,
                    });
                }
            }
            Record::LeaseRenewed { lease, deadline } => {
                if let Some(open) = self.0.get_mut(lease) {
                    open.deadline = *deadline;
                }
            }
            Record::LeaseUndone { lease, .. } => {
                self.0.remove(lease);
            }
            Record::Node { event, .. } => {
                if let NodeEventKind::LeaseChanged { status } = &event.kind
                    && status.state == LeaseState::Undone
                {
                    self.0.remove(&status.lease);
                }
            }
            Record::NodesRemoved {} => self.0.clear(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::event::NodeEvent;
    use model::fault::{HostFault, NodeFault};
    use model::ids::{BootId, Incarnation, NodeName, Seq};
    use model::lease::{LeaseStatus, UndoCause};

    fn taken(lease: LeaseId, fault: Fault) -> Record {
        Record::LeaseTaken {
            lease,
            fault,
            terms: Terms::new(1_000, 2_000, 5_000).expect("valid"),
            deadline: Moment(1),
        }
    }

    #[test]
    fn a_lease_is_outstanding_from_its_intention_to_the_word_of_its_place() {
        let node = NodeName::new("app1-cp").expect("valid");
        let (a, b) = (LeaseId([1; 16]), LeaseId([2; 16]));
        let mut book = Leases::default();
        let on_node = Fault::Node {
            node: node.clone(),
            inject: NodeFault::DropDns {},
        };
        let on_host = Fault::Host {
            inject: HostFault::Freeze { node: node.clone() },
        };
        book.fold(&taken(a, on_node), Moment(0));
        book.fold(&taken(b, on_host), Moment(0));
        assert_eq!(book.iter().count(), 2);
        let status = LeaseStatus {
            lease: a,
            state: LeaseState::Undone,
            armed: Moment(0),
            deadline: Moment(1),
            injected: None,
            undone: None,
            cause: Some(UndoCause::CoordinatorLost),
            trouble: None,
        };
        let event = NodeEvent {
            incarnation: Incarnation([0; 16]),
            seq: Seq(1),
            time: Moment(2),
            monotonic_ms: 0,
            boot: BootId([0; 16]),
            kind: NodeEventKind::LeaseChanged { status },
        };
        book.fold(&Record::Node { node, event }, Moment(2));
        assert!(book.get(a).is_none());
        let cause = UndoCause::Released;
        book.fold(
            &Record::LeaseUndone {
                lease: b,
                cause,
                at: None,
            },
            Moment(3),
        );
        assert_eq!(book.iter().count(), 0);
    }
}
