//! Reports that exist: found, shown in short, and made anew from their history.

use super::super::Context;
use super::super::output::{out, outln};
use crate::daemon_record::DaemonRecord;
use crate::drill::runs::{self, ReportError};
use crate::exit::{Failure, Outcome, chain};
use domain::drill::assemble::{Facts, assemble};
use domain::drill::history::History;
use domain::drill::record::Record;
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

/// The folder of the runs cannot be read.
pub(crate) fn unreadable(error: &std::io::Error) -> Failure {
    Failure::from_error(Outcome::Internal, "DY-0152", error, "coordinator drill list")
}

/// The drill run that `text` begins; without it the latest.
pub(crate) fn find_run(context: &Context, text: Option<&str>) -> Result<RunId, Failure> {
    let all = runs::list(&context.places).map_err(|e| unreadable(&e))?;
    let Some(text) = text else {
        let latest = all.last().copied();
        return latest.ok_or_else(|| no_run("no drill was run in this lab yet".into()));
    };
    begun_by(&all, text)?.ok_or_else(|| {
        no_run(match all.as_slice() {
            [] => format!("there is no drill run {text:?}: no drill was run in this lab yet"),
            some => format!("there is no drill run {text:?}; the latest are {}", latest(some)),
        })
    })
}

/// The drill run that `text` begins, if it begins one.
pub(crate) fn named(context: &Context, text: &str) -> Result<Option<RunId>, Failure> {
    let all = runs::list(&context.places).map_err(|e| unreadable(&e))?;
    begun_by(&all, text)
}

fn begun_by(all: &[RunId], text: &str) -> Result<Option<RunId>, Failure> {
    let fits = |run: &&RunId| run.to_string().starts_with(text);
    let fits: Vec<RunId> = all.iter().filter(fits).copied().collect();
    match fits.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(no_run(format!(
            "{text:?} begins {} runs, the latest {}: give more digits",
            several.len(),
            latest(several)
        ))),
    }
}

fn no_run(message: String) -> Failure {
    Failure::new(Outcome::Usage, "DY-0151", message, "coordinator drill NAME")
}

/// The last few of them, the latest first.
fn latest(runs: &[RunId]) -> String {
    let shown = runs.iter().rev().take(5).map(ToString::to_string);
    shown.collect::<Vec<_>>().join(", ")
}

/// The report that a run ended with.
pub(crate) fn load_report(context: &Context, run: RunId) -> Result<Report, Failure> {
    runs::report(&context.places, run).map_err(|error| unusable(&error, run))
}

fn unusable(error: &ReportError, run: RunId) -> Failure {
    let next = if error.is_newer() {
        "use the coordinator that wrote it, or a newer one".to_owned()
    } else {
        format!("coordinator drill recheck {run}")
    };
    Failure::from_error(Outcome::Internal, "DY-0153", error, next)
}

/// `drill recheck`: the history is judged by the checks of this release. The report on disk is replaced when that is asked for, and
/// when there is none that can be read.
pub(super) fn recheck(context: &Context, text: Option<&str>, write: bool) -> Result<Outcome, Failure> {
    let run = find_run(context, text)?;
    let history = runs::history(&context.places, run).map_err(|e| {
        Failure::from_error(
            Outcome::Internal,
            "DY-0152",
            &e,
            format!("coordinator drill recheck {run}"),
        )
    })?;
    let kept = runs::report(&context.places, run);
    let facts = kept.as_ref().map_or_else(
        |_| Facts::default(),
        |report| Facts {
            host_fingerprint: report.identity.host_fingerprint.clone(),
            versions: report.identity.versions.clone(),
        },
    );
    let end = history.lines.last().map(|line| line.time).unwrap_or_default();
    let report = assemble(&history, &facts, end).ok_or_else(|| {
        let message = format!("the history of run {run} does not say what was planned");
        Failure::new(Outcome::Internal, "DY-0152", message, "coordinator drill list")
    })?;
    match kept {
        Err(error) if write && error.is_newer() => return Err(unusable(&error, run)),
        Err(error) if !error.is_newer() => renew(context, run, &history, &report)?,
        Ok(_) if write => renew(context, run, &history, &report)?,
        _ => {}
    }
    if context.json {
        outln!("{}", serde_json::to_string(&report).unwrap_or_default());
    } else {
        out!("{}", summary(&report));
    }
    Ok(outcome(report.outcome()))
}

/// Writes the report, unless the run may still be under way: then its own is yet to come.
fn renew(context: &Context, run: RunId, history: &History, report: &Report) -> Result<(), Failure> {
    let over = history
        .records()
        .any(|(_, record)| matches!(record, Record::Finished { .. }));
    let path = runs::report_path(&context.places, run);
    if !over && DaemonRecord::alive(&context.places).is_some() {
        eprintln!("the run is not over: {} is written when it ends", path.display());
        return Ok(());
    }
    runs::write_report(&context.places, run, report).map_err(|error| {
        let message = format!("{} cannot be written: {}", path.display(), chain(&error));
        let next = format!("make room, then: coordinator drill recheck {run} --write");
        Failure::new(Outcome::Internal, "DY-0153", message, next)
    })?;
    eprintln!("written: {}", path.display());
    Ok(())
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

/// The command that shows all of it.
pub(super) fn next(report: &Report) -> String {
    format!(
        "next: coordinator report {} --format html > {}.html",
        report.run, report.drill
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::drill::history::{Line, What};
    use domain::drill::plan::{Present, drill_plan};
    use domain::drill::report::model::FORMAT;
    use domain::drill::scenario::Scenario;
    use model::moment::Moment;
    use serde_json::Value;
    use std::path::Path;

    const RUN: RunId = RunId([7; 16]);

    fn context(home: &tempfile::TempDir) -> Context {
        Context {
            json: true,
            ..Context::at(home.path())
        }
    }

    /// A run that began, and ended if it is `over`.
    fn record(context: &Context, over: bool) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../values/drills/worker-loss.yaml");
        let text = std::fs::read_to_string(shipped).expect("shipped");
        let scenario = Scenario::from_yaml("f", "worker-loss", &text).expect("valid");
        let plan = drill_plan(&scenario, &context.lab, &[], &Present::default()).expect("fits");
        let started = Record::Started {
            run: RUN,
            plan: Box::new(plan),
        };
        let finished = Record::Finished {
            verdict: Verdict::Inconclusive,
            outstanding: Vec::new(),
        };
        let records = [started].into_iter().chain(over.then_some(finished));
        let line = |record| {
            Line {
                time: Moment(1_000_000),
                what: What::Record(record),
            }
            .to_json()
        };
        let text: Vec<u8> = records.flat_map(line).collect();
        std::fs::create_dir_all(runs::folder(&context.places, RUN)).expect("folder");
        std::fs::write(runs::history_path(&context.places, RUN), text).expect("history");
    }

    fn put(context: &Context, text: &str) {
        std::fs::write(runs::report_path(&context.places, RUN), text).expect("written");
    }

    fn there(context: &Context) -> Option<String> {
        std::fs::read_to_string(runs::report_path(&context.places, RUN)).ok()
    }

    fn again(context: &Context, write: bool) {
        recheck(context, None, write).expect("judged");
    }

    #[test]
    fn a_recheck_writes_what_cannot_be_read_and_the_rest_only_when_asked() {
        let home = tempfile::tempdir().expect("folder");
        let context = context(&home);
        record(&context, true);
        again(&context, false);
        let report = load_report(&context, RUN).expect("written where there was none");
        assert_eq!(report.drill, "worker-loss");

        put(&context, "{\"drill\": ");
        let failure = load_report(&context, RUN).expect_err("damaged");
        assert_eq!(failure.next, format!("coordinator drill recheck {RUN}"));
        again(&context, false);
        let whole = there(&context).expect("there");
        assert_eq!(load_report(&context, RUN).expect("whole again"), report);

        let mut kept: Value = serde_json::from_str(&whole).expect("JSON");
        kept["notes"] = serde_json::json!(["mine"]);
        kept["identity"]["host_fingerprint"] = "abc".into();
        put(&context, &kept.to_string());
        again(&context, false);
        assert_eq!(there(&context), Some(kept.to_string()));
        again(&context, true);
        let anew = load_report(&context, RUN).expect("replaced");
        assert!(!anew.notes.contains(&"mine".to_owned()));
        assert_eq!(
            anew.identity.host_fingerprint, "abc",
            "what the history does not have is kept"
        );
    }

    #[test]
    fn the_next_command_names_a_run_that_is_found() {
        let home = tempfile::tempdir().expect("folder");
        let context = context(&home);
        record(&context, true);
        again(&context, false);
        let report = load_report(&context, RUN).expect("judged");
        let next = next(&report);
        let id = next
            .strip_prefix("next: coordinator report ")
            .and_then(|rest| rest.strip_suffix(" --format html > worker-loss.html"));
        assert_eq!(named(&context, id.expect("an id")).expect("listed"), Some(RUN));
        assert_eq!(named(&context, "0707").expect("listed"), Some(RUN));
        assert_eq!(named(&context, "08").expect("listed"), None);
        let failure = find_run(&context, Some("08")).expect_err("none");
        assert!(failure.message.contains(&RUN.to_string()), "{}", failure.message);
    }

    #[test]
    fn a_report_of_a_later_program_is_never_replaced() {
        let home = tempfile::tempdir().expect("folder");
        let context = context(&home);
        record(&context, true);
        let newer = format!("{{\"format\": {}, \"other\": true}}", FORMAT + 1);
        put(&context, &newer);
        again(&context, false);
        let failure = recheck(&context, None, true).expect_err("refused");
        assert_eq!(failure.code, "DY-0153");
        assert!(failure.next.contains("newer"), "{}", failure.next);
        assert_eq!(there(&context), Some(newer));
    }

    #[test]
    fn no_report_is_written_for_a_run_that_a_daemon_still_carries_out() {
        let home = tempfile::tempdir().expect("folder");
        let context = context(&home);
        record(&context, false);
        DaemonRecord::write(&context.places).expect("this process serves");
        again(&context, true);
        assert_eq!(there(&context), None);
        std::fs::remove_file(context.places.daemon_record()).expect("it is gone");
        again(&context, false);
        assert!(load_report(&context, RUN).is_ok());
    }
}
