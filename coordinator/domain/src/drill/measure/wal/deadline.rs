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

/// The earliest and the latest deadline that the doubt leaves possible, in this order.
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
            let low = if one.tick < low.tick { one } else { low };
            let high = if one.tick > high.tick { one } else { high };
            found = Some((low, high));
        }
    }
    let (mut low, mut high) = found?;
    low.tick = doubt.tick.before(low.tick);
    high.tick = doubt.tick.after(high.tick);
    Some((low, high))
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
