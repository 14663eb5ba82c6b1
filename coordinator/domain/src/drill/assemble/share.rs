//! How much of the time answers were good. A probe asks faster while something may change, so shares are of time and not of requests.
//!
//! A bad answer says that the service was not good while its request waited, and leaves open what it was between the good answers
//! around it: the share is an interval. What begins and ends between two good answers is not seen.

use crate::drill::history::Sample;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::report::parts::Bounds;
use model::moment::Moment;

/// Answers of one probe in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share {
    /// Requests that were due.
    pub(crate) due: u64,
    /// Those that were answered well and in time.
    pub(crate) good: u64,
    /// Those that did not leave the prober: they say nothing.
    pub(crate) unknown: u64,
    whole: Span,
    least_bad: Span,
    most_bad: Span,
}

impl Share {
    /// Of all samples of a probe, in the order in which they were due, in the time between two moments. A request counts that was
    /// due by its end and ended in it; the ones around it bound the outages that reach into it.
    pub(crate) fn of(samples: &[&Sample], (from, to): (Moment, Moment)) -> Self {
        let mut share = Self {
            whole: Span::between(from, to),
            ..Self::default()
        };
        for sample in samples.iter().filter(|s| s.done >= from && s.due <= to) {
            share.due += 1;
            share.good += u64::from(sample.is_good());
            share.unknown += u64::from(sample.sent.is_none());
        }
        let (mut least, mut most) = (Within::new(from, to), Within::new(from, to));
        let mut gap = Gap::default();
        for sample in samples {
            let Some(sent) = sample.sent.filter(|_| sample.is_good()) else {
                gap.takes_in(sample);
                continue;
            };
            let ended = std::mem::replace(&mut gap, Gap::after(sent));
            least.add(ended.surely(sent));
            most.add(ended.possibly(sample.due, sample.done));
        }
        least.add(gap.surely(to));
        most.add(gap.possibly(to, to));
        (share.least_bad, share.most_bad) = (least.sum, most.sum);
        share
    }

    /// Of the time, the good share. None where nothing was due, and of no time.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        if self.due == 0 {
            return None;
        }
        let without = |bad: Span| Quantity::ratio(self.whole.minus(bad).micros(), self.whole.micros());
        Some(Bounds {
            low: without(self.most_bad)?,
            high: without(self.least_bad)?,
        })
    }
}

/// What there is between two good answers.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    /// When the good one before was sent.
    good: Option<Moment>,
    /// When the first bad one was sent, and when the last one ended.
    bad: Option<(Moment, Moment)>,
    /// When the first one that did not leave the prober was due.
    unknown: Option<Moment>,
}

impl Gap {
    fn after(good: Moment) -> Self {
        Self {
            good: Some(good),
            ..Self::default()
        }
    }

    fn takes_in(&mut self, sample: &Sample) {
        match sample.sent {
            None => self.unknown = self.unknown.or(Some(sample.due)),
            Some(sent) => {
                let (first, last) = self.bad.unwrap_or((sent, sample.done));
                self.bad = Some((first, last.max(sample.done)));
            }
        }
    }

    /// As long as bad requests waited, and from one to the next: until a good one was sent at the latest.
    fn surely(self, good_sent: Moment) -> Option<(Moment, Moment)> {
        self.bad.map(|(first, last)| (first, last.min(good_sent)))
    }

    /// From the good answer before to the good one after. Requests that were all held back could not have been answered from when the
    /// first of them was due until the next was.
    fn possibly(self, good_due: Moment, good_done: Moment) -> Option<(Moment, Moment)> {
        match self.bad {
            Some((first, _)) => Some((self.good.or(self.unknown).unwrap_or(first), good_done)),
            None => self.unknown.map(|unknown| (unknown, good_due)),
        }
    }
}

/// How much of a stretch of time others cover, that come in order and may overlap.
#[derive(Debug)]
struct Within {
    from: Moment,
    to: Moment,
    sum: Span,
}

impl Within {
    fn new(from: Moment, to: Moment) -> Self {
        Self {
            from,
            to,
            sum: Span::ZERO,
        }
    }

    fn add(&mut self, stretch: Option<(Moment, Moment)>) {
        let Some((from, to)) = stretch else { return };
        let (from, to) = (from.max(self.from), to.min(self.to));
        self.sum = self.sum.plus(Span::between(from, to));
        self.from = self.from.max(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::history::Answer;
    use std::collections::BTreeMap;

    fn at(ms: i64) -> Moment {
        Moment(ms * 1000)
    }

    /// Due and sent at the same moment, ended so many milliseconds later.
    fn sample(due_ms: i64, took_ms: i64, answer: Answer) -> Sample {
        Sample {
            due: at(due_ms),
            sent: (answer != Answer::NotSent).then_some(at(due_ms)),
            done: at(due_ms + took_ms),
            answer,
            probe: String::new(),
            number: 0,
            detail: String::new(),
            values: BTreeMap::new(),
        }
    }

    /// Thousandths of the time from 0 to so many milliseconds, at least and at most.
    fn shares(samples: &[Sample], until_ms: i64) -> (Quantity, Quantity) {
        let samples: Vec<&Sample> = samples.iter().collect();
        let share = Share::of(&samples, (at(0), at(until_ms)));
        let bounds = share.bounds().expect("some time");
        (bounds.low, bounds.high)
    }

    fn thousandths(low: i64, high: i64) -> (Quantity, Quantity) {
        (Quantity::from_millis(low), Quantity::from_millis(high))
    }

    #[test]
    fn one_lost_request_of_a_calm_probe_is_an_outage_of_its_own_length_at_least() {
        // Every 4 s for 100 s, and one answer that did not come within 900 ms.
        let answer = |n: i64| match n {
            10 => sample(n * 4000, 900, Answer::Bad),
            _ => sample(n * 4000, 0, Answer::Good),
        };
        let samples: Vec<Sample> = (0..25).map(answer).collect();
        assert_eq!(shares(&samples, 100_000), thousandths(920, 991));
    }

    #[test]
    fn shares_are_of_time_and_not_of_requests() {
        // Good for 8 s at one request in two seconds, then bad until the end at ten a second.
        let slow = (0..4).map(|n| sample(n * 2000, 0, Answer::Good));
        let fast = (0..20).map(|n| sample(8000 + n * 100, 100, Answer::Bad));
        let samples: Vec<Sample> = slow.chain(fast).collect();
        assert_eq!(shares(&samples, 10_000), thousandths(600, 800));
        let all: Vec<&Sample> = samples.iter().collect();
        let share = Share::of(&all, (at(0), at(10_000)));
        assert_eq!((share.due, share.good, share.unknown), (24, 4, 0));
    }

    #[test]
    fn a_good_answer_that_overtakes_a_bad_one_ends_its_outage() {
        let samples = [
            sample(0, 0, Answer::Good),
            sample(200, 900, Answer::Bad),
            sample(400, 100, Answer::Good),
        ];
        assert_eq!(shares(&samples, 1000), thousandths(500, 800));
    }

    #[test]
    fn an_answer_between_two_outages_counts_once() {
        let samples = [
            sample(0, 0, Answer::Good),
            sample(200, 0, Answer::Bad),
            sample(400, 100, Answer::Good),
            sample(600, 0, Answer::Bad),
            sample(800, 0, Answer::Good),
        ];
        assert_eq!(shares(&samples, 1000), thousandths(200, 1000));
    }

    #[test]
    fn what_is_around_the_time_bounds_what_reaches_into_it() {
        let samples = [
            sample(-500, 0, Answer::Good),
            sample(-300, 400, Answer::Bad),
            sample(700, 0, Answer::Bad),
            sample(1500, 0, Answer::Good),
        ];
        assert_eq!(shares(&samples, 1000), thousandths(0, 300));
        assert_eq!(shares(&samples, 2000), thousandths(250, 650));
    }

    #[test]
    fn what_did_not_leave_the_prober_is_open() {
        let samples = [sample(0, 0, Answer::Good), sample(1000, 0, Answer::NotSent)];
        assert_eq!(shares(&samples, 4000), thousandths(250, 1000));
        let then_good = sample(2000, 0, Answer::Good);
        let [first, second] = samples;
        assert_eq!(shares(&[first, second, then_good], 4000), thousandths(750, 1000));
        assert_eq!(Share::of(&[], (at(0), at(1000))).bounds(), None);
    }
}
