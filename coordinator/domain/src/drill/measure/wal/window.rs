//! The window at the worst, mean and best moment, for a log in its steady rhythm.

use super::deadline::{Reader, deadline};
use super::rule::{Segment, deletion_bound};
use super::timeline::{Live, Pace, Timeline};
use crate::drill::measure::span::Span;
use model::moment::Moment;
use std::collections::BTreeSet;

/// How long a backlog lives, from the moment that the reader is stopped to the tick that kills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// At the worst moment; what can be promised.
    pub guaranteed: Span,
    /// The mean over all moments; what one run will likely see.
    pub expected: Span,
    /// At the best moment; luck.
    pub best: Span,
}

/// The window of a steady pace. None only when the numbers overflow.
///
/// A log of one pace can settle in more than one rhythm, by how many files it had before. The number of files after a
/// tick never falls when there were more before it, so the rhythms reached from a fresh log and from an overfull one
/// enclose all others: the promise is the worse of both, luck the better, and the mean is of the fresh one.
pub fn window(pace: Pace) -> Option<Window> {
    let fresh = rhythm(pace, 0)?;
    let overfull = rhythm(pace, pace.cuts_per_period().checked_mul(4)?.checked_add(8)?)?;
    Some(Window {
        guaranteed: fresh.guaranteed.min(overfull.guaranteed),
        expected: fresh.expected,
        best: fresh.best.max(overfull.best),
    })
}

/// The window of the rhythm that a log with `files` older files settles in.
///
/// Within one segment's time the deadline does not move, so the worst moment is the end of some segment and the best is
/// the begin of one. All segments of the rhythm are looked at, which is exact.
fn rhythm(pace: Pace, files: u64) -> Option<Window> {
    let (live, periods) = steady(pace, files)?;
    let end = pace.period().times(periods).after(live.at);
    let mut begins = live;
    let mut timeline = Timeline::new(pace, live);
    let (mut worst, mut best) = (Span::from_micros(u64::MAX), Span::ZERO);
    let mut area = 0_u128;
    while begins.at < end {
        let ends = timeline.next()?.at;
        let dies = deadline(pace, begins, Reader::Held(begins.current))?.tick;
        let (from_begin, from_end) = (Span::between(begins.at, dies), Span::between(ends, dies));
        worst = worst.min(from_end);
        best = best.max(from_begin);
        let both = u128::from(from_begin.micros()) + u128::from(from_end.micros());
        area = area.checked_add(both * u128::from(Span::between(begins.at, ends).micros()))?;
        begins = timeline.live();
    }
    let time = u128::from(pace.period().times(periods).micros());
    let mean = area.checked_div(time)? / 2;
    Some(Window {
        guaranteed: worst,
        expected: Span::from_micros(u64::try_from(mean).ok()?),
        best,
    })
}

/// A state right after a tick from which the rhythm repeats, and after how many periods it does.
fn steady(pace: Pace, files: u64) -> Option<(Live, u64)> {
    let per_period = pace.cuts_per_period().checked_add(1)?;
    let mut first = Segment(0);
    let mut current = Segment(files);
    let mut seen = BTreeSet::new();
    let mut anchor = None;
    for nth in 0_u64.. {
        let last = Segment(current.0.checked_add(per_period - 1)?);
        if let Some(bound) = deletion_bound(first, last) {
            first = bound.next();
        }
        current = last.next();
        let files = current.0 - first.0;
        match anchor {
            None if !seen.insert(files) => anchor = Some((nth, files, first, current)),
            Some((since, same, first, current)) if same == files => {
                let live = Live {
                    at: Moment(0),
                    first,
                    current,
                    filled: 0,
                    next_tick: pace.period().after(Moment(0)),
                };
                return Some((live, nth - since));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
