//! What is gone once a backlog died: which stretch of time, and how many samples of a series.

use super::deadline::Deadline;
use crate::drill::measure::span::Span;
use model::moment::Moment;

/// After a failed read the watcher waits this long and then begins at its own present. Fixed in Prometheus' watcher.
pub const PAUSE: Span = Span::from_secs(5);

/// The stretch of time of which nothing arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When the writer left the held segment: the first sample that is lost is the next one.
    pub from: Moment,
    /// The earliest end.
    pub to_earliest: Moment,
    /// The latest end.
    pub to_latest: Moment,
}

/// The gap of a missed deadline when the endpoint answers again at `back` and the reader needs up to `drain` to finish
/// the held segment. None when the held segment ended before the state was taken: its end is then read off the listing.
pub fn gap(deadline: Deadline, back: Moment, drain: Span) -> Option<Gap> {
    Some(Gap {
        from: deadline.held_until?,
        to_earliest: PAUSE.after(back),
        to_latest: PAUSE.plus(drain).after(back),
    })
}

/// How many samples of one series lie in a gap, at least and at most, when one is scraped every `period` and one was
/// scraped at `scraped`. `jitter` is how far a scrape may be from its grid, or its commit from its time.
pub fn samples(gap: Gap, period: Span, scraped: Moment, jitter: Span) -> (u64, u64) {
    let least = on_grid(
        jitter.after(gap.from),
        jitter.before(gap.to_earliest),
        period,
        scraped,
    );
    let most = on_grid(
        jitter.before(gap.from),
        jitter.after(gap.to_latest),
        period,
        scraped,
    );
    (least, most)
}

/// Points of the grid after `from` and not after `to`.
fn on_grid(from: Moment, to: Moment, period: Span, point: Moment) -> u64 {
    let period = i64::try_from(period.micros()).unwrap_or(i64::MAX).max(1);
    let index = |moment: Moment| moment.0.saturating_sub(point.0).div_euclid(period);
    u64::try_from(index(to).saturating_sub(index(from))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_counts_the_grid_points_in_it() {
        let s = |secs: i64| Moment(secs * 1_000_000);
        let gap = Gap {
            from: s(10),
            to_earliest: s(40),
            to_latest: s(42),
        };
        let period = Span::from_secs(1);
        // On the grid, the sample at 10 s went into the held segment and the one at 40 s is the last that is skipped.
        assert_eq!(samples(gap, period, s(3), Span::ZERO), (30, 32));
        // A jitter of half a second leaves the ones at the edges open.
        assert_eq!(samples(gap, period, s(3), Span::from_millis(500)), (29, 33));
        assert_eq!(samples(gap, period, Moment(500_000), Span::ZERO), (30, 32));
    }
}
