//! A length of time in whole microseconds.

use crate::drill::measure::quantity::Quantity;
use model::moment::Moment;

/// A length of time, never negative; sums saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

impl Span {
    /// None at all.
    pub const ZERO: Self = Self(0);

    /// From microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// From seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// From `earlier` to `later`; zero when they are the other way round.
    pub fn between(earlier: Moment, later: Moment) -> Self {
        Self(u64::try_from(later.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// In microseconds.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left without `other`; zero when it is longer.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// This many in a row.
    #[must_use]
    pub const fn times(self, by: u64) -> Self {
        Self(self.0.saturating_mul(by))
    }

    /// The moment that is this much after `moment`.
    pub fn after(self, moment: Moment) -> Moment {
        Moment(moment.0.saturating_add(self.signed()))
    }

    /// The moment that is this much before `moment`.
    pub fn before(self, moment: Moment) -> Moment {
        Moment(moment.0.saturating_sub(self.signed()))
    }

    /// In seconds, for the report.
    pub fn seconds(self) -> Quantity {
        Quantity::from_micros(self.signed())
    }

    fn signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} s", self.seconds())
    }
}

/// Seconds from `earlier` to `later`, negative when they are the other way round.
pub fn signed_seconds(earlier: Moment, later: Moment) -> Quantity {
    Quantity::from_micros(later.0.saturating_sub(earlier.0))
}
