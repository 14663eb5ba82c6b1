//! Figures in words: what a person reads in tables and axes.

use super::parts::{Bounds, Outcome, Recovery};
use crate::drill::measure::quantity::Quantity;

/// With its unit, as short as it can be without hiding what matters.
pub fn figure(quantity: Quantity, unit: &str) -> String {
    match unit {
        "seconds" => seconds(quantity),
        "bytes" => bytes(quantity),
        "ratio" => format!("{} %", decimals(quantity.times(100), 3)),
        "count" => quantity.to_string(),
        other => format!("{quantity} {other}"),
    }
}

/// An interval; one figure when it has no width, or no end.
pub fn interval(bounds: Bounds, unit: &str) -> String {
    if bounds.high >= Quantity::UNBOUNDED {
        return format!("{} or more", figure(bounds.low, unit));
    }
    let (low, high) = (figure(bounds.low, unit), figure(bounds.high, unit));
    if low == high {
        low
    } else {
        format!("{low} to {high}")
    }
}

/// An interval that may be unknown.
pub fn maybe_interval(bounds: Option<Bounds>, unit: &str) -> String {
    bounds.map_or_else(|| "not measured".to_owned(), |b| interval(b, unit))
}

/// Of what was not seen good again.
pub const NEVER: &str = "never in this run";

/// Until the service was good, or why there is no such figure.
pub fn service_good(recovery: &Recovery) -> String {
    match (recovery.service_good, recovery.outcome) {
        (Some(bounds), _) => interval(bounds, "seconds"),
        (None, Outcome::NeverSeenDown) => "never seen down".into(),
        (None, Outcome::Recovered) => "before that".into(),
        (None, _) => NEVER.into(),
    }
}

/// A duration: milliseconds below ten seconds, then minutes and hours.
pub fn seconds(quantity: Quantity) -> String {
    let micros = quantity.micros().unsigned_abs();
    let sign = if quantity.micros() < 0 { "−" } else { "" };
    let whole = micros / 1_000_000;
    let text = match whole {
        0..10 => format!(
            "{} s",
            decimals(Quantity::from_micros(quantity.micros().saturating_abs()), 3)
        ),
        10..120 => format!(
            "{} s",
            decimals(Quantity::from_micros(quantity.micros().saturating_abs()), 1)
        ),
        120..7200 => format!("{} min {:02} s", whole / 60, whole % 60),
        7200..172_800 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole % 86_400 / 3600),
    };
    format!("{sign}{text}")
}

/// Bytes with a binary prefix and one decimal.
fn bytes(quantity: Quantity) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut left = quantity;
    let mut unit = 0;
    while left >= Quantity::whole(1024) && unit + 1 < units.len() {
        left = Quantity::from_micros(left.micros() / 1024);
        unit += 1;
    }
    format!("{} {}", decimals(left, 1), units.get(unit).unwrap_or(&"B"))
}

/// At most so many decimals, rounded to the nearest, without trailing zeros.
pub fn decimals(quantity: Quantity, places: u32) -> String {
    let unit = 10_i64.pow(6_u32.saturating_sub(places));
    let half = if quantity.micros() < 0 {
        -unit / 2
    } else {
        unit / 2
    };
    let rounded = quantity.micros().saturating_add(half) / unit;
    Quantity::from_micros(rounded.saturating_mul(unit)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let q = Quantity::from_millis;
        let table = [
            (q(52), "seconds", "0.052 s"),
            (q(9_999), "seconds", "9.999 s"),
            (q(71_449), "seconds", "71.4 s"),
            (q(-190_000), "seconds", "−3 min 10 s"),
            (q(9_600_000), "seconds", "2 h 40 min"),
            (q(720_000_000), "seconds", "8 d 08 h"),
            (q(996), "ratio", "99.6 %"),
            (Quantity::from_micros(999_986), "ratio", "99.999 %"),
            (Quantity::whole(1536), "bytes", "1.5 KiB"),
            (Quantity::whole(1 << 30), "bytes", "1 GiB"),
            (Quantity::whole(39), "samples", "39 samples"),
            (Quantity::whole(3), "count", "3"),
        ];
        for (quantity, unit, text) in table {
            assert_eq!(figure(quantity, unit), text);
        }
    }

    #[test]
    fn what_has_no_end_is_told_by_its_begin() {
        let bounds = Bounds::at_least(Quantity::whole(300));
        assert_eq!(interval(bounds, "seconds"), "5 min 00 s or more");
        let text = serde_json::to_string(&bounds).expect("JSON");
        assert_eq!(serde_json::from_str::<Bounds>(&text).expect("bounds"), bounds);
    }

    proptest::proptest! {
        #[test]
        fn any_figure_has_a_text(micros: i64, unit in "(seconds|bytes|ratio|count|lines)") {
            proptest::prop_assert!(!figure(Quantity::from_micros(micros), &unit).is_empty());
        }
    }
}
