//! Every rendering, held against the sample.

use super::super::expected::Expected;
use super::super::matrix::Matrix;
use super::super::series::Series;
use super::super::{compare, html, json, junit, markdown};
use super::*;

#[test]
fn json_reads_back_and_a_later_format_is_refused() {
    let report = report();
    assert_eq!(json::read(&json::render(&report)).expect("reads back"), report);
    let mut later = report;
    later.format = FORMAT + 1;
    assert!(
        matches!(json::read(&json::render(&later)), Err(json::ReadError::Newer { found }) if found == FORMAT + 1)
    );
    let other_shape = json::read("{\"format\": 99, \"verdicts\": []}");
    assert!(matches!(other_shape, Err(json::ReadError::Newer { found: 99 })));
    assert!(matches!(json::read("{}"), Err(json::ReadError::Shape(_))));
}

#[test]
fn the_page_is_whole_fetches_nothing_and_escapes_everything() {
    let mut report = report();
    report.comparison = compare::compare(&report, &report).changes;
    let page = html::render(&report);
    for forbidden in [
        "<script", "http://", "https://", "src=", "url(", "@import", "<link",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("TEST DATA"));
    for open in ["svg", "table", "section", "figure", "main", "ul"] {
        let count = |text: &str| page.matches(text).count();
        assert_eq!(count(&format!("<{open}")), count(&format!("</{open}>")), "{open}");
    }
    assert_eq!(page.matches("<figure").count(), 6);
    // For looking at it in a browser.
    if let Some(path) = std::env::var_os("DRILLYARD_SAMPLE_PAGE") {
        std::fs::write(path, page).expect("a page");
    }
}

#[test]
fn markdown_names_what_matters_and_stays_a_table() {
    let text = markdown::render(&report());
    assert!(text.starts_with("# Drill mgmt-down: fail\n\n> **TEST DATA"));
    for line in [
        "| mgmt | fault | 96 s to 96.1 s | not measured | host, app1 |",
        "| app1 logs | a file is turned over before it was read, and its lines are lost | not computed |",
        "| app1/canary{shard=\"0\"} | 41 | 2026-11-25T04:01:38.000000Z | 2026-11-25T04:02:18.000000Z | cliff |",
        "| fault clock_skew | no | nodes share the host's clock; a skewed one would be everybody's |",
        "| app1 | 1080 | 0 | 240 to 248 | 246 | pass | both lack as many, to 90 samples |",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("<script"));
}

#[test]
fn junit_counts_each_verdict() {
    let xml = junit::render(&report());
    assert!(
        xml.contains("tests=\"9\" failures=\"2\" errors=\"1\" skipped=\"3\" time=\"240\""),
        "{xml}"
    );
    assert!(xml.contains("<failure message=\"41 samples per shard are gone &lt;script&gt;"));
    assert_eq!(
        xml.matches("<testcase").count(),
        xml.matches("</testcase>").count()
    );
}

#[test]
fn junit_is_as_bad_as_the_run() {
    let mut report = report();
    for contract in &mut report.contracts {
        contract.verdict = Verdict::Pass;
        contract
            .evidence
            .iter_mut()
            .for_each(|e| e.verdict = Verdict::Pass);
    }
    report.recovery[0].outcome = Outcome::NotRecovered;
    report.faults[0].end = "still_in_force".into();
    let case = "<testcase classname=\"mgmt-down.run\" name=\"verdict\">";
    let reasons = "mgmt was not seen good again; power_loss of mgmt is not undone. Verdicts of a scaled run";
    for (verdict, element, counts) in [
        (Verdict::Fail, "failure", "failures=\"1\" errors=\"0\""),
        (Verdict::Inconclusive, "error", "failures=\"0\" errors=\"1\""),
    ] {
        report.verdict = verdict;
        let xml = junit::render(&report);
        assert!(xml.contains(counts), "{xml}");
        assert!(
            xml.contains(&format!("{case}<{element} message=\"{verdict}: {reasons}")),
            "{xml}"
        );
    }
    report.verdict = Verdict::NotCovered;
    let xml = junit::render(&report);
    assert!(
        xml.contains(&format!("{case}<skipped message=\"not_covered: ")),
        "{xml}"
    );
}

#[test]
fn in_junit_a_meant_violation_is_good_and_its_absence_is_a_failure() {
    let mut report = report();
    report.expected = Some(Expected {
        contracts: vec!["C2".into()],
        verdict: Verdict::Pass,
    });
    for contract in report.contracts.iter_mut().filter(|c| c.id != "C2") {
        contract.verdict = Verdict::Pass;
        contract.evidence[0].verdict = Verdict::Pass;
    }
    let xml = junit::render(&report);
    assert!(xml.contains("failures=\"0\" errors=\"0\""), "{xml}");
    assert!(
        xml.contains("name=\"nothing_lost\"><system-out>a violation, as meant: 41 samples"),
        "{xml}"
    );
    assert!(
        xml.contains("name=\"verdict\"><system-out>fail: C2. Meant to show that C2"),
        "{xml}"
    );
    assert!(markdown::render(&report).contains("and nothing else: so it is."));

    report.contracts[1].verdict = Verdict::Pass;
    report.contracts[1].evidence[0].verdict = Verdict::Pass;
    report.verdict = Verdict::Pass;
    report.expected = Some(Expected {
        contracts: vec!["C2".into()],
        verdict: Verdict::Fail,
    });
    let xml = junit::render(&report);
    assert!(xml.contains("failures=\"2\" errors=\"0\""), "{xml}");
    for failure in [
        "name=\"meant_to_be_violated\"><failure message=\"C2 is to be violated, and is pass\"/>",
        "name=\"verdict\"><failure message=\"pass: ",
    ] {
        assert!(xml.contains(failure), "{xml}");
    }
}

#[test]
fn a_budget_of_which_nothing_was_measured_is_not_a_budget_unspent() {
    let mut report = report();
    let spent = |report: &Report| markdown::render(report).contains("Error budget: 0 s of 7 h 12 min spent");
    assert!(spent(&report));
    report.slo = Some(judge(Objectives::default(), Measured::default()));
    assert!(!spent(&report) && markdown::render(&report).contains("was not measured"));
}

#[test]
fn the_spread_and_the_matrix_are_of_measured_runs() {
    let mut later = report();
    later.from = at(1);
    later.measurements[0].value = Quantity::whole(90);
    later.verdict = Verdict::Pass;
    let runs = [report(), later.clone()];
    let series = Series::of(&runs);
    let spread = &series.figures[0];
    assert_eq!(
        (spread.runs, spread.median, spread.most),
        (2, Quantity::whole(90), Quantity::from_millis(96_072))
    );
    assert_eq!((series.runs.len(), series.runs[1].verdict), (2, Verdict::Pass));
    let label = "2026-11-25T04:00:01.000000Z | pass | TEST DATA: made";
    assert!(series.markdown().contains(label), "{}", series.markdown());
    let json = serde_json::to_value(&series).expect("JSON");
    assert_eq!(json["runs"][0]["label"].as_str(), runs[0].label.as_deref());
    let row = "rto.mgmt.service_good | 2 | 90 s | 90 s | 96.1 s";
    assert!(series.markdown().contains(row), "{}", series.markdown());
    let xml = junit::series(&runs);
    for part in [
        "<testsuite name=\"mgmt-down.run2\"",
        "classname=\"mgmt-down.spread\" name=\"rto.mgmt.service_good\"><system-out>lowest 90 s, median 90 s, highest 96.1 s, in 2 of 2 runs",
        "<testsuites name=\"drillyard\" tests=\"19\"",
    ] {
        assert!(xml.contains(part), "{xml}");
    }

    let mut other = report();
    other.drill = "worker-loss".into();
    (other.losses, other.ledgers) = (vec![], vec![]);
    // One subject came back, and one did not.
    let mut away = other.recovery[0].clone();
    (away.subject, away.outcome, away.service_good) = ("app1".into(), Outcome::NotRecovered, None);
    other.recovery.push(away);
    let matrix = Matrix::of(&[later, report(), other]);
    let text = matrix.markdown();
    let row = "| mgmt-down | pass | pass | fail | inconclusive | not_covered | not_covered | not_covered | 96 s to 96.1 s | 41 |";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("| not measured |"), "nothing was counted: {text}");
    let page = matrix.html();
    assert_eq!(page.matches("<tr>").count(), 3);
    assert!(page.ends_with("</main></body></html>\n"));
    let json = serde_json::to_value(&matrix).expect("JSON");
    assert_eq!(json["rows"][0]["contracts"]["C2"], "fail");
    assert!(json["rows"][1]["lost_samples"].is_null());
    assert!(text.contains("| never in this run | not measured |"), "{text}");
    assert!(json["rows"][1]["service_good"].is_null() && json["rows"][1]["never_good"] == true);
    assert!(json["rows"][0]["never_good"].is_null());
}
