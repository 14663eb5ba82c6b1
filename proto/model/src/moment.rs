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
    use super::Moment;

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
