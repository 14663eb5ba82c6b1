//! The report as JUnit XML, for continuous integration: one case per check, one per objective, one for the run as a whole.

use super::figure::{figure, maybe_interval};
use super::html::escape::escape;
use super::model::Report;
use super::parts::Outcome;
use super::verdict::Verdict;
use std::fmt::Write as _;

/// One case.
struct Case<'a> {
    class: String,
    name: &'a str,
    verdict: Verdict,
    text: String,
}

/// A violation is a failure, doubt is an error, what is not covered is skipped with its reason.
pub fn render(report: &Report) -> String {
    let cases = cases(report);
    let count = |verdict| cases.iter().filter(|c| c.verdict == verdict).count();
    let time = crate::drill::measure::span::Span::between(report.from.0, report.to.0).seconds();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let totals = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{time}\"",
        cases.len(),
        count(Verdict::Fail),
        count(Verdict::Inconclusive),
        count(Verdict::NotCovered),
    );
    let name = escape(&report.drill);
    let _ = writeln!(out, "<testsuites name=\"drillyard\" {totals}>");
    let _ = writeln!(
        out,
        "  <testsuite name=\"{name}\" {totals} timestamp=\"{}\">",
        report.from
    );
    let _ = writeln!(out, "    <properties>");
    let properties = [
        ("run", report.run.clone()),
        ("verdict", report.verdict.to_string()),
        ("scale", report.identity.scale.to_string()),
        ("plan_digest", report.identity.plan_digest.clone()),
        ("label", report.label.clone().unwrap_or_default()),
    ];
    for (name, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(
            out,
            "      <property name=\"{name}\" value=\"{}\"/>",
            escape(value)
        );
    }
    let _ = writeln!(out, "    </properties>");
    for case in &cases {
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
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn cases(report: &Report) -> Vec<Case<'_>> {
    let contracts = report.contracts.iter().flat_map(|contract| {
        contract.evidence.iter().map(move |evidence| Case {
            class: contract.id.clone(),
            name: &evidence.check,
            verdict: evidence.verdict,
            text: evidence.text.clone(),
        })
    });
    let objectives = report
        .slo
        .iter()
        .flat_map(|slo| &slo.objectives)
        .map(|objective| Case {
            class: "objectives".to_owned(),
            name: &objective.id,
            verdict: objective.verdict,
            text: format!(
                "{}: target {}, measured {}",
                objective.text,
                figure(objective.target, &objective.unit),
                maybe_interval(objective.measured, &objective.unit)
            ),
        });
    contracts
        .chain(objectives)
        .chain(std::iter::once(whole(report)))
        .collect()
}

/// The run's verdict. What never came back, was not restored or is not undone belongs to no check, and fails a run all the same.
fn whole(report: &Report) -> Case<'_> {
    let reasons = reasons(report).join("; ");
    let verdict = match reasons.as_str() {
        "" => report.verdict.to_string(),
        reasons => format!("{}: {reasons}", report.verdict),
    };
    let sentences = std::iter::once(format!("{verdict}.")).chain(report.notes.iter().cloned());
    Case {
        class: "run".to_owned(),
        name: "verdict",
        verdict: report.verdict,
        text: sentences.collect::<Vec<_>>().join(" "),
    }
}

/// What made the verdict, and what the run itself says beside its checks; the notes tell the rest.
fn reasons(report: &Report) -> Vec<String> {
    let contracts = report.contracts.iter().filter(|c| c.verdict == report.verdict);
    let objectives = report.slo.iter().flat_map(|slo| &slo.objectives);
    // What a run spends of the period's budget decides nothing.
    let deciding = objectives.filter(|o| o.verdict == report.verdict && o.id != "slo");
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
