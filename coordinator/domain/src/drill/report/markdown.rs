//! The report as Markdown: what goes into a ticket or a wiki.

use super::figure::{figure, interval, maybe_interval, seconds, service_good};
use super::model::Report;
use super::parts::Direction;
use std::fmt::Write as _;

/// Renders everything but curves.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    contracts(&mut out, report);
    table(
        &mut out,
        "Recovery",
        &[
            "subject",
            "counted from",
            "service good",
            "data complete",
            "vantage points",
        ],
        report.recovery.iter().map(|r| {
            vec![
                r.subject.clone(),
                r.counted_from.clone(),
                service_good(r),
                maybe_interval(r.data_complete, "seconds"),
                r.vantages.join(", "),
            ]
        }),
    );
    objectives(&mut out, report);
    table(
        &mut out,
        "Survival horizon",
        &["dependency", "first harm", "survives", "headroom", "source"],
        report.horizon.iter().map(|h| {
            vec![
                h.dependency.clone(),
                h.harm.clone(),
                h.survives
                    .map_or("none in sight".into(), |b| interval(b, "seconds")),
                h.headroom.map_or(String::new(), seconds),
                h.source.clone(),
            ]
        }),
    );
    wal(&mut out, report);
    table(
        &mut out,
        "Losses",
        &["series", "lost", "from", "to", "cause"],
        report.losses.iter().map(|l| {
            let cause = l.cause.as_str().to_owned();
            vec![
                l.series.clone(),
                l.lost.to_string(),
                l.from.to_string(),
                l.to.to_string(),
                cause,
            ]
        }),
    );
    rest(&mut out, report);
    out
}

fn head(out: &mut String, report: &Report) {
    let _ = writeln!(out, "# Drill {}: {}\n", text(&report.drill), report.verdict);
    if let Some(label) = &report.label {
        let _ = writeln!(out, "> **{}**\n", text(label));
    }
    let _ = writeln!(out, "{}\n", text(&report.hypothesis));
    let id = &report.identity;
    let lines = [
        ("run", report.run.clone()),
        ("from", report.from.to_string()),
        ("to", report.to.to_string()),
        ("lab", id.lab.clone()),
        ("plan", id.plan_digest.clone()),
        ("seed", id.seed.to_string()),
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

fn objectives(out: &mut String, report: &Report) {
    let Some(slo) = &report.slo else { return };
    table(
        out,
        "Objectives",
        &["objective", "target", "measured", "verdict"],
        slo.objectives.iter().map(|o| {
            vec![
                format!("{}: {}", o.id, o.text),
                figure(o.target, &o.unit),
                maybe_interval(o.measured, &o.unit),
                o.verdict.to_string(),
            ]
        }),
    );
    let _ = writeln!(
        out,
        "Error budget: {} of {} spent, counted over {}.\n",
        interval(slo.spent, "seconds"),
        seconds(slo.budget),
        seconds(slo.budget_period)
    );
}

fn wal(out: &mut String, report: &Report) {
    let maybe = |q: Option<_>| q.map_or("no bound".to_owned(), seconds);
    let told = |loss: Option<bool>| loss.map_or("unknown", |l| if l { "lost" } else { "kept" });
    table(
        out,
        "Metrics buffering",
        &[
            "cluster",
            "guaranteed",
            "expected",
            "disk",
            "receiver",
            "governed by",
            "deadline",
            "foretold",
            "observed",
        ],
        report.wal.iter().map(|w| {
            vec![
                format!("{} ({})", w.cluster, w.version),
                seconds(w.guaranteed),
                seconds(w.expected),
                maybe(w.disk_window),
                maybe(w.receiver_window),
                w.governed_by.clone(),
                w.deadline.map_or(String::new(), |d| d.to_string()),
                told(w.predicted_loss).into(),
                told(w.observed_loss).into(),
            ]
        }),
    );
}

fn rest(out: &mut String, report: &Report) {
    table(
        out,
        "Secrets",
        &[
            "secret",
            "refresh interval",
            "highest age",
            "served",
            "convergence, predicted",
            "measured",
        ],
        report.staleness.iter().map(|s| {
            vec![
                s.secret.clone(),
                seconds(s.refresh_interval),
                interval(s.highest_age, "seconds"),
                s.served.to_string(),
                maybe_interval(s.predicted_convergence, "seconds"),
                maybe_interval(s.measured_convergence, "seconds"),
            ]
        }),
    );
    table(
        out,
        "Probes",
        &["probe", "from", "due", "good", "availability", "outages"],
        report.probes.iter().map(|p| {
            vec![
                format!("{}: {}", p.id, p.target),
                p.vantage.clone(),
                p.due.to_string(),
                p.good.to_string(),
                p.availability.map_or(String::new(), |a| figure(a, "ratio")),
                p.outages
                    .iter()
                    .map(|o| interval(o.length, "seconds"))
                    .collect::<Vec<_>>()
                    .join("; "),
            ]
        }),
    );
    table(
        out,
        "Faults",
        &["fault", "target", "from", "to", "end"],
        report.faults.iter().map(|f| {
            vec![
                f.kind.clone(),
                f.target.clone(),
                f.from.to_string(),
                f.to.to_string(),
                f.end.clone(),
            ]
        }),
    );
    table(
        out,
        "Recovery points",
        &["subject", "time lost", "sentinel"],
        report
            .recovery_points
            .iter()
            .map(|r| vec![r.subject.clone(), interval(r.lost, "seconds"), r.sentinel.clone()]),
    );
    changes(out, report);
    table(
        out,
        "Coverage",
        &["subject", "covered", "how, or why not"],
        report.coverage.iter().map(|c| {
            vec![
                c.subject.clone(),
                if c.covered { "yes" } else { "no" }.into(),
                c.reason.clone(),
            ]
        }),
    );
    table(
        out,
        "Measurements",
        &["id", "value", "bounds", "method"],
        report.measurements.iter().map(|m| {
            let bounds = super::parts::Bounds {
                low: m.low,
                high: m.high,
            };
            vec![
                m.id.clone(),
                figure(m.value, &m.unit),
                interval(bounds, &m.unit),
                m.method.clone(),
            ]
        }),
    );
    table(
        out,
        "Versions",
        &["name", "version", "set"],
        report
            .identity
            .versions
            .iter()
            .map(|v| vec![v.name.clone(), v.version.clone(), v.set.clone()]),
    );
    for note in &report.notes {
        let _ = writeln!(out, "- {}", text(note));
    }
}

/// The comparison alone.
pub(super) fn changes(out: &mut String, report: &Report) {
    let word = |d| match d {
        Direction::Better => "better",
        Direction::Worse => "WORSE",
        Direction::Same => "overlap: nothing can be said",
        Direction::Neutral => "",
    };
    table(
        out,
        "Compared with the earlier run",
        &["figure", "then", "now", "change"],
        report.comparison.iter().map(|c| {
            vec![
                c.id.clone(),
                interval(c.old, &c.unit),
                interval(c.new, &c.unit),
                word(c.change).into(),
            ]
        }),
    );
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
