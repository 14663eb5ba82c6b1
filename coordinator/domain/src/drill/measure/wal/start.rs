//! When to begin an outage so that a pass proves the guaranteed window and not luck.

use super::deadline::{Reader, deadline};
use super::timeline::{Live, Pace, Timeline};
use crate::drill::measure::span::Span;
use model::moment::Moment;

/// Periods that are looked ahead: every rhythm of the count rule repeats within three.
const AHEAD: u64 = 4;

/// The worst moment to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstStart {
    /// When to take the endpoint away.
    pub begin: Moment,
    /// How long the backlog lives then, from the moment that the reader stops.
    pub lives: Span,
}

/// The worst begin within the next periods, the soonest of equals; None when none is left or the numbers overflow.
///
/// The worst is to be stopped just before the writer leaves a segment. `room` is how long the queue in memory takes
/// after the endpoint is gone; `lead` is how much before the cut the reader should stop, at least what is not known of it.
pub fn worst_start(pace: Pace, live: Live, room: Span, lead: Span) -> Option<WorstStart> {
    let horizon = pace.period().times(AHEAD).after(live.at);
    let early = room.plus(lead);
    let cuts = Timeline::new(pace, live).take_while(|h| h.at <= horizon);
    let starts = cuts.filter_map(|cut| {
        let begin = early.before(cut.at);
        let until = lead.before(cut.at);
        let dies = deadline(pace, live, Reader::Following { until })?.tick;
        (begin >= live.at).then_some(WorstStart {
            begin,
            lives: Span::between(until, dies),
        })
    });
    starts.min_by_key(|s| (s.lives, s.begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::measure::wal::rule::Segment;
    use crate::drill::measure::wal::window::window;

    proptest::proptest! {
        #[test]
        fn beginning_then_gives_the_guaranteed_window(rate in 0_u64..100_000, room_s in 0_u64..100, warm in 6_usize..60) {
            let pace = Pace::new(Span::from_secs(600), 1 << 20, rate).expect("a pace");
            let fresh = Live {
                at: Moment(0), first: Segment(0), current: Segment(0), filled: 0,
                next_tick: pace.period().after(Moment(0)),
            };
            let mut timeline = Timeline::new(pace, fresh);
            let ticks = timeline.by_ref().filter(|h| h.tick).nth(warm);
            proptest::prop_assert!(ticks.is_some());
            let lead = Span::from_millis(1);
            let start = worst_start(pace, timeline.live(), Span::from_secs(room_s), lead).expect("a start");
            let promised = window(pace).expect("a window").guaranteed;
            proptest::prop_assert!(start.begin >= timeline.live().at);
            let beyond = start.lives.minus(promised);
            // What is lived beyond the promise is the lead; the first segments may be out of reach of a full queue's room.
            proptest::prop_assert!(start.lives.plus(lead) >= promised && beyond <= Span::from_millis(5), "{beyond}");
        }
    }
}
