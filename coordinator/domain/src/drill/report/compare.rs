//! One run against another, many runs beside each other.

use super::markdown;
use super::model::{Measurement, Report};
use super::parts::{Change, Direction};
use super::tables;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::slo;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Id of the earlier run.
    pub old: String,
    /// Id of the later run.
    pub new: String,
    /// What makes the two hard to compare; empty when they were made alike. Then only is a change the lab's own.
    pub differences: Vec<String>,
    /// Every figure that both have.
    pub changes: Vec<Change>,
}

impl Comparison {
    /// Whether any figure is worse in runs that were made alike.
    pub fn regressed(&self) -> bool {
        self.differences.is_empty() && self.changes.iter().any(|c| c.change == Direction::Worse)
    }
}

/// Compares by intervals; see [`slo::direction`].
pub fn compare(old: &Report, new: &Report) -> Comparison {
    let (then, now) = (&old.identity, &new.identity);
    let pairs = [
        ("drill", old.drill.clone(), new.drill.clone()),
        ("lab", then.lab.clone(), now.lab.clone()),
        ("plan", then.plan_digest.clone(), now.plan_digest.clone()),
        ("scale", then.scale.to_string(), now.scale.to_string()),
        (
            "host",
            then.host_fingerprint.clone(),
            now.host_fingerprint.clone(),
        ),
    ];
    let mut differences: Vec<String> = pairs
        .into_iter()
        .filter(|(_, a, b)| a != b)
        .map(|(what, a, b)| format!("{what}: {a} then, {b} now"))
        .collect();
    let version = |id: &super::model::Identity, name: &str| {
        id.versions
            .iter()
            .find(|v| v.name == name)
            .map(|v| v.version.clone())
    };
    for v in &now.versions {
        let earlier = version(then, &v.name).unwrap_or_else(|| "absent".to_owned());
        if earlier != v.version {
            differences.push(format!("{}: {earlier} then, {} now", v.name, v.version));
        }
    }
    Comparison {
        old: old.run.clone(),
        new: new.run.clone(),
        differences,
        changes: slo::changes(&old.measurements, &new.measurements),
    }
}

/// The comparison as Markdown.
pub fn render(comparison: &Comparison, new: &Report) -> String {
    let mut out = format!("# Run {} against {}\n\n", comparison.new, comparison.old);
    for difference in &comparison.differences {
        out.push_str(&format!("- not alike: {difference}\n"));
    }
    if !comparison.differences.is_empty() {
        out.push('\n');
    }
    let mut shown = new.clone();
    shown.comparison.clone_from(&comparison.changes);
    markdown::write(&mut out, &tables::changes(&shown));
    out
}

/// One figure over several runs of the same drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Of the measurement.
    pub id: String,
    /// Its unit.
    pub unit: String,
    /// How many runs have it.
    pub runs: u64,
    /// The lowest value.
    pub least: Quantity,
    /// The middle one; of an even number the lower of the two.
    pub median: Quantity,
    /// The highest value.
    pub most: Quantity,
}

/// The spread of every figure over runs, by id. A trend needs more runs than one has; a spread says how many.
pub fn spread(runs: &[Report]) -> Vec<Spread> {
    let mut by_id: BTreeMap<(&str, &str), Vec<Quantity>> = BTreeMap::new();
    for Measurement { id, unit, value, .. } in runs.iter().flat_map(|r| &r.measurements) {
        by_id.entry((id, unit)).or_default().push(*value);
    }
    let one = |((id, unit), mut values): ((&str, &str), Vec<Quantity>)| {
        values.sort_unstable();
        Some(Spread {
            id: id.to_owned(),
            unit: unit.to_owned(),
            runs: u64::try_from(values.len()).unwrap_or(u64::MAX),
            least: *values.first()?,
            median: *values.get((values.len() - 1) / 2)?,
            most: *values.last()?,
        })
    };
    by_id.into_iter().filter_map(one).collect()
}
