//! The failure-impact matrix: what each drill did to each contract, from measured runs only.

use super::figure::interval;
use super::markdown::table;
use super::model::Report;
use super::verdict::Verdict;
use std::collections::BTreeMap;

/// Contracts, in order.
const CONTRACTS: [&str; 6] = ["C1", "C2", "C3", "C4", "C5", "C6"];

/// As Markdown: a row per drill, the latest run of each; a drill that was never run has no row.
pub fn render(reports: &[Report]) -> String {
    let mut latest: BTreeMap<&str, &Report> = BTreeMap::new();
    for report in reports {
        let newest = latest.entry(report.drill.as_str()).or_insert(report);
        if report.from > newest.from {
            *newest = report;
        }
    }
    let rows = latest.values().map(|report| {
        let verdict = |id: &str| {
            let found = report.contracts.iter().find(|c| c.id == id);
            found.map_or(Verdict::NotCovered, |c| c.verdict).to_string()
        };
        let lost = |lines: bool| -> u64 {
            let of_kind = report.losses.iter().filter(|l| l.lines == lines);
            of_kind.map(|l| l.lost).sum()
        };
        let lost = match (lost(false), lost(true)) {
            (samples, 0) => samples.to_string(),
            (samples, lines) => format!("{samples}, and {lines} log lines"),
        };
        let slowest = report
            .recovery
            .iter()
            .filter_map(|r| r.service_good)
            .max_by_key(|b| b.high);
        let mut row = vec![report.drill.clone(), report.verdict.to_string()];
        row.extend(CONTRACTS.map(verdict));
        row.push(slowest.map_or("not measured".into(), |b| interval(b, "seconds")));
        row.push(lost);
        row.push(report.identity.scale.to_string());
        row.push(format!("{} {}", report.run, report.from));
        row
    });
    let columns = [
        &["drill", "verdict"],
        CONTRACTS.as_slice(),
        &["service good after", "lost", "scale", "run"],
    ]
    .concat();
    let mut out = String::new();
    table(&mut out, "Failure impact, as measured", &columns, rows);
    out
}
