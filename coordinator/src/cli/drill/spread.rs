//! Several runs of one drill: lowest, middle and highest of each figure.

use domain::drill::report::model::Report;
use std::fmt::Write as _;

/// One line per figure that every run has.
pub(super) fn table(reports: &[Report]) -> String {
    let mut text = format!(
        "\n{} runs{:>38}{:>14}{:>14}\n",
        reports.len(),
        "lowest",
        "median",
        "highest"
    );
    let Some(first) = reports.first() else { return text };
    for figure in &first.measurements {
        let same = |r: &Report| r.measurements.iter().find(|m| m.id == figure.id).map(|m| m.value);
        let mut values: Vec<_> = reports.iter().filter_map(same).collect();
        if values.len() < reports.len() {
            continue;
        }
        values.sort_unstable();
        let at = |i: usize| values.get(i).copied().unwrap_or_default();
        let (low, middle, high) = (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)));
        let _ = writeln!(
            text,
            "{:<44}{low:>14}{middle:>14}{high:>14} {}",
            figure.id, figure.unit
        );
    }
    text
}
