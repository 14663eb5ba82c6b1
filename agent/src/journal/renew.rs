//! A new life of a store: what is left of the old one behind the declaration that part of it is gone.

use super::{Draft, JournalError};
use crate::clock;
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Incarnation, Seq};

/// A name that no life had before.
pub(super) fn fresh() -> Result<Incarnation, JournalError> {
    clock::random().map(Incarnation).map_err(JournalError::Sync)
}

/// The draft as an event.
pub(super) fn numbered(draft: &Draft, incarnation: Incarnation, seq: Seq) -> NodeEvent {
    let Draft {
        time,
        monotonic_ms,
        boot,
        kind,
    } = draft.clone();
    NodeEvent {
        incarnation,
        seq,
        time,
        monotonic_ms,
        boot,
        kind,
    }
}

/// `StoreLost` as number one, and what was kept behind it. Declarations of dropped numbers speak of numbers that mean
/// nothing any more; the loss declares them too.
pub(super) fn renumbered(
    kept: Vec<NodeEvent>,
    life: Incarnation,
    reason: &str,
    stamp: &Draft,
) -> Vec<NodeEvent> {
    let lost = Draft {
        kind: NodeEventKind::StoreLost {
            reason: reason.into(),
        },
        ..stamp.clone()
    };
    let mut events = vec![numbered(&lost, life, Seq(1))];
    let mut last = Seq(1);
    for event in kept
        .into_iter()
        .filter(|e| !matches!(e.kind, NodeEventKind::Dropped { .. }))
    {
        last = last.next();
        events.push(NodeEvent {
            incarnation: life,
            seq: last,
            ..event
        });
    }
    events
}
