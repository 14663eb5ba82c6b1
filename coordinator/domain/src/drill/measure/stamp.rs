//! A moment that is RFC 3339 text in documents, as everything an operator reads.

use model::moment::Moment;
use serde::{Deserialize, Serialize};

/// A [`Moment`] that is written and read as RFC 3339 UTC with microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stamp(pub Moment);

/// Text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time like 2026-11-25T04:05:06.000007Z")]
pub struct NotATime(String);

impl Stamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(Moment(micros))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0.0
    }

    /// Reads RFC 3339 in UTC (`Z`) with up to nine decimals; those beyond microseconds are cut off.
    pub fn parse(text: &str) -> Result<Self, NotATime> {
        micros(text)
            .map(Self::from_micros)
            .ok_or_else(|| NotATime(text.to_owned()))
    }

    /// `hh:mm:ss`, for axes and tables whose date stands elsewhere.
    pub fn clock(self) -> String {
        let text = self.0.to_string();
        text.get(11..19).unwrap_or(&text).to_owned()
    }
}

impl From<Moment> for Stamp {
    fn from(moment: Moment) -> Self {
        Self(moment)
    }
}

impl From<Stamp> for Moment {
    fn from(stamp: Stamp) -> Self {
        stamp.0
    }
}

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.0.to_string()
    }
}

impl TryFrom<String> for Stamp {
    type Error = NotATime;
    fn try_from(text: String) -> Result<Self, NotATime> {
        Self::parse(&text)
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of digits as a number; nothing else is accepted, no sign and no blank.
fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn micros(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = three(date, '-')?;
    let (time, decimals) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = three(time, ':')?;
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && year <= 9999
        && (1..=9).contains(&decimals.len());
    if !in_range {
        return None;
    }
    let micro = digits(decimals.get(..6.min(decimals.len()))?)?;
    let scale = 10_i64.pow(6_u32.saturating_sub(u32::try_from(decimals.len()).ok()?));
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds * 1_000_000 + micro * scale)
}

fn three(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(digits);
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, years counted from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn other_precisions_are_read() {
        let parse = |text| Stamp::parse(text).map(Stamp::micros);
        assert_eq!(parse("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(parse("1970-01-01T00:00:00.5Z"), Ok(500_000));
        assert_eq!(parse("1970-01-01T00:00:00.123456789Z"), Ok(123_456));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-25T24:00:00Z",
            "2026-11-25T04:05:06",
            "2026-11-25T04:05:06.Z",
            "2026-11-25T04:05:06+01:00",
            "+026-11-25T04:05:06Z",
        ] {
            assert!(Stamp::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn text_keeps_the_moment(micros in 0_i64..253_402_300_799_999_999) {
            let stamp = Stamp::from_micros(micros);
            proptest::prop_assert_eq!(Stamp::parse(&stamp.to_string()), Ok(stamp));
        }
    }
}
