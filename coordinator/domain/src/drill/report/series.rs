//! Several runs of one drill: how far their figures spread. A trend needs more runs than one has; a spread says how many.

use super::figure::figure;
use super::html;
use super::markdown;
use super::model::{Measurement, Report};
use super::tables::{Cell, Table, table};
use super::verdict::Verdict;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::stamp::Stamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Runs of one drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Name of the scenario.
    pub drill: String,
    /// In the order in which they were made.
    pub runs: Vec<Ran>,
    /// Every figure, by id.
    pub figures: Vec<Spread>,
}

/// One run of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Its id, hexadecimal.
    pub run: String,
    /// Begin of its first phase.
    pub from: Stamp,
    /// As its report has it.
    pub verdict: Verdict,
    /// What it comes to for whoever runs it; see [`Report::outcome`].
    pub outcome: Verdict,
    /// What stands beside every verdict of its report, such as the scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
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

impl Series {
    /// Of runs of one drill, in their order.
    pub fn of(reports: &[Report]) -> Self {
        let run = |report: &Report| Ran {
            run: report.run.clone(),
            from: report.from,
            verdict: report.verdict,
            outcome: report.outcome(),
            label: report.label.clone(),
        };
        Self {
            drill: reports.first().map(|r| r.drill.clone()).unwrap_or_default(),
            runs: reports.iter().map(run).collect(),
            figures: spread(reports),
        }
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n\n", self.title());
        self.tables()
            .iter()
            .for_each(|part| markdown::write(&mut out, part));
        out
    }

    /// As a page that needs nothing else.
    pub fn html(&self) -> String {
        html::page(&self.title(), self.tables())
    }

    fn title(&self) -> String {
        format!("Drill {}: {} runs", self.drill, self.runs.len())
    }

    fn tables(&self) -> [Table; 2] {
        let runs = self.runs.iter().map(|r| {
            [
                (&r.run).into(),
                r.from.to_string().into(),
                Cell::Verdict(r.verdict),
                Cell::Text(r.label.clone().unwrap_or_default()),
            ]
        });
        let figures = self.figures.iter().map(|s| {
            let word = |value| Cell::Text(figure(value, &s.unit));
            let runs = Cell::Text(s.runs.to_string());
            [(&s.id).into(), runs, word(s.least), word(s.median), word(s.most)]
        });
        [
            table("Runs", ["run", "from", "verdict", "label"], runs),
            table(
                "Spread",
                ["figure", "runs", "lowest", "median", "highest"],
                figures,
            ),
        ]
    }
}

/// The spread of every figure over runs, by id.
fn spread(runs: &[Report]) -> Vec<Spread> {
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
