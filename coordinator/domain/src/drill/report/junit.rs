//! The report as JUnit XML, for continuous integration: one case per check, one per objective, one for the run as a whole.

use super::expected::Expected;
use super::figure::{figure, maybe_interval};
use super::html::escape::escape;
use super::model::{ContractVerdict, Evidence, Report};
use super::parts::Outcome;
use super::series::Series;
use super::verdict::Verdict;
use crate::drill::measure::span::Span;
use crate::drill::measure::stamp::Stamp;
use std::fmt::Write as _;

/// One case.
struct Case<'a> {
    class: String,
    name: &'a str,
    verdict: Verdict,
    text: String,
}

/// The cases of one suite.
struct Suite<'a> {
    name: String,
    /// When it began; a suite that is no run has no time of its own.
    from: Option<Stamp>,
    time: Span,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case<'a>>,
}

/// A violation is a failure, doubt is an error, what is not covered is skipped with its reason. Of a drill that is meant to show a
/// violation that violation is no failure, and its absence is one.
pub fn render(report: &Report) -> String {
    document(&[run(report)])
}

/// A suite per run.
pub fn all<'a>(reports: impl IntoIterator<Item = &'a Report>) -> String {
    document(&reports.into_iter().map(run).collect::<Vec<_>>())
}

/// Runs of one drill: a suite per run, and one with the spread of every figure, which fails nobody.
pub fn series<'a>(reports: &'a [Report]) -> String {
    let of_all = Series::of(reports);
    let cases = of_all.figures.iter().map(|spread| Case {
        class: "spread".to_owned(),
        name: &spread.id,
        verdict: Verdict::Pass,
        text: format!(
            "lowest {}, median {}, highest {}, in {} of {} runs",
            figure(spread.least, &spread.unit),
            figure(spread.median, &spread.unit),
            figure(spread.most, &spread.unit),
            spread.runs,
            of_all.runs.len()
        ),
    });
    let spread = Suite {
        name: of_all.drill.clone(),
        from: None,
        time: Span::ZERO,
        properties: Vec::new(),
        cases: cases.collect(),
    };
    // Who keeps the history of a case knows it by its name, which must not be that of another run's.
    let numbered = |(nth, report): (usize, &'a Report)| Suite {
        name: format!("{}.run{}", report.drill, nth + 1),
        ..run(report)
    };
    let runs = reports.iter().enumerate().map(numbered);
    let suites: Vec<Suite<'_>> = runs.chain([spread]).collect();
    document(&suites)
}

fn document(suites: &[Suite<'_>]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let cases: Vec<&Case<'_>> = suites.iter().flat_map(|s| &s.cases).collect();
    let time = suites.iter().fold(Span::ZERO, |sum, suite| sum.plus(suite.time));
    let _ = writeln!(out, "<testsuites name=\"drillyard\" {}>", totals(&cases, time));
    suites.iter().for_each(|one| suite(&mut out, one));
    out.push_str("</testsuites>\n");
    out
}

fn totals(cases: &[&Case<'_>], time: Span) -> String {
    let count = |verdict| cases.iter().filter(|c| c.verdict == verdict).count();
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
        cases.len(),
        count(Verdict::Fail),
        count(Verdict::Inconclusive),
        count(Verdict::NotCovered),
        time.seconds()
    )
}

fn suite(out: &mut String, suite: &Suite<'_>) {
    let name = escape(&suite.name);
    let totals = totals(&suite.cases.iter().collect::<Vec<_>>(), suite.time);
    let _ = write!(out, "  <testsuite name=\"{name}\" {totals}");
    let _ = match suite.from {
        Some(from) => writeln!(out, " timestamp=\"{from}\">"),
        None => writeln!(out, ">"),
    };
    if !suite.properties.is_empty() {
        let _ = writeln!(out, "    <properties>");
        for (name, value) in &suite.properties {
            let value = escape(value);
            let _ = writeln!(out, "      <property name=\"{name}\" value=\"{value}\"/>");
        }
        let _ = writeln!(out, "    </properties>");
    }
    for case in &suite.cases {
        let text = escape(&case.text);
        let _ = write!(
            out,
            "    <testcase classname=\"{name}.{}\" name=\"{}\"",
            escape(&case.class),
            escape(case.name)
        );
        let _ = match case.verdict {
            Verdict::Pass => writeln!(out, "><system-out>{text}</system-out></testcase>"),
            Verdict::Fail => writeln!(out, "><failure message=\"{text}\"/></testcase>"),
            Verdict::Inconclusive => writeln!(out, "><error message=\"{text}\"/></testcase>"),
            Verdict::NotCovered => writeln!(out, "><skipped message=\"{text}\"/></testcase>"),
        };
    }
    let _ = writeln!(out, "  </testsuite>");
}

fn run(report: &Report) -> Suite<'_> {
    let properties = [
        ("run", report.run.clone()),
        ("verdict", report.verdict.to_string()),
        ("scale", report.identity.scale.to_string()),
        ("plan_digest", report.identity.plan_digest.clone()),
        ("label", report.label.clone().unwrap_or_default()),
    ];
    Suite {
        name: report.drill.clone(),
        from: Some(report.from),
        time: Span::between(report.from.0, report.to.0),
        properties: properties.into_iter().filter(|(_, v)| !v.is_empty()).collect(),
        cases: cases(report),
    }
}

fn cases(report: &Report) -> Vec<Case<'_>> {
    let contracts = report
        .contracts
        .iter()
        .flat_map(|contract| of_contract(report, contract));
    let objectives = report.slo.iter().flat_map(|slo| &slo.objectives);
    let objectives = objectives.map(|objective| {
        let (target, measured) = (
            figure(objective.target, &objective.unit),
            maybe_interval(objective.measured, &objective.unit),
        );
        let worth = |e: &Expected| e.of_objective(&objective.id, objective.verdict);
        Case {
            class: "objectives".to_owned(),
            name: &objective.id,
            verdict: report.expected.as_ref().map_or(objective.verdict, worth),
            text: format!("{}: target {target}, measured {measured}", objective.text),
        }
    });
    contracts
        .chain(objectives)
        .chain(std::iter::once(whole(report)))
        .collect()
}

/// A case per check. A contract that is meant to be violated has one more, which says whether it is; then the checks that do not
/// convict it need not.
fn of_contract<'a>(report: &Report, contract: &'a ContractVerdict) -> Vec<Case<'a>> {
    let meant = report.expected.as_ref().filter(|e| e.wants(&contract.id));
    let shown = meant.is_some() && contract.verdict == Verdict::Fail;
    let check = |evidence: &'a Evidence| Case {
        class: contract.id.clone(),
        name: &evidence.check,
        verdict: match evidence.verdict {
            Verdict::Fail if shown => Verdict::Pass,
            Verdict::Inconclusive if shown => Verdict::NotCovered,
            verdict => verdict,
        },
        text: match evidence.verdict {
            Verdict::Fail if shown => format!("a violation, as meant: {}", evidence.text),
            _ => evidence.text.clone(),
        },
    };
    let own = meant.map(|expected| Case {
        class: contract.id.clone(),
        name: "meant_to_be_violated",
        verdict: expected.of_contract(&contract.id, contract.verdict),
        text: format!("{} is to be violated, and is {}", contract.id, contract.verdict),
    });
    contract.evidence.iter().map(check).chain(own).collect()
}

/// The run's verdict. What never came back, was not restored or is not undone belongs to no check, and fails a run all the same.
fn whole(report: &Report) -> Case<'_> {
    let reasons = reasons(report).join("; ");
    let verdict = match reasons.as_str() {
        "" => report.verdict.to_string(),
        reasons => format!("{}: {reasons}", report.verdict),
    };
    let meant = report.expected.iter().map(Expected::text);
    let sentences = std::iter::once(format!("{verdict}."))
        .chain(meant)
        .chain(report.notes.iter().cloned());
    Case {
        class: "run".to_owned(),
        name: "verdict",
        verdict: report.outcome(),
        text: sentences.collect::<Vec<_>>().join(" "),
    }
}

/// What made the verdict, and what the run itself says beside its checks; the notes tell the rest.
fn reasons(report: &Report) -> Vec<String> {
    let contracts = report.contracts.iter().filter(|c| c.verdict == report.verdict);
    let objectives = report.slo.iter().flat_map(|slo| &slo.objectives);
    let deciding = objectives.filter(|o| o.verdict == report.verdict && o.decides());
    let away = report
        .recovery
        .iter()
        .filter(|r| r.counted_from == "fault" && r.outcome == Outcome::NotRecovered);
    let in_force = report.faults.iter().filter(|f| f.end == "still_in_force");
    contracts
        .map(|c| c.id.clone())
        .chain(deciding.map(|o| format!("objective {}", o.id)))
        .chain(away.map(|r| format!("{} was not seen good again", r.subject)))
        .chain(in_force.map(|f| format!("{} of {} is not undone", f.kind, f.target)))
        .collect()
}
