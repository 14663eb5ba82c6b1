//! Reports that exist: found, shown in short, and made anew from their history.

use super::super::Context;
use super::super::output::{out, outln};
use crate::drill::runs;
use crate::exit::{Failure, Outcome};
use domain::drill::assemble::{Facts, assemble};
use domain::drill::report::model::Report;
use domain::drill::report::verdict::Verdict;
use model::ids::RunId;
use std::fmt::Write as _;

/// The exit code of what a run comes to ([`Report::outcome`]).
pub(crate) fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Pass => Outcome::Done,
        Verdict::Fail => Outcome::ContractViolated,
        Verdict::Inconclusive | Verdict::NotCovered => Outcome::Inconclusive,
    }
}

/// The drill run that `text` begins; without it the latest.
pub(crate) fn find_run(context: &Context, text: Option<&str>) -> Result<RunId, Failure> {
    let all = runs::list(&context.places)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0152", &e, "coordinator drill list"))?;
    let none = |message: String| Failure::new(Outcome::Usage, "DY-0151", message, "coordinator drill NAME");
    let Some(text) = text else {
        return all
            .last()
            .copied()
            .ok_or_else(|| none("no drill was run in this lab yet".into()));
    };
    let fits = |run: &&RunId| run.to_string().starts_with(text);
    let fits: Vec<RunId> = all.iter().filter(fits).copied().collect();
    match (fits.as_slice(), all.is_empty()) {
        ([one], _) => Ok(*one),
        ([], true) => Err(none(format!(
            "there is no drill run {text:?}: no drill was run in this lab yet"
        ))),
        ([], false) => Err(none(format!(
            "there is no drill run {text:?}; the latest are {}",
            latest(&all)
        ))),
        (several, _) => Err(none(format!(
            "{text:?} begins {} runs, the latest {}: give more digits",
            several.len(),
            latest(several)
        ))),
    }
}

/// The last few of them, the latest first.
fn latest(runs: &[RunId]) -> String {
    let shown = runs.iter().rev().take(5).map(ToString::to_string);
    shown.collect::<Vec<_>>().join(", ")
}

/// The report that a run ended with.
pub(crate) fn load_report(context: &Context, run: RunId) -> Result<Report, Failure> {
    let path = runs::report_path(&context.places, run);
    let broken = |e: &(dyn std::error::Error + 'static)| {
        Failure::from_error(
            Outcome::Internal,
            "DY-0153",
            e,
            format!("coordinator drill recheck {run}"),
        )
    };
    let bytes = std::fs::read(&path).map_err(|e| broken(&e))?;
    serde_json::from_slice(&bytes).map_err(|e| broken(&e))
}

/// `drill recheck`: the history is judged by the checks of this release; the report on disk stays as it is.
pub(super) fn recheck(context: &Context, text: Option<&str>) -> Result<Outcome, Failure> {
    let run = find_run(context, text)?;
    let history = runs::history(&context.places, run)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0152", &e, "coordinator drill recheck"))?;
    let facts = load_report(context, run).map_or_else(
        |_| Facts::default(),
        |report| Facts {
            host_fingerprint: report.identity.host_fingerprint,
            versions: report.identity.versions,
        },
    );
    let end = history.lines.last().map(|line| line.time).unwrap_or_default();
    let report = assemble(&history, &facts, end).ok_or_else(|| {
        let message = format!("the history of run {run} does not say what was planned");
        Failure::new(Outcome::Internal, "DY-0152", message, "coordinator drill list")
    })?;
    if context.json {
        outln!("{}", serde_json::to_string(&report).unwrap_or_default());
    } else {
        out!("{}", summary(&report));
    }
    Ok(outcome(report.verdict))
}

/// A report in some lines.
pub(super) fn summary(report: &Report) -> String {
    let mut text = format!("\ndrill {}  run {}\n", report.drill, report.run);
    if let Some(label) = &report.label {
        let _ = writeln!(text, "{label}");
    }
    for contract in &report.contracts {
        let _ = writeln!(
            text,
            "\n{}  {:<13} {}",
            contract.id,
            contract.verdict.as_str(),
            contract.promise
        );
        for evidence in &contract.evidence {
            let _ = writeln!(text, "    {:<13} {}", evidence.verdict.as_str(), evidence.text);
        }
    }
    let _ = writeln!(text);
    for figure in &report.measurements {
        let _ = writeln!(
            text,
            "{:<44} {} .. {} {}",
            figure.id, figure.low, figure.high, figure.unit
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "\n{note}");
    }
    let _ = writeln!(text, "\nverdict {}", report.verdict.as_str());
    if let Some(expected) = &report.expected {
        let _ = writeln!(text, "{}", expected.text());
    }
    text
}
