//! `report --matrix` and `report --last`: many runs beside each other.

use super::super::Context;
use super::super::args::ReportFormat;
use super::super::drill::{find_run, load_report, spread_table, unreadable};
use super::super::output::{out, outln};
use super::default_format;
use crate::drill::runs;
use crate::exit::{Failure, Outcome};
use domain::drill::report::junit;
use domain::drill::report::matrix::{Matrix, latest};
use domain::drill::report::model::Report;
use domain::drill::report::series::Series;
use model::ids::RunId;

/// The failure-impact matrix; as JUnit the latest run of each drill is a suite.
pub(super) fn matrix(context: &Context, format: Option<ReportFormat>) -> Result<Outcome, Failure> {
    // Also says that there is none.
    find_run(context, None)?;
    let reports: Vec<Report> = all(context)?
        .into_iter()
        .filter_map(|run| usable(context, run))
        .collect();
    match format.unwrap_or(default_format(context)) {
        ReportFormat::Json => outln!(
            "{}",
            serde_json::to_string(&Matrix::of(&reports)).unwrap_or_default()
        ),
        ReportFormat::Md => out!("{}", Matrix::of(&reports).markdown()),
        ReportFormat::Html => out!("{}", Matrix::of(&reports).html()),
        ReportFormat::Junit => out!("{}", junit::all(latest(&reports))),
    }
    Ok(Outcome::Done)
}

/// The spread over the last runs of one drill, up to `run`.
pub(super) fn last(
    context: &Context,
    run: Option<&str>,
    count: u32,
    format: Option<ReportFormat>,
) -> Result<Outcome, Failure> {
    let last = load_report(context, find_run(context, run)?)?;
    let before = all(context)?
        .into_iter()
        .filter(|id| id.to_string() != last.run)
        .filter_map(|id| usable(context, id));
    let mut reports: Vec<Report> = before
        .filter(|report| report.drill == last.drill && report.from <= last.from)
        .chain([last.clone()])
        .collect();
    reports.sort_by_key(|report| report.from);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let reports = reports.split_off(reports.len().saturating_sub(count));
    let series = Series::of(&reports);
    match format {
        None if !context.json => out!("{}", spread_table(&series)),
        None | Some(ReportFormat::Json) => outln!("{}", serde_json::to_string(&series).unwrap_or_default()),
        Some(ReportFormat::Md) => out!("{}", series.markdown()),
        Some(ReportFormat::Html) => out!("{}", series.html()),
        Some(ReportFormat::Junit) => out!("{}", junit::series(&reports)),
    }
    Ok(Outcome::Done)
}

fn all(context: &Context) -> Result<Vec<RunId>, Failure> {
    runs::list(&context.places).map_err(|e| unreadable(&e))
}

/// A run whose report cannot be used must not hide the others; who reads them is told that it is missing.
fn usable(context: &Context, run: RunId) -> Option<Report> {
    match load_report(context, run) {
        Ok(report) => Some(report),
        Err(failure) => {
            eprintln!("left out: run {run}: {}; next: {}", failure.message, failure.next);
            None
        }
    }
}
