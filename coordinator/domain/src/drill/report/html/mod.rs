//! The report as one HTML file: nothing is fetched, no script runs, every text is escaped.

mod availability;
pub mod escape;
mod plot;

use super::ledger::{counter_checks, cross_checks, ledgers};
use super::model::Report;
use super::parts::Direction;
use super::secret_canary::secret_canaries;
use super::tables::{self, Cell, Table};
use super::verdict::Verdict;
use escape::escape;
use std::fmt::Write as _;

/// Light, dark and print.
const STYLE: &str = include_str!("style.css");

/// What closes a page.
const END: &str = "</main></body></html>\n";

/// Renders everything.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    contracts(&mut out, report);
    out.push_str("<h2>What happened</h2>\n");
    out.push_str(&plot::timeline(report));
    out.push_str(&availability::plots(report));
    table(&mut out, tables::recovery(report));
    table(&mut out, tables::objectives(report));
    if let Some(budget) = tables::budget(report) {
        soft(&mut out, &budget);
    }
    table(&mut out, tables::horizon(report));
    table(&mut out, tables::wal(report));
    table(&mut out, tables::foreseen(report));
    wal_plots(&mut out, report);
    table(&mut out, tables::losses(report));
    table(&mut out, ledgers(report));
    table(&mut out, cross_checks(report));
    table(&mut out, counter_checks(report));
    table(&mut out, tables::recovery_points(report));
    table(&mut out, tables::secrets(report));
    table(&mut out, secret_canaries(report));
    secret_plots(&mut out, report);
    table(&mut out, tables::changes(report));
    for rest in [
        tables::faults(report),
        tables::probes(report),
        tables::coverage(report),
        tables::measurements(report),
        tables::inputs(report),
        tables::versions(report),
    ] {
        table(&mut out, rest);
    }
    for note in &report.notes {
        soft(&mut out, note);
    }
    out.push_str(END);
    out
}

/// A page of tables alone, in the same style.
pub(super) fn page(title: &str, tables: impl IntoIterator<Item = Table>) -> String {
    let mut out = String::new();
    begin(&mut out, title);
    let _ = writeln!(out, "<header><h1>{}</h1></header>", escape(title));
    for part in tables {
        table(&mut out, part);
    }
    out.push_str(END);
    out
}

fn begin(out: &mut String, title: &str) {
    let title = escape(title);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main>\n"
    );
}

fn head(out: &mut String, report: &Report) {
    begin(out, &format!("Drill {}: {}", report.drill, report.verdict));
    if let Some(label) = &report.label {
        let _ = writeln!(out, "<div class=\"label\">{}</div>", escape(label));
    }
    let _ = writeln!(
        out,
        "<header><h1>Drill {} {}</h1><p>{}</p>",
        escape(&report.drill),
        badge(report.verdict, " big"),
        escape(&report.hypothesis)
    );
    if let Some(expected) = &report.expected {
        soft(out, &expected.text());
    }
    let id = &report.identity;
    let scale = format!("{}", id.scale);
    let facts = format!(
        "run {} · {} to {} · lab {} · {scale} · plan {} · host {}",
        report.run, report.from, report.to, id.lab, id.plan_digest, id.host_fingerprint
    );
    let _ = writeln!(out, "<p class=\"soft\">{}</p></header>", escape(&facts));
}

fn badge(verdict: Verdict, more: &str) -> String {
    format!(
        "<span class=\"v {verdict}{more}\">{}</span>",
        verdict.as_str().replace('_', " ")
    )
}

fn contracts(out: &mut String, report: &Report) {
    out.push_str("<div class=\"grid\">\n");
    for c in &report.contracts {
        let _ = write!(
            out,
            "<section class=\"card {}\">{}<p><strong>{}</strong> {}</p><ul>",
            c.verdict,
            badge(c.verdict, ""),
            escape(&c.id),
            escape(&c.promise)
        );
        for e in &c.evidence {
            let _ = write!(out, "<li>{}: {}</li>", escape(&e.check), escape(&e.text));
        }
        out.push_str("</ul></section>\n");
    }
    out.push_str("</div>\n");
}

fn soft(out: &mut String, text: &str) {
    let _ = writeln!(out, "<p class=\"soft\">{}</p>", escape(text));
}

fn wal_plots(out: &mut String, report: &Report) {
    for w in &report.wal {
        let mark = w.deadline.map(|d| (d, "backlog dies"));
        out.push_str(&plot::plot(
            report,
            &format!("{}: segments between writer and reader", w.cluster),
            "count",
            &w.backlog_segments,
            mark,
        ));
        out.push_str(&plot::plot(
            report,
            &format!("{}: bytes of the log", w.cluster),
            "bytes",
            &w.backlog_bytes,
            mark,
        ));
        out.push_str(&plot::plot(
            report,
            &format!(
                "{}: time left until the backlog dies, as computed live",
                w.cluster
            ),
            "seconds",
            &w.headroom,
            mark,
        ));
    }
}

fn secret_plots(out: &mut String, report: &Report) {
    for s in &report.staleness {
        out.push_str(&plot::plot(
            report,
            &format!("{}: age of the value", s.secret),
            "seconds",
            &s.curve,
            None,
        ));
    }
}

/// A heading and a table, nothing without rows.
fn table(out: &mut String, table: Table) {
    if table.rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "<h2>{}</h2><div class=\"wide\"><table><thead><tr><th>{}</th></tr></thead><tbody>",
        table.title,
        table.columns.join("</th><th>")
    );
    for row in table.rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        let _ = writeln!(out, "<tr><td>{}</td></tr>", cells.join("</td><td>"));
    }
    out.push_str("</tbody></table></div>\n");
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escape(text),
        Cell::Verdict(verdict) => badge(*verdict, ""),
        Cell::Change(Direction::Better) => "<span class=\"v pass\">better</span>".into(),
        Cell::Change(Direction::Worse) => "<span class=\"v fail\">worse</span>".into(),
        Cell::Change(Direction::Same) => "overlap: nothing can be said".into(),
        Cell::Change(Direction::Neutral) => String::new(),
    }
}
