//! The deadline clock: the tick at which the backlog of an outage dies.

use super::rule::Segment;
use super::timeline::{Live, Pace, Timeline};
use crate::drill::measure::span::Span;
use model::moment::Moment;

/// Where the remote-write reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Blocked with this segment open. Its file may be gone; what is open can be read to its end.
    Held(Segment),
    /// Still following the writer, since the queue in memory has room until then.
    Following {
        /// When the queue is full and the reader stops.
        until: Moment,
    },
}

/// When a backlog dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The tick that deletes the segment after the held one.
    pub tick: Moment,
    /// The segment that the reader holds then.
    pub held: Segment,
    /// When the writer left, or will leave, that segment: everything later is lost if the deadline is missed. None when
    /// it was left before the state was taken.
    pub held_until: Option<Moment>,
}

/// The happenings that are looked at before giving up; one period has at most 10,000 cuts, and five periods are the most
/// that a backlog ever lives.
const MOST_HAPPENINGS: usize = 200_000;

/// The deadline, exactly as the count rule gives it. None only when the numbers overflow.
pub fn deadline(pace: Pace, live: Live, reader: Reader) -> Option<Deadline> {
    let mut held = match reader {
        Reader::Held(segment) => segment,
        Reader::Following { .. } => live.current,
    };
    let mut held_until = None;
    for happening in Timeline::new(pace, live).take(MOST_HAPPENINGS) {
        if matches!(reader, Reader::Following { until } if happening.at <= until) {
            held = happening.current;
            continue;
        }
        if happening.current == held.next() {
            held_until = Some(happening.at);
        }
        if happening.deleted.is_some_and(|bound| bound > held) {
            return Some(Deadline {
                tick: happening.at,
                held,
                held_until,
            });
        }
    }
    None
}

/// What is not known exactly about the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubt {
    /// The volume may be this many percent lower or higher.
    pub volume_percent: u64,
    /// A tick may come this much earlier or later than computed.
    pub tick: Span,
    /// The reader may stop this much earlier or later than computed.
    pub stop: Span,
}

/// The earliest and the latest deadline that the doubt leaves possible, in this order: each of tick, held segment and its
/// end by itself, since one tick may kill what is behind either of two segments.
///
/// The window is not monotone in the volume, so the range of volumes is walked in steps of one percent.
pub fn deadline_between(
    pace: Pace,
    live: Live,
    reader: Reader,
    doubt: Doubt,
) -> Option<(Deadline, Deadline)> {
    let readers = match reader {
        Reader::Held(_) => [reader, reader],
        Reader::Following { until } => [
            Reader::Following {
                until: doubt.stop.before(until),
            },
            Reader::Following {
                until: doubt.stop.after(until),
            },
        ],
    };
    let spread = doubt.volume_percent.min(99);
    let mut found: Option<(Deadline, Deadline)> = None;
    for percent in 100 - spread..=100 + spread {
        let pace = pace.at_percent(percent).ok()?;
        for reader in readers {
            let one = deadline(pace, live, reader)?;
            let (low, high) = found.unwrap_or((one, one));
            found = Some((low.bound(one, Bound::Least), high.bound(one, Bound::Most)));
        }
    }
    let (mut low, mut high) = found?;
    low.tick = doubt.tick.before(low.tick);
    high.tick = doubt.tick.after(high.tick);
    Some((low, high))
}

/// Which end of a range.
#[derive(Clone, Copy)]
enum Bound {
    Least,
    Most,
}

impl Bound {
    fn of<T: Ord>(self, one: T, other: T) -> T {
        match self {
            Self::Least => one.min(other),
            Self::Most => one.max(other),
        }
    }
}

impl Deadline {
    /// What bounds both, part by part.
    fn bound(self, other: Self, bound: Bound) -> Self {
        let ends = self.held_until.zip(other.held_until);
        Self {
            tick: bound.of(self.tick, other.tick),
            held: bound.of(self.held, other.held),
            held_until: ends.map(|(one, other)| bound.of(one, other)),
        }
    }
}

/// What the forecast says of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The reader opens the next segment before it can be deleted: nothing is lost.
    Kept,
    /// The next segment is deleted before the reader can open it: the whole backlog is lost.
    Lost,
    /// The end of the outage and the tick are closer than what is known of either.
    TooClose,
}

/// What becomes of the backlog when the endpoint answers again at `back` and the reader then needs `drain` at most to
/// finish the held segment and open the next: one retry, the queue's room, one poll of the blocked reader.
pub fn outcome(between: (Deadline, Deadline), back: Moment, drain: Span) -> Outcome {
    let (low, high) = between;
    if drain.after(back) < low.tick {
        Outcome::Kept
    } else if back > high.tick {
        Outcome::Lost
    } else {
        Outcome::TooClose
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Span = Span::from_secs(10);
    const SEGMENT: u64 = 10 << 20;

    fn s(secs: i64) -> Moment {
        Moment(secs * 1_000_000)
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_doubt_leaves_possible_lies_within_its_bounds(
            files in 0_u64..9, rate in 0_u64..4 << 20, tick in 0_i64..10, stop in 0_u64..8, by in 0_u64..=16, percent in 90_u64..=110
        ) {
            let pace = Pace::new(PERIOD, SEGMENT, rate).expect("a pace");
            let live = Live { at: s(0), first: Segment(3), current: Segment(3 + files), filled: 5 << 20, next_tick: s(tick) };
            let until = Span::from_secs(8).after(s(0));
            let doubt = Doubt { volume_percent: 10, tick: Span::ZERO, stop: Span::from_secs(stop) };
            let (low, high) = deadline_between(pace, live, Reader::Following { until }, doubt).expect("bounds");
            let until = Span::from_millis(stop * 2000 * by / 16).after(doubt.stop.before(until));
            let pace = pace.at_percent(percent).expect("a pace");
            let one = deadline(pace, live, Reader::Following { until }).expect("a deadline");
            proptest::prop_assert!((low.tick..=high.tick).contains(&one.tick), "{low:?} {one:?} {high:?}");
            proptest::prop_assert!((low.held..=high.held).contains(&one.held), "{low:?} {one:?} {high:?}");
            if let (Some(from), Some(to)) = (low.held_until, high.held_until) {
                proptest::prop_assert!(one.held_until.is_some_and(|at| from <= at && at <= to), "{low:?} {one:?} {high:?}");
            }
        }
    }
}
