//! What a recorded history comes to: contracts by their premise, objectives of the scenario, figures that nothing stands for.

use crate::drill_scenarios::{planned, planned_text, scenario};
use crate::fixtures::run_id;
use domain::drill::assemble::{Facts, assemble};
use domain::drill::contract::ContractId;
use domain::drill::history::{AS_OF, Answer, History, Line, Sample, What};
use domain::drill::measure::quantity::Quantity;
use domain::drill::plan::DrillPlan;
use domain::drill::record::{AbortCause, Phase, Record};
use domain::drill::report::model::Report;
use domain::drill::report::parts::{Outcome, Recovery};
use domain::drill::report::verdict::Verdict;
use domain::drill::scenario::{Expectation, Probe, Scale};
use model::lease::UndoCause;
use model::moment::Moment;
use std::collections::BTreeMap;

/// The fault took hold and was undone at these moments, microseconds.
pub(crate) const FAULT: i64 = 20_000_000;
pub(crate) const UNDONE: i64 = 60_000_000;
const END: i64 = 120_000_000;

/// The report of such a run.
pub(crate) fn run(plan: DrillPlan, sees: impl Fn(&Probe, i64) -> (bool, BTreeMap<String, f64>)) -> Report {
    assemble(&history(plan, sees), &Facts::default(), Moment(END)).expect("planned")
}

/// A run in which every probe sees what `sees` says of it at each moment: good or not, with figures.
pub(crate) fn history(
    plan: DrillPlan,
    sees: impl Fn(&Probe, i64) -> (bool, BTreeMap<String, f64>),
) -> History {
    let fault = plan.faults[0].name.clone();
    let probes: Vec<Probe> = plan.active_probes().cloned().collect();
    let record = |at: i64, record: Record| Line {
        time: Moment(at),
        what: What::Record(record),
    };
    let phase = |at, phase| record(at, Record::PhaseEntered { phase });
    let started = Record::Started {
        run: run_id(1),
        plan: Box::new(plan),
    };
    let mut lines = vec![
        record(0, started),
        phase(0, Phase::Steady),
        phase(FAULT, Phase::Inject),
    ];
    let (from, to) = (Moment(FAULT), Moment(FAULT + 1000));
    let injected = Record::FaultInjected {
        fault: fault.clone(),
        from,
        to,
    };
    lines.extend([
        record(FAULT + 1000, injected),
        phase(FAULT + 1000, Phase::Observe),
    ]);
    let (from, to) = (Moment(UNDONE), Moment(UNDONE + 1000));
    let ended_by = None;
    lines.push(record(
        UNDONE + 1000,
        Record::FaultUndone {
            fault,
            from,
            to,
            ended_by,
        },
    ));
    lines.extend([phase(UNDONE + 1000, Phase::Verify), phase(END, Phase::Verdict)]);
    for probe in &probes {
        let period = i64::try_from(probe.period_ms).expect("small") * 1000;
        for number in 0..END / period {
            let due = number * period;
            let (good, values) = sees(probe, due);
            lines.push(Line {
                time: Moment(due + 1000),
                what: What::Sample(Sample {
                    probe: probe.name.clone(),
                    number: u64::try_from(number).expect("positive"),
                    due: Moment(due),
                    sent: Some(Moment(due)),
                    done: Moment(due + 1000),
                    answer: if good { Answer::Good } else { Answer::Bad },
                    detail: String::new(),
                    values,
                }),
            });
        }
    }
    History {
        lines,
        damaged: vec![],
    }
}

/// The same run, ended early by these causes at this moment.
pub(crate) fn ended_early(mut history: History, at: i64, causes: &[AbortCause]) -> History {
    let aborting = |cause: &AbortCause| Line {
        time: Moment(at),
        what: What::Record(Record::Aborting { cause: cause.clone() }),
    };
    history.lines.extend(causes.iter().map(aborting));
    history
}

/// What leaves doubt.
pub(crate) const LOST: AbortCause = AbortCause::CoordinatorLost {};

/// What is part of the experiment.
fn rule() -> AbortCause {
    AbortCause::Rule {
        reason: "a probe had no good answer for 45 s".into(),
    }
}

/// In the outage, hit probes are bad.
fn as_planned(probe: &Probe, at: i64) -> (bool, BTreeMap<String, f64>) {
    let away = (FAULT..UNDONE + 5_000_000).contains(&at);
    let good = !(away && probe.expect == Expectation::ComesBack);
    (
        good,
        BTreeMap::from([("full".to_owned(), f64::from(u8::from(good)))]),
    )
}

pub(crate) fn contract(report: &Report, id: ContractId) -> (Verdict, String) {
    let found = report
        .contracts
        .iter()
        .find(|c| c.id == id.to_string())
        .expect("all six");
    (
        found.verdict,
        found
            .evidence
            .iter()
            .map(|e| e.text.clone())
            .collect::<Vec<_>>()
            .join("; "),
    )
}

pub(crate) fn objective(report: &Report, id: &str) -> Verdict {
    let slo = report.slo.as_ref().expect("judged");
    slo.objectives
        .iter()
        .find(|o| o.id == id)
        .expect("objective")
        .verdict
}

#[test]
fn without_a_lost_mgmt_the_first_contract_says_nothing_and_the_objective_decides() {
    // As a file that asks for it all the same.
    let text = scenario("worker-loss").to_yaml().replace("- C6", "- C1\n  - C6");
    let text = text.replacen(
        "name: app2-web-host\n  cluster: app2",
        "name: app2-web-host\n  cluster: app2\n  contract: C1",
        1,
    );
    let plan = || planned_text("worker-loss", &text);
    let report = run(plan(), as_planned);
    let (verdict, why) = contract(&report, ContractId::C1);
    assert_eq!(verdict, Verdict::NotCovered);
    assert!(why.contains("no fault takes mgmt away"), "{why}");
    assert_eq!(
        (objective(&report, "answers"), report.verdict),
        (Verdict::Pass, Verdict::Pass)
    );
    // The same probes, bad: the scenario fails, and still nothing is said of the contract.
    let report = run(plan(), |probe, at| {
        let (good, values) = as_planned(probe, at);
        (good && !(probe.name == "app2-web-host" && at > FAULT), values)
    });
    assert_eq!(contract(&report, ContractId::C1).0, Verdict::NotCovered);
    assert_eq!(
        (objective(&report, "answers"), report.verdict),
        (Verdict::Fail, Verdict::Fail)
    );
}

#[test]
fn what_went_wrong_in_the_outage_is_not_thinned_out_by_the_time_that_its_recovery_is_watched() {
    // Half a second and more without answers: 1.25 % of an outage of 40 s, and at most 1 % with the minute after it.
    let since = FAULT + 5_000_000;
    let report = run(planned("mgmt-down"), |probe, at| {
        let (good, values) = as_planned(probe, at);
        let bad = probe.name == "app1-web-host" && (since..=since + 500_000).contains(&at);
        (good && !bad, values)
    });
    let (verdict, why) = contract(&report, ContractId::C1);
    assert_eq!(verdict, Verdict::Fail, "{why}");
    assert_eq!(objective(&report, "answers"), Verdict::Fail);
    let whole = "availability.app1_web_host";
    let whole = report.measurements.iter().find(|m| m.id == whole);
    assert!(whole.is_some_and(|m| m.high > Quantity::from_millis(990)));
}

#[test]
fn shipped_drills_judge_the_first_contract_only_where_mgmt_is_lost() {
    for (name, judged) in [
        ("mgmt-down", true),
        ("mgmt-freeze", true),
        ("worker-loss", false),
        ("control-plane-loss", false),
        ("mesh-partition", false),
        ("vault-down", false),
        ("apiserver-stop", false),
        ("dns-block", false),
        ("packet-loss", false),
    ] {
        let report = run(planned(name), as_planned);
        let expected = if judged {
            Verdict::Pass
        } else {
            Verdict::NotCovered
        };
        assert_eq!(contract(&report, ContractId::C1).0, expected, "{name}");
    }
}

#[test]
fn the_mesh_decides_drills_of_names_packets_and_the_api() {
    // Each with what convicts it: a mesh that is not full, in the outage or to the end, and requests across that do not come back.
    for (name, probe, until) in [
        ("dns-block", "app1-mesh", UNDONE),
        ("dns-block", "app1-web-over-mesh", UNDONE),
        ("packet-loss", "app2-mesh", UNDONE),
        ("packet-loss", "app2-web-over-mesh", END),
        ("apiserver-stop", "app1-mesh", END),
    ] {
        let report = run(planned(name), as_planned);
        let (verdict, why) = contract(&report, ContractId::C6);
        assert_eq!(
            (verdict, report.verdict),
            (Verdict::Pass, Verdict::Pass),
            "{name}: {why}"
        );
        let report = run(planned(name), |seen, at| {
            if seen.name == probe && (FAULT + 1_000_000..until).contains(&at) {
                return (false, BTreeMap::from([("full".to_owned(), 0.0)]));
            }
            as_planned(seen, at)
        });
        let (verdict, why) = contract(&report, ContractId::C6);
        assert_eq!(verdict, Verdict::Fail, "{name} by {probe}: {why}");
    }
}

#[test]
fn a_mgmt_that_answers_in_the_outage_was_not_lost() {
    let report = run(planned("mgmt-down"), |probe, at| {
        let (good, values) = as_planned(probe, at);
        (
            good || (probe.name == "mgmt-api-host" && at == FAULT + 10_000_000),
            values,
        )
    });
    let (verdict, why) = contract(&report, ContractId::C1);
    assert_eq!(verdict, Verdict::Inconclusive, "{why}");
    assert!(why.contains("mgmt answered 1 of"), "{why}");
}

fn nodes_since_undo(report: &Report) -> &Recovery {
    let of = |r: &&Recovery| r.subject == "mgmt nodes" && r.counted_from == "revert";
    report.recovery.iter().find(of).expect("measured")
}

#[test]
fn nodes_are_back_when_a_kubelet_says_so_and_not_when_the_store_is_read_again() {
    // The API is back 3 s after the undo and shows what was stored before the outage; a kubelet writes 9 s after it.
    let (api, kubelet) = (UNDONE + 3_000_000, UNDONE + 9_000_000);
    let report = run(planned("mgmt-down"), |probe, at| {
        let (good, values) = as_planned(probe, at);
        if probe.name != "mgmt-nodes" {
            return (good, values);
        }
        let written = if at < kubelet { FAULT - 1_000_000 } else { kubelet };
        let as_of = f64::from(i32::try_from(written / 1_000_000).expect("small"));
        (
            !(FAULT..api).contains(&at),
            BTreeMap::from([(AS_OF.to_owned(), as_of)]),
        )
    });
    let back = nodes_since_undo(&report);
    let bounds = back.service_good.expect("back");
    // What was read between the two says nothing: it widens the interval, and moves neither of its ends.
    assert!(bounds.low.micros() <= api - UNDONE, "{bounds:?}");
    assert!(bounds.high.micros() >= kubelet - UNDONE, "{bounds:?}");
    assert_eq!(back.outcome, Outcome::Recovered);
}

/// The same run, whose fault had been ended by its place when it was ordered to be undone.
fn ended_by_place(mut history: History, at: i64, cause: UndoCause) -> History {
    let undone = |line: &Line| matches!(line.what, What::Record(Record::FaultUndone { .. }));
    let index = history.lines.iter().position(undone).expect("undone");
    if let What::Record(Record::FaultUndone {
        fault,
        from,
        to,
        ended_by,
    }) = &mut history.lines[index].what
    {
        (*from, *to, *ended_by) = (Moment(at), Moment(at + 1000), Some(cause));
        let fault = fault.clone();
        let intended = Line {
            time: Moment(UNDONE),
            what: What::Record(Record::UndoIntended { fault }),
        };
        history.lines.insert(index, intended);
    }
    history
}

#[test]
fn a_fault_that_its_place_ended_early_makes_the_run_inconclusive() {
    let judged = |at: i64, cause: UndoCause| {
        let whole = history(planned("worker-loss"), as_planned);
        let history = ended_by_place(whole, at, cause);
        assemble(&history, &Facts::default(), Moment(END)).expect("planned")
    };
    let told = |report: &Report| report.notes.iter().any(|n| n.contains("was not in force"));
    let early = judged(FAULT + 5_000_000, UndoCause::AgentStart);
    assert_eq!(early.verdict, Verdict::Inconclusive);
    assert_eq!(early.faults[0].end, "agent_start");
    assert_eq!(early.faults[0].to.micros(), FAULT + 5_001_000);
    let note = early.notes.iter().find(|n| n.contains("was not in force"));
    let note = note.expect("told");
    assert!(
        note.contains("1970-01-01T00:00:25.000000Z") && note.contains("agent_start"),
        "{note}"
    );
    // Half a second before the order nothing was measured that would have been otherwise.
    let hardly = judged(UNDONE - 500_000, UndoCause::Expired);
    assert_eq!((hardly.verdict, told(&hardly)), (Verdict::Pass, false));
    assert_eq!(hardly.faults[0].end, "lease_expired");
    // An order of the run's own, whose answer was not heard.
    let ours = judged(UNDONE + 500_000, UndoCause::Released);
    assert_eq!((ours.verdict, told(&ours)), (Verdict::Pass, false));
    assert_eq!(ours.faults[0].end, "reverted");
    assert_eq!(run(planned("worker-loss"), as_planned).faults[0].end, "reverted");
}

#[test]
fn histories_of_before_are_read_as_undone_by_the_run() {
    let text = r#"{"record":"fault_undone","fault":"f","from":1,"to":2}"#;
    let record: Record = serde_json::from_str(text).expect("a record");
    assert!(
        matches!(&record, Record::FaultUndone { ended_by: None, .. }),
        "{record:?}"
    );
    assert_eq!(serde_json::to_string(&record).expect("text"), text);
}

#[test]
fn what_was_back_before_the_undo_has_no_time_from_it() {
    let report = run(planned("worker-loss"), |probe, at| {
        let (good, values) = as_planned(probe, at);
        (good || at >= FAULT + 10_000_000, values)
    });
    let back: Vec<_> = report
        .recovery
        .iter()
        .filter(|r| r.counted_from == "revert" && r.outcome == Outcome::Recovered)
        .collect();
    assert!(!back.is_empty(), "{:?}", report.recovery);
    assert!(back.iter().all(|r| r.service_good.is_none()), "{back:?}");
    let ids: Vec<&str> = report.measurements.iter().map(|m| m.id.as_str()).collect();
    assert!(!ids.iter().any(|id| id.starts_with("recovery.")), "{ids:?}");
}

#[test]
fn what_was_never_seen_down_has_no_recovery_time() {
    let report = run(planned("mgmt-down"), |probe, at| {
        let (good, values) = as_planned(probe, at);
        (good || probe.name == "mgmt-nodes", values)
    });
    let back = nodes_since_undo(&report);
    assert_eq!((back.outcome, back.service_good), (Outcome::NeverSeenDown, None));
    let ids: Vec<&str> = report.measurements.iter().map(|m| m.id.as_str()).collect();
    assert!(ids.contains(&"rto.mgmt_api.service_good"), "{ids:?}");
    assert!(!ids.contains(&"rto.mgmt_nodes.service_good"), "{ids:?}");
    // Something that was seen down and never came back is another thing.
    let report = run(planned("mgmt-down"), |probe, at| {
        let (good, values) = as_planned(probe, at);
        (good && !(probe.name == "mgmt-nodes" && at > FAULT), values)
    });
    assert_eq!(nodes_since_undo(&report).outcome, Outcome::NotRecovered);
    assert_eq!(report.verdict, Verdict::Fail);
    // It keeps no objective, and breaks one that is shorter than it was seen bad.
    assert_eq!(objective(&report, "rto"), Verdict::Inconclusive);
    let mut plan = planned("mgmt-down");
    plan.scenario.hypothesis.objectives.rto_seconds = 90;
    let report = run(plan, |probe, at| {
        let (good, values) = as_planned(probe, at);
        (good && !(probe.name == "mgmt-nodes" && at > FAULT), values)
    });
    assert_eq!(objective(&report, "rto"), Verdict::Fail);
}

#[test]
fn banner_and_identity_tell_one_scale_and_only_of_what_is_scaled() {
    // No metrics agents are installed: nothing of this run is scaled.
    let report = run(planned("mgmt-down"), as_planned);
    assert_eq!(
        (report.label.as_deref(), report.identity.scale.is_real()),
        (None, true)
    );
    // With them the truncation is, by a scenario's factor of 40 where nobody wrote down how often they truncate.
    let mut plan = planned("mgmt-down");
    plan.scenario.scale = Scale {
        factor: 40.0,
        note: "an outage of 90 s stands for one of an hour".into(),
    };
    for coverage in &mut plan.coverage {
        coverage.missing = coverage
            .missing
            .take()
            .filter(|_| coverage.contract != ContractId::C2);
    }
    let report = run(plan, as_planned);
    let scale = report.identity.scale;
    assert_eq!((scale.tick_seconds, scale.of_seconds), (180, 7200));
    let label = report.label.expect("scaled");
    assert!(label.starts_with(&format!("C2 is {scale}; ")), "{label}");
    let told = |note: &String| note.contains("the scale is what the scenario says");
    assert!(report.notes.iter().any(told), "{:?}", report.notes);
}

#[test]
fn an_agent_that_did_not_notice_a_cut_is_no_evidence_and_requests_across_it_are() {
    // As measured on the lab: agents say "full" through a cut of a minute, and no request passes it.
    let partition = |back: bool| {
        run(planned("mesh-partition"), move |probe, at| {
            let across = probe.name.ends_with("-web-over-mesh");
            let bad = across && at > FAULT && (at < UNDONE || !back);
            (!bad, BTreeMap::from([("full".to_owned(), 1.0)]))
        })
    };
    let (verdict, why) = contract(&partition(true), ContractId::C6);
    assert_eq!(verdict, Verdict::Pass);
    assert!(why.contains("app1-mesh: never seen other than good"), "{why}");
    assert!(why.contains("app2-web-over-mesh: answered again"), "{why}");
    assert_eq!(contract(&partition(false), ContractId::C6).0, Verdict::Fail);
}

#[test]
fn what_is_bad_after_it_was_back_moves_no_figure_and_is_told() {
    let subject = "app2 over the mesh";
    let judged = |bad: &dyn Fn(i64, i64) -> bool| {
        run(planned("packet-loss"), |probe, at| {
            let period = i64::try_from(probe.period_ms).expect("small") * 1000;
            let (good, values) = as_planned(probe, at);
            let hit = probe.name == "app2-web-over-mesh" && bad(at, period);
            (good && !hit, values)
        })
    };
    let back = |report: &Report| {
        let of = |r: &&Recovery| r.subject == subject && r.counted_from == "fault";
        let found = report.recovery.iter().find(of).expect("measured");
        (found.outcome, found.service_good)
    };
    let told = |report: &Report| {
        let of_subject = format!("{subject} had a relapse: app2-web-over-mesh saw it bad from ");
        report.notes.iter().filter(|n| n.starts_with(&of_subject)).count()
    };
    let none = judged(&|_, _| false);
    assert_eq!((back(&none).0, told(&none)), (Outcome::Recovered, 0));
    // The last request of all, which is under way when the watching ends; and one long before.
    let last = judged(&|at, period| at + 2 * period > END);
    let blip = judged(&|at, period| (90_000_000..90_000_000 + period).contains(&at));
    for report in [&last, &blip] {
        let (verdict, why) = contract(report, ContractId::C6);
        assert_eq!((verdict, report.verdict), (Verdict::Pass, Verdict::Pass), "{why}");
        assert_eq!((back(report), told(report)), (back(&none), 1));
    }
    // What stays bad to the end is another thing, though it was back.
    let gone = judged(&|at, _| at >= 90_000_000);
    assert_eq!((back(&gone), told(&gone)), ((Outcome::NotRecovered, None), 1));
    assert_eq!(
        (contract(&gone, ContractId::C6).0, gone.verdict),
        (Verdict::Fail, Verdict::Fail)
    );
}

#[test]
fn what_ends_a_run_after_an_abort_rule_leaves_doubt_of_what_did_not_come_back() {
    let report = |causes: &[AbortCause]| {
        // Longer than the others take, and shorter than this one was seen bad.
        let mut plan = planned("worker-loss");
        plan.scenario.hypothesis.objectives.rto_seconds = 60;
        let history = history(plan, |probe, at| {
            let (good, values) = as_planned(probe, at);
            (good && !(probe.name == "app1-nodes" && at > FAULT), values)
        });
        let history = ended_early(history, UNDONE, causes);
        assemble(&history, &Facts::default(), Moment(END)).expect("planned")
    };
    let convicted = report(&[rule()]);
    assert_eq!(
        (objective(&convicted, "rto"), convicted.verdict),
        (Verdict::Fail, Verdict::Fail)
    );
    for causes in [[rule(), LOST], [LOST, rule()], [rule(), AbortCause::Operator {}]] {
        let report = report(&causes);
        assert_eq!(report.verdict, Verdict::Inconclusive, "{causes:?}");
        for cause in &causes {
            let told = |note: &String| note.contains(&cause.message());
            assert!(report.notes.iter().any(told), "{:?}", report.notes);
        }
    }
}

#[test]
fn a_mesh_that_was_not_watched_to_the_end_is_not_convicted() {
    let history = || {
        history(planned("mesh-partition"), |probe, at| {
            let hit = probe.expect == Expectation::ComesBack && at > FAULT;
            (
                !hit,
                BTreeMap::from([("full".to_owned(), f64::from(u8::from(!hit)))]),
            )
        })
    };
    let judged = |causes: &[AbortCause]| {
        let history = ended_early(history(), FAULT, causes);
        let report = assemble(&history, &Facts::default(), Moment(END)).expect("planned");
        contract(&report, ContractId::C6)
    };
    assert_eq!(judged(&[]).0, Verdict::Fail);
    assert_eq!(judged(&[rule()]).0, Verdict::Fail);
    let (verdict, why) = judged(&[LOST]);
    assert_eq!(verdict, Verdict::Inconclusive, "{why}");
    for text in [
        "app1-mesh: not full at the end of the run; the run was not watched to its end",
        "app2-web-over-mesh: not answered again; the run was not watched to its end",
    ] {
        assert!(why.contains(text), "{why}");
    }
}

#[test]
fn agents_that_never_answer_again_are_not_full_by_what_they_said_before() {
    let partition = |causes: &[AbortCause]| {
        let history = history(planned("mesh-partition"), |probe, at| {
            let silent = probe.name == "app1-mesh" && at > FAULT;
            let full = (!silent).then(|| ("full".to_owned(), 1.0));
            (!silent, full.into_iter().collect())
        });
        let history = ended_early(history, END, causes);
        contract(
            &assemble(&history, &Facts::default(), Moment(END)).expect("planned"),
            ContractId::C6,
        )
    };
    for (causes, expected) in [(&[][..], Verdict::Fail), (&[LOST][..], Verdict::Inconclusive)] {
        let (verdict, why) = partition(causes);
        assert_eq!(verdict, expected, "{why}");
        assert!(
            why.contains("app1-mesh: no agent answered after the outage"),
            "{why}"
        );
    }
}

/// The same run where requests of `probe` that were due from `from` to `to` did not leave the prober.
fn held_back(mut history: History, probe: &str, (from, to): (i64, i64)) -> History {
    for line in &mut history.lines {
        if let What::Sample(sample) = &mut line.what
            && sample.probe == probe
            && (Moment(from)..=Moment(to)).contains(&sample.due)
        {
            (sample.sent, sample.answer) = (None, Answer::NotSent);
        }
    }
    history
}

#[test]
fn what_did_not_leave_the_prober_is_neither_an_outage_nor_a_recovery() {
    let judged = |probe: &str, times: (i64, i64)| {
        let history = held_back(history(planned("mgmt-down"), as_planned), probe, times);
        assemble(&history, &Facts::default(), Moment(END)).expect("planned")
    };
    let figure = |report: &Report, id: &str| {
        let found = report.measurements.iter().find(|m| m.id == id);
        let found = found.unwrap_or_else(|| panic!("no figure {id}"));
        (found.low, found.high)
    };
    let rto = "rto.mgmt_api.service_good";
    let none = judged("mgmt-api-host", (END, 0));
    // Long after it was back.
    let late = judged("mgmt-api-host", (90_000_000, 91_000_000));
    assert_eq!(figure(&late, rto), figure(&none, rto));
    // Around its return the interval is wider, and holds what it held.
    let around = judged("mgmt-api-host", (UNDONE + 4_000_000, UNDONE + 6_000_000));
    let (narrow, wide) = (figure(&none, rto), figure(&around, rto));
    assert!(wide.0 < narrow.0 && narrow.1 < wide.1, "{wide:?} {narrow:?}");
    // A service that must stay good: no outage, and a share that is open.
    let open = judged("app1-web-host", (30_000_000, 40_000_000));
    assert_eq!(
        figure(&open, "longest_outage.app1_web_host"),
        figure(&none, "longest_outage.app1_web_host")
    );
    let (low, high) = figure(&open, "availability.app1_web_host");
    assert!(low < high, "{low} {high}");
    // A cluster that nobody asked was not seen away.
    let unasked = judged("mgmt-api-host", (FAULT, UNDONE));
    let (verdict, why) = contract(&unasked, ContractId::C1);
    assert_eq!(verdict, Verdict::Inconclusive, "{why}");
}
