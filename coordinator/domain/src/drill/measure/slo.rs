//! A run against its objectives, and one figure against another, by intervals.

use super::quantity::Quantity;
use super::span::Span;
use crate::drill::report::model::Worse;
use crate::drill::report::parts::{Bounds, Direction, Objective, Slo};
use crate::drill::report::verdict::Verdict;

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objectives {
    /// Share of good answers.
    pub availability: Quantity,
    /// Longest time to recovery.
    pub rto: Span,
    /// Most time that a restore may lose.
    pub rpo: Span,
    /// The period over which the error budget is counted.
    pub period: Span,
}

impl Default for Objectives {
    /// 99 % over 30 days, one hour, one day.
    fn default() -> Self {
        Self {
            availability: Quantity::from_millis(990),
            rto: Span::from_secs(3600),
            rpo: Span::from_secs(24 * 3600),
            period: Span::from_secs(30 * 24 * 3600),
        }
    }
}

/// Measured: outage of the service as users saw it, time to recovery and time lost; None where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// Seconds that users were not served.
    pub down: Option<Bounds>,
    /// Seconds until recovery.
    pub rto: Option<Bounds>,
    /// Seconds of data lost by a restore.
    pub rpo: Option<Bounds>,
    /// Least share of time with good answers, of the outage or from the fault to the end of probing, of any probe that was to stay good.
    pub answers: Option<Bounds>,
}

/// Judges. An objective passes only when the worse bound keeps it and fails only when the better one breaks it.
///
/// Availability is judged over the budget's period: a run spends `down` of it, as if nothing else went wrong in it.
pub fn judge(promised: Objectives, measured: Measured) -> Slo {
    let period = promised.period;
    let share = |down: Quantity| {
        let down = u64::try_from(down.micros()).unwrap_or(0);
        let up = period.minus(Span::from_micros(down)).micros();
        Quantity::ratio(up, period.micros()).unwrap_or(Quantity::ZERO)
    };
    let availability = measured.down.map(|d| Bounds {
        low: share(d.high),
        high: share(d.low),
    });
    let keeps = |bounds: Option<Bounds>, good: &dyn Fn(Quantity) -> bool| match bounds {
        None => Verdict::NotCovered,
        Some(b) => match (good(b.low), good(b.high)) {
            (true, true) => Verdict::Pass,
            (false, false) => Verdict::Fail,
            _ => Verdict::Inconclusive,
        },
    };
    let at_most = |id: &str, text: &str, target: Span, measured: Option<Bounds>| Objective {
        id: id.to_owned(),
        text: text.to_owned(),
        unit: "seconds".to_owned(),
        target: target.seconds(),
        measured,
        verdict: keeps(measured, &|q| q <= target.seconds()),
    };
    let allowed = Quantity::whole(1).minus(promised.availability).micros();
    let budget = u128::from(period.micros()) * u128::try_from(allowed).unwrap_or(0) / 1_000_000;
    Slo {
        objectives: vec![
            Objective {
                id: "slo".to_owned(),
                text: "share of the period in which users are served".to_owned(),
                unit: "ratio".to_owned(),
                target: promised.availability,
                measured: availability,
                verdict: keeps(availability, &|q| q >= promised.availability),
            },
            at_most(
                "rto",
                "time until the service is good again",
                promised.rto,
                measured.rto,
            ),
            at_most("rpo", "time of which data is lost", promised.rpo, measured.rpo),
            Objective {
                id: "answers".to_owned(),
                text: "share of time with good answers, of the outage or since the fault, worst probe that must stay good".to_owned(),
                unit: "ratio".to_owned(),
                target: promised.availability,
                measured: measured.answers,
                verdict: keeps(measured.answers, &|q| q >= promised.availability),
            },
        ],
        budget_period: period.seconds(),
        budget: Span::from_micros(u64::try_from(budget).unwrap_or(u64::MAX)).seconds(),
        spent: measured.down,
    }
}

/// How far a figure may differ between two runs of an unchanged lab, beyond the bounds of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// A share of the lower one of the two.
    percent: i64,
    /// And at least so much.
    least: Quantity,
}

impl Tolerance {
    /// Of figures whose bounds say all.
    pub const NONE: Self = Self {
        percent: 0,
        least: Quantity::ZERO,
    };

    /// Of recovery times: each is measured to some ten milliseconds, and the same boot takes seconds more or less.
    pub const RECOVERY: Self = Self {
        percent: 10,
        least: Quantity::from_millis(1000),
    };

    fn of(self, bound: Quantity) -> Quantity {
        let share = Quantity::from_micros(bound.times(self.percent).micros() / 100);
        share.max(self.least)
    }
}

/// What can be said of a figure then and now: it is worse only if all that is possible now is worse, by more than is tolerated, than
/// all that was possible then.
pub fn direction(old: Bounds, new: Bounds, worse: Worse, tolerance: Tolerance) -> Direction {
    let beyond = |more: Bounds, less: Bounds| more.low > less.high.plus(tolerance.of(less.high));
    let (above, below) = (beyond(new, old), beyond(old, new));
    match worse {
        Worse::Neither => Direction::Neutral,
        Worse::Higher if above => Direction::Worse,
        Worse::Higher if below => Direction::Better,
        Worse::Lower if above => Direction::Better,
        Worse::Lower if below => Direction::Worse,
        Worse::Higher | Worse::Lower => Direction::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn b(low: u64, high: u64) -> Bounds {
        Bounds {
            low: Quantity::whole(low),
            high: Quantity::whole(high),
        }
    }

    #[test]
    fn only_both_bounds_decide_an_objective() {
        let verdict = |rto| {
            let measured = Measured {
                rto,
                ..Measured::default()
            };
            judge(Objectives::default(), measured).objectives[1].verdict
        };
        assert_eq!(verdict(Some(b(10, 3600))), Verdict::Pass);
        assert_eq!(verdict(Some(b(3601, 3700))), Verdict::Fail);
        assert_eq!(verdict(Some(b(3599, 3601))), Verdict::Inconclusive);
        assert_eq!(verdict(None), Verdict::NotCovered);
    }

    #[test]
    fn the_budget_of_one_percent_of_thirty_days_is_seven_hours_and_twelve_minutes() {
        let measured = Measured {
            down: Some(b(25_920, 25_920)),
            ..Measured::default()
        };
        let slo = judge(Objectives::default(), measured);
        assert_eq!(slo.spent, measured.down);
        assert_eq!(judge(Objectives::default(), Measured::default()).spent, None);
        assert_eq!(slo.budget, Quantity::whole(7 * 3600 + 12 * 60));
        assert_eq!(slo.objectives[0].verdict, Verdict::Pass);
        let more = Measured {
            down: Some(b(25_950, 25_950)),
            ..Measured::default()
        };
        assert_eq!(
            judge(Objectives::default(), more).objectives[0].verdict,
            Verdict::Fail
        );
    }

    #[test]
    fn overlapping_intervals_say_nothing() {
        let table = [
            (b(1, 2), b(3, 4), Worse::Higher, Direction::Worse),
            (b(1, 3), b(3, 4), Worse::Higher, Direction::Same),
            (b(3, 4), b(1, 2), Worse::Higher, Direction::Better),
            (b(3, 4), b(1, 2), Worse::Lower, Direction::Worse),
            (b(1, 2), b(3, 4), Worse::Lower, Direction::Better),
            (b(1, 2), b(3, 4), Worse::Neither, Direction::Neutral),
        ];
        for (old, new, worse, expected) in table {
            let found = direction(old, new, worse, Tolerance::NONE);
            assert_eq!(found, expected, "{old:?} {new:?} {worse:?}");
        }
    }

    #[test]
    fn recovery_times_differ_only_beyond_what_two_runs_differ_anyway() {
        let table = [
            // 10 % of 100 s, and 1 s where that is more.
            (b(99, 100), b(110, 111), Direction::Same),
            (b(99, 100), b(111, 112), Direction::Worse),
            (b(111, 112), b(99, 100), Direction::Better),
            (b(2, 2), b(3, 3), Direction::Same),
            (b(2, 2), b(4, 4), Direction::Worse),
        ];
        for (old, new, expected) in table {
            let found = direction(old, new, Worse::Higher, Tolerance::RECOVERY);
            assert_eq!(found, expected, "{old:?} {new:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn worse_one_way_is_better_the_other(a in 0_u64..50, x in 0_u64..9, c in 0_u64..50, y in 0_u64..9) {
            let (old, new) = (b(a, a + x), b(c, c + y));
            for tolerance in [Tolerance::NONE, Tolerance::RECOVERY] {
                let turned = match direction(new, old, Worse::Higher, tolerance) {
                    Direction::Worse => Direction::Better,
                    Direction::Better => Direction::Worse,
                    same => same,
                };
                proptest::prop_assert_eq!(direction(old, new, Worse::Higher, tolerance), turned);
            }
        }
    }
}
