//! What goes first when the buffer fills: samples and progress lines. Steps and conditions are never dropped.

use super::{QUOTA, dropped};
use model::event::{NodeEvent, NodeEventKind};
use model::ids::Seq;

/// Above this many bytes, the buffer is thinned out before anything is added.
pub(super) const THIN_ABOVE: u64 = QUOTA / 10 * 8;
/// Above this many bytes nothing new may begin; what runs is still written.
pub(super) const REFUSE_ABOVE: u64 = QUOTA / 10 * 9;

/// What must have come since the buffer was thinned out before that is done again: it reads all of it, and in a buffer full of
/// what never goes it would free next to nothing each time.
const AGAIN_AFTER: u64 = QUOTA / 20;

/// When the buffer is thinned out next, having `bytes` left after it was.
pub(super) fn thin_next_above(bytes: u64) -> u64 {
    THIN_ABOVE.max(bytes.saturating_add(AGAIN_AFTER))
}

/// One declaration in place of a run of events.
#[derive(Debug, PartialEq)]
pub(super) struct Thinned {
    /// Numbers whose records go.
    pub(super) remove: Vec<Seq>,
    /// The declaration that stays at the last of them.
    pub(super) put: NodeEvent,
}

/// Runs of droppable neighbours among `events`, which come in order.
pub(super) fn thin(events: &[NodeEvent]) -> Vec<Thinned> {
    events
        .chunk_by(|a, b| a.seq.next() == first_of(b) && is_thin(a) && is_thin(b))
        .filter(|run| run.iter().any(|e| e.kind.may_drop()))
        .filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            let put = dropped(last, first_of(first), last.seq, "the buffer was full");
            Some(Thinned {
                remove: run.iter().map(|e| e.seq).filter(|s| *s != last.seq).collect(),
                put,
            })
        })
        .collect()
}

fn is_thin(event: &NodeEvent) -> bool {
    event.kind.may_drop() || matches!(event.kind, NodeEventKind::Dropped { .. })
}

/// The first number that a record stands for.
pub(super) fn first_of(event: &NodeEvent) -> Seq {
    match event.kind {
        NodeEventKind::Dropped { from, .. } => from,
        _ => event.seq,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::fact::NodeFacts;
    use model::ids::{BootId, Incarnation};
    use model::moment::Moment;

    fn event(seq: u64, kind: NodeEventKind) -> NodeEvent {
        let (incarnation, boot) = (Incarnation([0; 16]), BootId([0; 16]));
        NodeEvent {
            incarnation,
            seq: Seq(seq),
            time: Moment(0),
            monotonic_ms: 0,
            boot,
            kind,
        }
    }

    #[test]
    fn a_buffer_that_nothing_can_leave_is_not_read_again_for_each_append() {
        assert_eq!(thin_next_above(0), THIN_ABOVE);
        assert_eq!(thin_next_above(THIN_ABOVE - AGAIN_AFTER), THIN_ABOVE);
        assert_eq!(thin_next_above(THIN_ABOVE), THIN_ABOVE + AGAIN_AFTER);
        assert_eq!(thin_next_above(2 * QUOTA), 2 * QUOTA + AGAIN_AFTER);
        // While what never goes stays below the line for new steps, samples beside it stay within the quota.
        assert!(thin_next_above(REFUSE_ABOVE) <= QUOTA);
    }

    #[test]
    fn runs_of_samples_become_one_declaration_and_steps_stay() {
        let health = |seq| {
            event(
                seq,
                NodeEventKind::Health {
                    facts: NodeFacts::default(),
                },
            )
        };
        let started = event(3, NodeEventKind::AgentStarted { version: "1".into() });
        let earlier = event(
            6,
            NodeEventKind::Dropped {
                from: Seq(5),
                to: Seq(6),
                reason: String::new(),
            },
        );
        let thinned = thin(&[health(1), health(2), started, health(4), earlier, health(7)]);
        let spans: Vec<_> = thinned
            .iter()
            .map(|t| (first_of(&t.put).0, t.put.seq.0))
            .collect();
        assert_eq!(spans, [(1, 2), (4, 7)]);
        assert_eq!(thinned[1].remove, [Seq(4), Seq(6)]);
        assert!(
            thin(&[thinned[0].put.clone()]).is_empty(),
            "a declaration alone is not thinned again"
        );
    }
}
