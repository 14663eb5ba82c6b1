//! The report as one HTML file: nothing is fetched, no script runs, every text is escaped.

pub mod escape;
mod plot;

use super::figure::{figure, interval, maybe_interval, seconds, service_good};
use super::model::Report;
use super::parts::Direction;
use super::verdict::Verdict;
use escape::escape;
use std::fmt::Write as _;

/// Light, dark and print.
const STYLE: &str = include_str!("style.css");

/// Renders everything.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    contracts(&mut out, report);
    out.push_str("<h2>What happened</h2>\n");
    out.push_str(&plot::timeline(report));
    recovery(&mut out, report);
    wal(&mut out, report);
    losses(&mut out, report);
    secrets(&mut out, report);
    comparison(&mut out, report);
    rest(&mut out, report);
    out.push_str("</main></body></html>\n");
    out
}

fn head(out: &mut String, report: &Report) {
    let title = escape(&format!("Drill {}: {}", report.drill, report.verdict));
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main>\n"
    );
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
    let id = &report.identity;
    let scale = format!("{}", id.scale);
    let facts = format!(
        "run {} · {} to {} · lab {} · seed {} · {scale} · plan {} · host {}",
        report.run, report.from, report.to, id.lab, id.seed, id.plan_digest, id.host_fingerprint
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

fn recovery(out: &mut String, report: &Report) {
    table(
        out,
        "Recovery",
        &[
            "subject",
            "counted from",
            "service good",
            "data complete",
            "vantage points",
        ],
        report.recovery.iter().map(|r| {
            let good = service_good(r);
            let data = maybe_interval(r.data_complete, "seconds");
            vec![
                escape(&r.subject),
                escape(&r.counted_from),
                good,
                data,
                escape(&r.vantages.join(", ")),
            ]
        }),
    );
    let Some(slo) = &report.slo else { return };
    table(
        out,
        "Objectives",
        &["objective", "target", "measured", "verdict"],
        slo.objectives.iter().map(|o| {
            vec![
                escape(&format!("{}: {}", o.id, o.text)),
                escape(&figure(o.target, &o.unit)),
                escape(&maybe_interval(o.measured, &o.unit)),
                badge(o.verdict, ""),
            ]
        }),
    );
    let _ = writeln!(
        out,
        "<p class=\"soft\">Error budget: {} of {} spent, counted over {}.</p>",
        interval(slo.spent, "seconds"),
        seconds(slo.budget),
        seconds(slo.budget_period)
    );
}

fn wal(out: &mut String, report: &Report) {
    table(
        out,
        "Survival horizon",
        &["dependency", "first harm", "survives", "headroom", "source"],
        report.horizon.iter().map(|h| {
            vec![
                escape(&h.dependency),
                escape(&h.harm),
                h.survives
                    .map_or("none in sight".into(), |b| interval(b, "seconds")),
                h.headroom.map_or(String::new(), seconds),
                escape(&h.source),
            ]
        }),
    );
    let told = |loss: Option<bool>| {
        loss.map_or("unknown", |l| if l { "lost" } else { "kept" })
            .to_owned()
    };
    table(
        out,
        "Metrics buffering",
        &[
            "cluster",
            "guaranteed",
            "expected",
            "best",
            "disk",
            "receiver",
            "governed by",
            "foretold",
            "observed",
        ],
        report.wal.iter().map(|w| {
            let bound = |q: Option<_>| q.map_or("no bound".to_owned(), seconds);
            vec![
                escape(&format!("{} ({})", w.cluster, w.version)),
                seconds(w.guaranteed),
                seconds(w.expected),
                seconds(w.best),
                bound(w.disk_window),
                bound(w.receiver_window),
                escape(&w.governed_by),
                told(w.predicted_loss),
                told(w.observed_loss),
            ]
        }),
    );
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

fn losses(out: &mut String, report: &Report) {
    table(
        out,
        "Losses",
        &["series", "lost", "from", "to", "cause"],
        report.losses.iter().map(|l| {
            vec![
                escape(&l.series),
                l.lost.to_string(),
                l.from.to_string(),
                l.to.to_string(),
                l.cause.as_str().replace('_', " "),
            ]
        }),
    );
    table(
        out,
        "Recovery points",
        &["subject", "time lost", "sentinel"],
        report.recovery_points.iter().map(|r| {
            vec![
                escape(&r.subject),
                interval(r.lost, "seconds"),
                escape(&r.sentinel),
            ]
        }),
    );
}

fn secrets(out: &mut String, report: &Report) {
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
                escape(&s.secret),
                seconds(s.refresh_interval),
                interval(s.highest_age, "seconds"),
                badge(s.served, ""),
                maybe_interval(s.predicted_convergence, "seconds"),
                maybe_interval(s.measured_convergence, "seconds"),
            ]
        }),
    );
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

fn comparison(out: &mut String, report: &Report) {
    table(
        out,
        "Compared with the earlier run",
        &["figure", "then", "now", "change"],
        report.comparison.iter().map(|c| {
            let change = match c.change {
                Direction::Better => "<span class=\"v pass\">better</span>",
                Direction::Worse => "<span class=\"v fail\">worse</span>",
                Direction::Same => "overlap: nothing can be said",
                Direction::Neutral => "",
            };
            vec![
                escape(&c.id),
                escape(&interval(c.old, &c.unit)),
                escape(&interval(c.new, &c.unit)),
                change.to_owned(),
            ]
        }),
    );
}

fn rest(out: &mut String, report: &Report) {
    table(
        out,
        "Probes",
        &[
            "probe",
            "target",
            "from",
            "due",
            "good",
            "sent late",
            "availability",
            "outages",
        ],
        report.probes.iter().map(|p| {
            let outages: Vec<_> = p.outages.iter().map(|o| interval(o.length, "seconds")).collect();
            vec![
                escape(&p.id),
                escape(&p.target),
                escape(&p.vantage),
                p.due.to_string(),
                p.good.to_string(),
                p.sent_late.to_string(),
                p.availability.map_or(String::new(), |a| figure(a, "ratio")),
                outages.join("; "),
            ]
        }),
    );
    table(
        out,
        "Coverage",
        &["subject", "covered", "how, or why not"],
        report.coverage.iter().map(|c| {
            vec![
                escape(&c.subject),
                if c.covered { "yes" } else { "no" }.to_owned(),
                escape(&c.reason),
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
                escape(&m.id),
                escape(&figure(m.value, &m.unit)),
                escape(&interval(bounds, &m.unit)),
                escape(&m.method),
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
            .map(|v| vec![escape(&v.name), escape(&v.version), escape(&v.set)]),
    );
    for note in &report.notes {
        let _ = writeln!(out, "<p class=\"soft\">{}</p>", escape(note));
    }
}

/// A heading and a table, nothing without rows. Cells are markup already: their makers escape.
fn table(out: &mut String, title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(
        out,
        "<h2>{title}</h2><div class=\"wide\"><table><thead><tr><th>{}</th></tr></thead><tbody>",
        columns.join("</th><th>")
    );
    for row in rows {
        let _ = writeln!(out, "<tr><td>{}</td></tr>", row.join("</td><td>"));
    }
    out.push_str("</tbody></table></div>\n");
}
