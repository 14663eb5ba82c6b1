//! Points in time as both processes write them: wall time in microseconds, never read here.

use serde::{Deserialize, Serialize};

/// Wall time in microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// Milliseconds from `earlier` to `self`; zero when the clock went backwards.
    pub fn millis_since(self, earlier: Moment) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1000).unwrap_or(0)
    }

    /// The moment `millis` later, saturating.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Moment {
        Moment(
            self.0.saturating_add(
                i64::try_from(millis)
                    .unwrap_or(i64::MAX / 1000)
                    .saturating_mul(1000),
            ),
        )
    }
}

/// How far another clock is off, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// The other clock minus ours, microseconds.
    pub offset_micros: i64,
    /// The true offset lies within this many microseconds of it, whatever the way took in either direction.
    pub bound_micros: u64,
}

impl ClockOffset {
    /// From one question and its answer: asked and answer taken by the asker's clock, question taken and answered by the
    /// other's. Gives the asker's clock minus the other's; None when the times contradict each other.
    pub fn measured(asked: Moment, taken: Moment, answered: Moment, returned: Moment) -> Option<Self> {
        let there = asked.0.checked_sub(taken.0)?;
        let back = returned.0.checked_sub(answered.0)?;
        let way = u64::try_from(back.checked_sub(there)?).ok()?;
        Some(Self {
            offset_micros: there.checked_add(back)? / 2,
            bound_micros: way.div_ceil(2).saturating_add(1),
        })
    }

    /// A time of the other clock, by ours.
    #[must_use]
    pub fn ours(self, theirs: Moment) -> Moment {
        Moment(theirs.0.saturating_sub(self.offset_micros))
    }
}

impl std::fmt::Display for Moment {
    /// RFC 3339 UTC with microseconds, by the civil-from-days rule (no clock, no time zone data).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (secs, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        let (h, m, s) = (rest / 3600, rest % 3600 / 60, rest % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{micros:06}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{ClockOffset, Moment};

    #[test]
    fn an_offset_lies_within_its_bound_whatever_the_way_took() {
        for (true_offset, there, back) in [(0, 10, 10), (5_000_000, 900, 100), (-70_000, 3, 4_000), (1, 0, 0)]
        {
            // The asker's clock is `true_offset` ahead.
            let asked = Moment(1_000_000 + true_offset);
            let taken = Moment(1_000_000 + there);
            let answered = Moment(taken.0 + 50);
            let returned = Moment(answered.0 + back + true_offset);
            let found = ClockOffset::measured(asked, taken, answered, returned).expect("consistent");
            let error = found.offset_micros.abs_diff(true_offset);
            assert!(error <= found.bound_micros, "{found:?} for {true_offset}");
            assert_eq!(found.ours(asked).0.abs_diff(1_000_000), error);
        }
        let (now, later) = (Moment(0), Moment(10));
        assert_eq!(
            ClockOffset::measured(later, now, later, now),
            None,
            "an answer before its question"
        );
    }

    #[test]
    fn prints_rfc_3339_with_microseconds() {
        assert_eq!(Moment(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            Moment(1_709_164_800_000_001).to_string(),
            "2024-02-29T00:00:00.000001Z"
        );
        assert_eq!(Moment(-1).to_string(), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn a_clock_that_goes_backwards_gives_zero_not_a_wrap() {
        assert_eq!(Moment(0).millis_since(Moment(5_000)), 0);
        assert_eq!(Moment(5_000).millis_since(Moment(0)), 5);
    }
}
