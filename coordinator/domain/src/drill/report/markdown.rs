//! The report as Markdown: what goes into a ticket or a wiki.

use super::ledger::{counter_checks, cross_checks, ledgers};
use super::model::Report;
use super::parts::Direction;
use super::secret_canary::secret_canaries;
use super::tables::{self, Cell, Table};
use std::fmt::Write as _;

/// Renders everything but curves.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    contracts(&mut out, report);
    write(&mut out, &tables::recovery(report));
    write(&mut out, &tables::objectives(report));
    if let Some(budget) = tables::budget(report) {
        let _ = writeln!(out, "{}\n", text(&budget));
    }
    for part in [
        tables::horizon(report),
        tables::wal(report),
        tables::foreseen(report),
        tables::losses(report),
        ledgers(report),
        cross_checks(report),
        counter_checks(report),
        tables::secrets(report),
        secret_canaries(report),
        tables::probes(report),
        tables::faults(report),
        tables::recovery_points(report),
        tables::changes(report),
        tables::coverage(report),
        tables::measurements(report),
        tables::inputs(report),
        tables::versions(report),
    ] {
        write(&mut out, &part);
    }
    for note in &report.notes {
        let _ = writeln!(out, "- {}", text(note));
    }
    out
}

fn head(out: &mut String, report: &Report) {
    let _ = writeln!(out, "# Drill {}: {}\n", text(&report.drill), report.verdict);
    if let Some(label) = &report.label {
        let _ = writeln!(out, "> **{}**\n", text(label));
    }
    let _ = writeln!(out, "{}\n", text(&report.hypothesis));
    if let Some(expected) = &report.expected {
        let _ = writeln!(out, "{}\n", text(&expected.text()));
    }
    let id = &report.identity;
    let lines = [
        ("run", report.run.clone()),
        ("from", report.from.to_string()),
        ("to", report.to.to_string()),
        ("lab", id.lab.clone()),
        ("plan", id.plan_digest.clone()),
        ("scale", id.scale.to_string()),
        ("host", id.host_fingerprint.clone()),
    ];
    for (name, value) in lines {
        let _ = writeln!(out, "- {name}: {}", text(&value));
    }
    out.push('\n');
}

fn contracts(out: &mut String, report: &Report) {
    let rows = report.contracts.iter().flat_map(|contract| {
        contract.evidence.iter().enumerate().map(move |(nth, evidence)| {
            let lead = nth == 0;
            vec![
                if lead {
                    format!("{} {}", contract.id, contract.promise)
                } else {
                    String::new()
                },
                if lead {
                    contract.verdict.to_string()
                } else {
                    String::new()
                },
                format!("{}: {}", evidence.check, evidence.verdict),
                evidence.text.clone(),
            ]
        })
    });
    table(
        out,
        "Contracts",
        &["contract", "verdict", "check", "evidence"],
        rows,
    );
}

/// A table of the report.
pub(super) fn write(out: &mut String, part: &Table) {
    let rows = part.rows.iter().map(|row| row.iter().map(word).collect());
    table(out, part.title, &part.columns, rows);
}

fn word(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Verdict(verdict) => verdict.to_string(),
        Cell::Change(Direction::Better) => "better".into(),
        Cell::Change(Direction::Worse) => "WORSE".into(),
        Cell::Change(Direction::Same) => "overlap: nothing can be said".into(),
        Cell::Change(Direction::Neutral) => String::new(),
    }
}

/// A heading and a table; nothing at all without rows. The first column is the one without figures.
pub(super) fn table(
    out: &mut String,
    title: &str,
    columns: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## {title}\n\n| {} |\n|{}",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| text(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

/// Text that is no markup: whatever Markdown or HTML would take for its own is escaped, and a line stays one line.
fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '\\' | '|' | '*' | '`' | '[' | ']' | '#' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
