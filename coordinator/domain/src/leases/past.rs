//! Leases that are over, as a fold of the log. Who is to undo a fault that is gone learns from it when it went and why, also when
//! an earlier coordinator took the lease, or nobody ran when it ended.

use super::{Leases, Took};
use crate::record::Record;
use model::event::NodeEventKind;
use model::fault::Fault;
use model::ids::LeaseId;
use model::lease::{LeaseState, Span, UndoCause};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many are remembered: more than one drill takes, and a drill is done with its own when it ends.
const REMEMBERED: usize = 64;

/// A fault that is not there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastLease {
    /// What it was, and where.
    pub fault: Fault,
    /// When it came; None where it was never known to be there.
    pub took: Option<Took>,
    /// Why it went.
    pub cause: UndoCause,
    /// Around the undo, by the clock of its place; None while its place has not told.
    pub undone: Option<Span>,
}

/// The latest leases that are over, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PastLeases(VecDeque<(LeaseId, PastLease)>);

impl PastLeases {
    /// One of them.
    pub fn get(&self, lease: LeaseId) -> Option<&PastLease> {
        self.0.iter().find(|(id, _)| *id == lease).map(|(_, past)| past)
    }

    /// `open` are the leases before this record.
    pub(crate) fn fold(&mut self, record: &Record, open: &Leases) {
        if matches!(record, Record::NodesRemoved {}) {
            self.0.clear();
        }
        let Some((lease, cause, undone)) = end(record) else {
            return;
        };
        let Some(open) = open.get(lease) else {
            return self.complete(lease, cause, undone);
        };
        let past = PastLease {
            fault: open.fault.clone(),
            took: open.took,
            cause,
            undone,
        };
        self.0.push_back((lease, past));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// Whoever released it may not have heard its place, whose word comes later then. Otherwise the first word counts.
    fn complete(&mut self, lease: LeaseId, cause: UndoCause, undone: Option<Span>) {
        let known = self.0.iter_mut().find(|(id, _)| *id == lease);
        if let Some((_, past)) = known
            && past.undone.is_none()
            && undone.is_some()
        {
            (past.cause, past.undone) = (cause, undone);
        }
    }
}

/// The lease that the record ends, why, and when by the clock of its place.
fn end(record: &Record) -> Option<(LeaseId, UndoCause, Option<Span>)> {
    match record {
        Record::LeaseUndone { lease, cause, at } => Some((*lease, *cause, *at)),
        Record::Node { event, .. } => match &event.kind {
            NodeEventKind::LeaseChanged { status } if status.state == LeaseState::Undone => {
                Some((status.lease, status.cause?, status.undone))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::event::NodeEvent;
    use model::fault::NodeFault;
    use model::ids::{BootId, Incarnation, NodeName, Seq};
    use model::lease::{LeaseStatus, Terms};
    use model::moment::Moment;

    const LEASE: LeaseId = LeaseId([1; 16]);

    fn span(from: i64, to: i64) -> Span {
        Span {
            from: Moment(from),
            to: Moment(to),
        }
    }

    fn node() -> NodeName {
        NodeName::new("app1-cp").expect("valid")
    }

    fn taken(lease: LeaseId) -> Record {
        Record::LeaseTaken {
            lease,
            fault: Fault::Node {
                node: node(),
                inject: NodeFault::DropDns {},
            },
            terms: Terms::new(1_000, 2_000, 5_000).expect("valid"),
            deadline: Moment(1),
        }
    }

    fn released(lease: LeaseId, at: Option<Span>) -> Record {
        Record::LeaseUndone {
            lease,
            cause: UndoCause::Released,
            at,
        }
    }

    /// Its place says that it heard no coordinator.
    fn lost() -> Record {
        let status = LeaseStatus {
            lease: LEASE,
            state: LeaseState::Undone,
            armed: Moment(0),
            deadline: Moment(1),
            injected: Some(span(20, 21)),
            undone: Some(span(50, 51)),
            cause: Some(UndoCause::CoordinatorLost),
            trouble: None,
        };
        let event = NodeEvent {
            incarnation: Incarnation([0; 16]),
            seq: Seq(1),
            time: Moment(52),
            monotonic_ms: 0,
            boot: BootId([0; 16]),
            kind: NodeEventKind::LeaseChanged { status },
        };
        Record::Node { node: node(), event }
    }

    fn replay(records: &[Record]) -> PastLeases {
        let (mut open, mut past) = (Leases::default(), PastLeases::default());
        for record in records {
            past.fold(record, &open);
            open.fold(record, Moment(0));
        }
        past
    }

    #[test]
    fn what_its_place_says_of_an_end_stays_whoever_asks_later() {
        let injected = Record::LeaseInjected {
            lease: LEASE,
            called: span(10, 13),
            at: span(20, 21),
        };
        let expected = PastLease {
            fault: Fault::Node {
                node: node(),
                inject: NodeFault::DropDns {},
            },
            took: Some(Took {
                called: span(10, 13),
                at: span(20, 21),
            }),
            cause: UndoCause::CoordinatorLost,
            undone: Some(span(50, 51)),
        };
        let first = [taken(LEASE), injected.clone(), lost(), released(LEASE, None)];
        assert_eq!(replay(&first).get(LEASE), Some(&expected));
        let last = [taken(LEASE), injected, released(LEASE, None), lost()];
        assert_eq!(replay(&last).get(LEASE), Some(&expected));
    }

    #[test]
    fn the_first_word_of_a_place_counts_and_the_oldest_leases_are_forgotten() {
        let told = Some(span(40, 41));
        let both = replay(&[taken(LEASE), released(LEASE, told), lost()]);
        assert_eq!(both.get(LEASE).map(|past| past.undone), Some(told));
        let many: Vec<Record> = (0..=64)
            .map(|n| LeaseId([n; 16]))
            .flat_map(|lease| [taken(lease), released(lease, told)])
            .collect();
        let past = replay(&many);
        assert_eq!(past.get(LeaseId([0; 16])), None);
        assert!(past.get(LEASE).is_some() && past.get(LeaseId([64; 16])).is_some());
        assert_eq!(replay(&[lost()]), PastLeases::default(), "it was never taken");
    }
}
