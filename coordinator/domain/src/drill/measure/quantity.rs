//! A measured figure with six decimals, kept as a whole number, so that equal runs give equal documents.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Millionths in one.
const MILLION: i64 = 1_000_000;

/// A figure in millionths of its unit; the unit stands beside it. A JSON number outside, exact for every whole figure
/// and for fractions below 10^9.
///
/// Sums saturate: a figure that large is wrong already, and a report must not panic over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(i64);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Upper bound of what has none: a whole figure, so that documents have it exactly, beyond everything that is measured.
    pub const UNBOUNDED: Self = Self(9_000_000_000_000 * MILLION);

    /// `count` whole units.
    pub fn whole(count: u64) -> Self {
        Self(i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(MILLION))
    }

    /// From millionths; microseconds are millionths of a second.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Thousandths; milliseconds are thousandths of a second.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// `part` of `whole`, rounded down; None of nothing.
    pub fn ratio(part: u64, whole: u64) -> Option<Self> {
        let scaled = u128::from(part).checked_mul(1_000_000)?;
        let ratio = scaled.checked_div(u128::from(whole))?;
        Some(Self(i64::try_from(ratio).unwrap_or(i64::MAX)))
    }

    /// The nearest figure to a float; None when it is not finite or beyond 9.2e12.
    pub fn from_float(float: f64) -> Option<Self> {
        format!("{float:.6}").replacen('.', "", 1).parse().ok().map(Self)
    }

    /// In millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Larger by `other`.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Smaller by `other`; may be negative.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self` times `by`.
    #[must_use]
    pub const fn times(self, by: i64) -> Self {
        Self(self.0.saturating_mul(by))
    }

    /// The decimal text, without trailing zeros.
    fn decimal(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (
            self.0.unsigned_abs() / 1_000_000,
            self.0.unsigned_abs() % 1_000_000,
        );
        let text = format!("{sign}{whole}.{rest:06}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.decimal())
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % MILLION == 0 {
            return serializer.serialize_i64(self.0 / MILLION);
        }
        // The shortest float that reads back as this decimal prints as this decimal.
        let float: f64 = self.decimal().parse().map_err(serde::ser::Error::custom)?;
        serializer.serialize_f64(float)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let float = f64::deserialize(deserializer)?;
        Self::from_float(float)
            .ok_or_else(|| D::Error::custom(format!("{float} is beyond what a figure can hold (9.2e12)")))
    }
}

/// A figure that is a count, rounded; None for one that is negative or not finite.
pub fn whole(figure: f64) -> Option<u64> {
    format!("{figure:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn a_figure_is_a_plain_json_number() {
        let json = |q| serde_json::to_string(&q).expect("JSON");
        assert_eq!(json(Quantity::whole(42)), "42");
        assert_eq!(json(Quantity::from_millis(2_700)), "2.7");
        assert_eq!(json(Quantity::from_micros(-1)), "-1e-6");
    }

    #[test]
    fn ratios_round_down_and_nothing_of_nothing_is_unknown() {
        assert_eq!(Quantity::ratio(2, 3), Some(Quantity::from_micros(666_666)));
        assert_eq!(Quantity::ratio(0, 0), None);
    }

    proptest::proptest! {
        #[test]
        fn json_keeps_the_figure(micros in -999_999_999_999_999_i64..1_000_000_000_000_000) {
            let text = serde_json::to_string(&Quantity::from_micros(micros)).expect("JSON");
            let back: Quantity = serde_json::from_str(&text).expect("a number");
            proptest::prop_assert_eq!(back.micros(), micros);
        }

        #[test]
        fn json_keeps_whole_figures(count in 0_u64..9_000_000_000_000) {
            let text = serde_json::to_string(&Quantity::whole(count)).expect("JSON");
            let back: Quantity = serde_json::from_str(&text).expect("a number");
            proptest::prop_assert_eq!(back, Quantity::whole(count));
        }
    }
}
