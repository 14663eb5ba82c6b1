//! The failure-impact matrix: what each drill did to each contract, from measured runs only.

use super::expected::Expected;
use super::figure::{NEVER, maybe_interval};
use super::html;
use super::markdown;
use super::model::{Report, Scale};
use super::parts::{Bounds, Outcome};
use super::tables::{Cell, Table};
use super::verdict::Verdict;
use crate::drill::contract::ContractId;
use crate::drill::measure::stamp::Stamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row per drill that was run, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// The rows.
    pub rows: Vec<Row>,
}

/// The latest run of one drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the scenario.
    pub drill: String,
    /// Of the run.
    pub verdict: Verdict,
    /// What a drill that is broken on purpose was to show, and whether it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// All six, by id.
    pub contracts: BTreeMap<String, Verdict>,
    /// Seconds until the last subject was good again, from the fault; None: not measured, or one never was.
    pub service_good: Option<Bounds>,
    /// Whether a subject was not good again while it was watched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_good: bool,
    /// Samples that are gone for good; None: nobody counted.
    pub lost_samples: Option<u64>,
    /// Log lines that are gone for good; None: nobody counted.
    pub lost_lines: Option<u64>,
    /// By how much its periods were shortened.
    pub scale: Scale,
    /// Id of the run, hexadecimal.
    pub run: String,
    /// When it began.
    pub from: Stamp,
}

/// The latest run of each drill, by the drill's name.
pub fn latest(reports: &[Report]) -> Vec<&Report> {
    let mut latest: BTreeMap<&str, &Report> = BTreeMap::new();
    for report in reports {
        let newest = latest.entry(report.drill.as_str()).or_insert(report);
        if report.from > newest.from {
            *newest = report;
        }
    }
    latest.into_values().collect()
}

impl Matrix {
    /// Of the latest run of each drill; one that was never run has no row.
    pub fn of(reports: &[Report]) -> Self {
        Self {
            rows: latest(reports).into_iter().map(Row::of).collect(),
        }
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        markdown::write(&mut out, &self.table());
        out
    }

    /// As a page that needs nothing else.
    pub fn html(&self) -> String {
        html::page(TITLE, [self.table()])
    }

    fn table(&self) -> Table {
        let ids = ["C1", "C2", "C3", "C4", "C5", "C6"];
        let columns = [
            &["drill", "verdict"],
            ids.as_slice(),
            &["service good after", "lost", "scale", "run"],
        ];
        let row = |row: &Row| -> Vec<Cell> {
            let verdict = |id: &str| row.contracts.get(id).copied().unwrap_or(Verdict::NotCovered);
            let mut cells = vec![Cell::Text(row.name()), Cell::Verdict(row.verdict)];
            cells.extend(ids.map(|id| Cell::Verdict(verdict(id))));
            let rest = [
                row.good_after(),
                row.lost(),
                row.scale.to_string(),
                format!("{} {}", row.run, row.from),
            ];
            cells.extend(rest.map(Cell::Text));
            cells
        };
        Table {
            title: TITLE,
            columns: columns.concat(),
            rows: self.rows.iter().map(row).collect(),
        }
    }
}

/// Above the table.
const TITLE: &str = "Failure impact, as measured";

impl Row {
    fn of(report: &Report) -> Self {
        let verdict = |id: ContractId| {
            let id = id.to_string();
            let found = report.contracts.iter().find(|c| c.id == id);
            (id, found.map_or(Verdict::NotCovered, |c| c.verdict))
        };
        let from_fault = || report.recovery.iter().filter(|r| r.counted_from == "fault");
        let never_good = from_fault().any(|r| r.outcome == Outcome::NotRecovered);
        let slowest = from_fault().filter_map(|r| r.service_good).max_by_key(|b| b.high);
        Self {
            drill: report.drill.clone(),
            verdict: report.verdict,
            expected: report.expected.clone(),
            contracts: ContractId::ALL.map(verdict).into(),
            service_good: slowest.filter(|_| !never_good),
            never_good,
            lost_samples: lost(report, "metrics"),
            lost_lines: lost(report, "logs"),
            scale: report.identity.scale,
            run: report.run.clone(),
            from: report.from,
        }
    }

    /// A drill that is meant to be violated must not be read as one that found something.
    fn name(&self) -> String {
        match &self.expected {
            Some(expected) if expected.verdict == Verdict::Pass => format!("{} (meant to)", self.drill),
            Some(_) => format!("{} (not as meant)", self.drill),
            None => self.drill.clone(),
        }
    }

    /// The slowest of those that came back says nothing of one that did not.
    fn good_after(&self) -> String {
        if self.never_good {
            return NEVER.to_owned();
        }
        maybe_interval(self.service_good, "seconds")
    }

    fn lost(&self) -> String {
        match (self.lost_samples, self.lost_lines) {
            (None, None) => "not measured".to_owned(),
            (Some(samples), None | Some(0)) => samples.to_string(),
            (None, Some(lines)) => format!("{lines} log lines"),
            (Some(samples), Some(lines)) => format!("{samples}, and {lines} log lines"),
        }
    }
}

/// What is gone by one way; None where no books were kept.
fn lost(report: &Report, way: &str) -> Option<u64> {
    let lines = way == "logs";
    let of_way: Vec<u64> = report
        .losses
        .iter()
        .filter(|loss| loss.lines == lines)
        .map(|loss| loss.lost)
        .collect();
    let kept = report.ledgers.iter().any(|row| row.way == way);
    (kept || !of_way.is_empty()).then(|| of_way.iter().sum())
}
