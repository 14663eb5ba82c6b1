//! Scrapes of the canary that failed, from what the receiver has of them.
//!
//! A canary that answers too late has counted its number, and the sender has not taken it. The sender writes such a scrape down
//! too, with `up` 0, and that arrives like any other sample: nothing was lost on the way.

use crate::drill::history::Sample;
use crate::drill::measure::span::Span;
use model::moment::Moment;
use std::collections::BTreeMap;

/// A sender may write down a scrape as begun a little later than it was, to keep its rhythm: 2 ms, and the clocks' reading.
const NEAR: Span = Span::from_millis(10);

/// Times from the begin of a failed scrape to when the next one was due; those of scrapes in a row are one.
///
/// The figures are milliseconds since 1970 and `up`. The interval is the middle one of all between two scrapes: a time in which
/// nothing arrived, because it was lost, must not be taken for one long failed scrape. One scrape alone tells no interval.
pub(super) fn failed(samples: &[&Sample]) -> Vec<(Moment, Moment)> {
    let all: BTreeMap<i64, bool> = samples
        .iter()
        .flat_map(|sample| &sample.values)
        .filter_map(|(millis, up)| Some((millis.parse().ok()?, *up < 0.5)))
        .collect();
    let begun: Vec<i64> = all.keys().copied().collect();
    let mut gaps: Vec<i64> = begun.windows(2).map(|p| p[1].saturating_sub(p[0])).collect();
    gaps.sort_unstable();
    let Some(&interval) = gaps.get(gaps.len() / 2) else {
        return Vec::new();
    };
    let moment = |millis: i64| Moment(millis.saturating_mul(1000));
    let mut times: Vec<(Moment, Moment)> = Vec::new();
    for millis in all
        .iter()
        .filter(|(_, failed)| **failed)
        .map(|(millis, _)| *millis)
    {
        let until = moment(millis.saturating_add(interval));
        // Scrapes are late by less than half of their interval.
        let follows = moment(millis.saturating_sub(interval / 2));
        match times.last_mut().filter(|(_, end)| *end >= follows) {
            Some((_, end)) => *end = until,
            None => times.push((NEAR.before(moment(millis)), until)),
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::history::Answer;

    fn look(scrapes: &[(i64, f64)]) -> Sample {
        Sample {
            probe: "scrapes".into(),
            number: 0,
            due: Moment(0),
            sent: None,
            done: Moment(0),
            answer: Answer::Good,
            detail: String::new(),
            values: scrapes.iter().map(|(at, up)| (at.to_string(), *up)).collect(),
        }
    }

    #[test]
    fn failed_scrapes_in_a_row_are_one_time_and_what_is_lost_after_them_is_none() {
        let seen = look(&[
            (1000, 1.0),
            (2000, 0.0),
            (3100, 0.0),
            (4100, 1.0),
            // What follows this one was lost on the way.
            (5000, 0.0),
            (60_000, 1.0),
        ]);
        let at = |millis: i64| Moment(millis * 1000);
        let found = failed(&[&seen]);
        assert_eq!(found, [(at(1990), at(4100)), (at(4990), at(6000))]);
        assert!(failed(&[&look(&[(1000, 0.0)])]).is_empty());
        assert!(failed(&[&look(&[(1000, 1.0), (2000, 1.0)])]).is_empty());
    }
}
