//! How much of the time answers were good. A probe asks faster while something may change, so each answer stands for the time
//! until the next request was due, and shares are of time and not of requests.

use crate::drill::history::Sample;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::report::parts::Bounds;

/// Answers of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share {
    /// Requests that were due.
    pub(crate) due: u64,
    /// Those that were answered well and in time.
    pub(crate) good: u64,
    /// Those that did not leave the prober: they say nothing.
    pub(crate) unknown: u64,
    whole: Span,
    well: Span,
    open: Span,
}

impl Share {
    /// Of samples in the order in which they were due; the last one stands for `last`.
    pub(crate) fn of<'a>(samples: impl Iterator<Item = &'a Sample>, last: Span) -> Self {
        let mut share = Self::default();
        let mut samples = samples.peekable();
        while let Some(sample) = samples.next() {
            let until = samples.peek().map(|next| Span::between(sample.due, next.due));
            let stands_for = until.unwrap_or(last);
            share.due += 1;
            share.whole = share.whole.plus(stands_for);
            if sample.is_good() {
                share.good += 1;
                share.well = share.well.plus(stands_for);
            }
            if sample.sent.is_none() {
                share.unknown += 1;
                share.open = share.open.plus(stands_for);
            }
        }
        share
    }

    /// Of the time, the good share: what did not leave the prober is bad in the lower bound and good in the upper one. None
    /// of no time.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        let of = |part: Span| Quantity::ratio(part.micros(), self.whole.micros());
        Some(Bounds {
            low: of(self.well)?,
            high: of(self.well.plus(self.open))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::history::Answer;
    use model::moment::Moment;
    use std::collections::BTreeMap;

    fn sample(due_ms: i64, answer: Answer, is_sent: bool) -> Sample {
        let due = Moment(due_ms * 1000);
        Sample {
            due,
            sent: is_sent.then_some(due),
            done: due,
            answer,
            probe: String::new(),
            number: 0,
            detail: String::new(),
            values: BTreeMap::new(),
        }
    }

    #[test]
    fn an_answer_stands_for_the_time_until_the_next_was_due() {
        // Good for 8 s at one request in two seconds, then bad for 2 s at ten a second: a fifth of the time, five sixths of the requests.
        let slow = (0..4).map(|n| sample(n * 2000, Answer::Good, true));
        let fast = (0..20).map(|n| sample(8000 + n * 100, Answer::Bad, true));
        let samples: Vec<Sample> = slow.chain(fast).collect();
        let share = Share::of(samples.iter(), Span::from_millis(100));
        assert_eq!((share.due, share.good, share.unknown), (24, 4, 0));
        let bounds = share.bounds().expect("some time");
        assert_eq!(
            (bounds.low, bounds.high),
            (Quantity::from_millis(800), Quantity::from_millis(800))
        );
    }

    #[test]
    fn what_did_not_leave_the_prober_is_open() {
        let samples = [
            sample(0, Answer::Good, true),
            sample(1000, Answer::NotSent, false),
        ];
        let bounds = Share::of(samples.iter(), Span::from_secs(3))
            .bounds()
            .expect("some time");
        assert_eq!(
            (bounds.low, bounds.high),
            (Quantity::from_millis(250), Quantity::whole(1))
        );
        assert_eq!(Share::of([].iter(), Span::from_secs(1)).bounds(), None);
    }
}
