//! Delays and their percentiles, and the rows of the table.

use std::fmt::Write;
use std::time::Duration;

/// Delays of many deliveries.
#[derive(Debug, Clone, Default)]
pub struct Delays(Vec<Duration>);

impl Delays {
    /// Sorts them once.
    pub fn new(mut delays: Vec<Duration>) -> Self {
        delays.sort_unstable();
        Self(delays)
    }

    /// All of them, ascending.
    pub(super) fn into_iter(self) -> impl Iterator<Item = Duration> {
        self.0.into_iter()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The delay that this many of a thousand do not exceed; zero without any.
    pub fn permille(&self, permille: usize) -> Duration {
        let at = (self.0.len().saturating_mul(permille) / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default()
    }

    /// `p50 1.2 ms, p99 3.4 ms, at most 5.6 ms`.
    pub fn words(&self) -> String {
        let ms = |permille| millis(self.permille(permille));
        format!("p50 {}, p99 {}, at most {}", ms(500), ms(990), ms(1000))
    }
}

/// `12.3 ms`.
pub(super) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Events in a time, per second.
pub(super) fn per_second(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64().max(1e-9)
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What was seen.
    pub measured: String,
    /// What is wanted; empty for what only explains.
    pub wanted: String,
    /// Whether it is so; None where nothing is wanted.
    pub met: Option<bool>,
}

impl Row {
    /// A figure that is judged.
    pub fn judged(what: impl Into<String>, measured: impl Into<String>, wanted: &str, met: bool) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            wanted: wanted.to_owned(),
            met: Some(met),
        }
    }

    /// A figure that explains.
    pub fn told(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            wanted: String::new(),
            met: None,
        }
    }
}

/// The rows as a Markdown table.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from("| what | measured | wanted | met |\n|---|---|---|---|\n");
    for row in rows {
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {met} |",
            row.what, row.measured, row.wanted
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred() {
        let delays = Delays::new((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(delays.words(), "p50 51.0 ms, p99 100.0 ms, at most 100.0 ms");
        assert_eq!(Delays::default().permille(990), Duration::ZERO);
    }
}
