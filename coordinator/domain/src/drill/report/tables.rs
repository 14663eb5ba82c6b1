//! The tables of a report: what stands in them, for every writer alike. A writer says only how a cell looks.

use super::figure::{figure, interval, maybe_interval, seconds, service_good};
use super::model::Report;
use super::parts::{Bounds, Direction};
use super::verdict::Verdict;

/// What a writer may show in its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// Words or figures, not escaped for anything.
    Text(String),
    /// A verdict.
    Verdict(Verdict),
    /// What can be said of two runs.
    Change(Direction),
}

/// A table without rows is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

/// A table whose rows have as many cells as it has columns.
pub(super) fn table<const N: usize>(
    title: &'static str,
    columns: [&'static str; N],
    rows: impl Iterator<Item = [Cell; N]>,
) -> Table {
    Table {
        title,
        columns: columns.to_vec(),
        rows: rows.map(|row| row.to_vec()).collect(),
    }
}

pub(super) fn recovery(report: &Report) -> Table {
    let columns = [
        "subject",
        "counted from",
        "service good",
        "data complete",
        "vantage points",
    ];
    let row = |r: &super::parts::Recovery| {
        [
            (&r.subject).into(),
            (&r.counted_from).into(),
            service_good(r).into(),
            maybe_interval(r.data_complete, "seconds").into(),
            r.vantages.join(", ").into(),
        ]
    };
    table("Recovery", columns, report.recovery.iter().map(row))
}

pub(super) fn objectives(report: &Report) -> Table {
    let columns = ["objective", "target", "measured", "verdict"];
    let all = report.slo.iter().flat_map(|slo| &slo.objectives);
    let rows = all.map(|o| {
        [
            format!("{}: {}", o.id, o.text).into(),
            figure(o.target, &o.unit).into(),
            maybe_interval(o.measured, &o.unit).into(),
            Cell::Verdict(o.verdict),
        ]
    });
    table("Objectives", columns, rows)
}

/// One sentence under the objectives; None where nothing was judged.
pub(super) fn budget(report: &Report) -> Option<String> {
    let slo = report.slo.as_ref()?;
    let (budget, period) = (seconds(slo.budget), seconds(slo.budget_period));
    Some(match slo.spent {
        Some(spent) => format!(
            "Error budget: {} of {budget} spent, counted over {period}.",
            interval(spent, "seconds")
        ),
        None => format!(
            "Error budget: {budget}, counted over {period}; what this run spent of it was not measured, since no probe stood for users."
        ),
    })
}

pub(super) fn horizon(report: &Report) -> Table {
    let columns = ["dependency", "first harm", "survives", "headroom", "source"];
    let rows = report.horizon.iter().map(|h| {
        let survives = match h.survives {
            Some(bounds) => interval(bounds, "seconds"),
            None if h.not_computed => "not computed".into(),
            None => "none in sight".into(),
        };
        [
            (&h.dependency).into(),
            (&h.harm).into(),
            survives.into(),
            h.headroom.map_or(String::new(), seconds).into(),
            (&h.source).into(),
        ]
    });
    table("Survival horizon", columns, rows)
}

pub(super) fn wal(report: &Report) -> Table {
    let bound = |q: Option<_>| q.map_or("no bound".to_owned(), seconds);
    let told = |loss: Option<bool>| loss.map_or("unknown", |l| if l { "lost" } else { "kept" });
    let columns = [
        "cluster",
        "guaranteed",
        "expected",
        "best",
        "disk",
        "receiver",
        "governed by",
        "deadline",
        "foretold",
        "observed",
    ];
    let rows = report.wal.iter().map(|w| {
        [
            if w.version.is_empty() {
                w.cluster.clone()
            } else {
                format!("{} ({})", w.cluster, w.version)
            }
            .into(),
            seconds(w.promise.guaranteed).into(),
            seconds(w.promise.expected).into(),
            seconds(w.promise.best).into(),
            bound(w.promise.disk_window).into(),
            bound(w.promise.receiver_window).into(),
            (&w.promise.governed_by).into(),
            w.deadline.map_or(String::new(), |d| d.to_string()).into(),
            told(w.predicted_loss).into(),
            told(w.observed_loss).into(),
        ]
    });
    table("Metrics buffering", columns, rows)
}

pub(super) fn foreseen(report: &Report) -> Table {
    let rows = report.wal.iter().flat_map(|w| {
        w.foreseen.iter().map(|f| {
            [
                (&w.cluster).into(),
                (&f.what).into(),
                (&f.foretold).into(),
                (&f.seen).into(),
                Cell::Verdict(f.agree),
            ]
        })
    });
    table(
        "Metrics buffering, foretold and seen",
        ["cluster", "what", "foretold", "seen", "agree"],
        rows,
    )
}

pub(super) fn inputs(report: &Report) -> Table {
    let rows = report.wal.iter().flat_map(|w| {
        w.inputs.iter().map(|i| {
            [
                (&w.cluster).into(),
                i.name.replace('_', " ").into(),
                i.value.to_string().into(),
                (&i.unit).into(),
                (&i.source).into(),
            ]
        })
    });
    table(
        "Metrics buffering, what the forecast was computed from",
        ["cluster", "input", "value", "unit", "source"],
        rows,
    )
}

pub(super) fn losses(report: &Report) -> Table {
    let rows = report.losses.iter().map(|l| {
        [
            (&l.series).into(),
            l.lost.to_string().into(),
            l.from.to_string().into(),
            l.to.to_string().into(),
            l.cause.as_str().replace('_', " ").into(),
        ]
    });
    table("Losses", ["series", "lost", "from", "to", "cause"], rows)
}

pub(super) fn recovery_points(report: &Report) -> Table {
    let rows = report.recovery_points.iter().map(|r| {
        [
            (&r.subject).into(),
            interval(r.lost, "seconds").into(),
            (&r.sentinel).into(),
        ]
    });
    table("Recovery points", ["subject", "time lost", "sentinel"], rows)
}

pub(super) fn secrets(report: &Report) -> Table {
    let columns = [
        "secret",
        "refresh interval",
        "highest age",
        "served",
        "convergence, predicted",
        "measured",
    ];
    let rows = report.staleness.iter().map(|s| {
        [
            (&s.secret).into(),
            seconds(s.refresh_interval).into(),
            interval(s.highest_age, "seconds").into(),
            Cell::Verdict(s.served),
            maybe_interval(s.predicted_convergence, "seconds").into(),
            maybe_interval(s.measured_convergence, "seconds").into(),
        ]
    });
    table("Secrets", columns, rows)
}

pub(super) fn faults(report: &Report) -> Table {
    let rows = report.faults.iter().map(|f| {
        [
            (&f.kind).into(),
            (&f.target).into(),
            f.from.to_string().into(),
            f.to.to_string().into(),
            f.end.replace('_', " ").into(),
        ]
    });
    table("Faults", ["fault", "target", "from", "to", "end"], rows)
}

pub(super) fn changes(report: &Report) -> Table {
    let rows = report.comparison.iter().map(|c| {
        [
            (&c.id).into(),
            maybe_interval(c.old, &c.unit).into(),
            maybe_interval(c.new, &c.unit).into(),
            Cell::Change(c.change),
        ]
    });
    table(
        "Compared with the earlier run",
        ["figure", "then", "now", "change"],
        rows,
    )
}

pub(super) fn probes(report: &Report) -> Table {
    let columns = [
        "probe",
        "target",
        "from",
        "due",
        "good",
        "sent late",
        "availability",
        "outages",
    ];
    let rows = report.probes.iter().map(|p| {
        let outages: Vec<_> = p.outages.iter().map(|o| interval(o.length, "seconds")).collect();
        [
            (&p.id).into(),
            (&p.target).into(),
            (&p.vantage).into(),
            p.due.to_string().into(),
            p.good.to_string().into(),
            p.sent_late.to_string().into(),
            p.availability
                .map_or(String::new(), |a| figure(a, "ratio"))
                .into(),
            outages.join("; ").into(),
        ]
    });
    table("Probes", columns, rows)
}

pub(super) fn coverage(report: &Report) -> Table {
    let rows = report.coverage.iter().map(|c| {
        [
            (&c.subject).into(),
            if c.covered { "yes" } else { "no" }.into(),
            (&c.reason).into(),
        ]
    });
    table("Coverage", ["subject", "covered", "how, or why not"], rows)
}

pub(super) fn measurements(report: &Report) -> Table {
    let rows = report.measurements.iter().map(|m| {
        let bounds = Bounds {
            low: m.low,
            high: m.high,
        };
        [
            (&m.id).into(),
            figure(m.value, &m.unit).into(),
            interval(bounds, &m.unit).into(),
            (&m.method).into(),
        ]
    });
    table("Measurements", ["id", "value", "bounds", "method"], rows)
}

pub(super) fn versions(report: &Report) -> Table {
    let rows = report.identity.versions.iter();
    let rows = rows.map(|v| [(&v.name).into(), (&v.version).into(), (&v.set).into()]);
    table("Versions", ["name", "version", "set"], rows)
}
