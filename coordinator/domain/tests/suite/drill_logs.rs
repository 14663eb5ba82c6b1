//! The books of the logs: what a killed store forgot is counted, told beside the metrics, and convicts only where it is evidence.

use crate::drill_platform::planned_text;
use crate::drill_scenarios::{planned, scenario};
use crate::drill_verdicts::{FAULT, LOST, UNDONE, contract, ended_early, history};
use domain::drill::arrival::STORED_UNTIL;
use domain::drill::assemble::{Facts, LOG, assemble, last_look};
use domain::drill::contract::ContractId;
use domain::drill::history::{Answer, History, Line, Sample, What};
use domain::drill::plan::DrillPlan;
use domain::drill::report::model::{LossCause, Report};
use domain::drill::report::verdict::Verdict;
use domain::drill::scenario::Look;
use model::moment::Moment;
use std::collections::BTreeMap;

pub(crate) const SECOND: i64 = 1_000_000;
/// Since when what is on mgmt answers again.
const BACK: i64 = UNDONE + 5 * SECOND;
/// The canary's number at the begin of the run; it counts up once a second.
pub(crate) const FIRST: i64 = 1000;
/// Numbers that were served when probing ended.
pub(crate) const SERVED: i64 = 120;

pub(crate) fn float(number: i64) -> f64 {
    f64::from(i32::try_from(number).expect("small"))
}

/// The report of such a run when the log store in the end has neither `forgotten` nor anything of what is still under way.
fn report(plan: DrillPlan, forgotten: &[i64]) -> Report {
    judged(&recorded(plan, forgotten, |at| (at - SECOND).max(0)))
}

pub(crate) fn judged(history: &History) -> Report {
    assemble(history, &Facts::default(), Moment(SERVED * SECOND)).expect("planned")
}

/// Such a run; `arrived` says up to when everything is at the receivers.
pub(crate) fn recorded(plan: DrillPlan, forgotten: &[i64], arrived: fn(i64) -> i64) -> History {
    let probes: Vec<_> = plan.active_probes().cloned().collect();
    let mut history = history(plan, |probe, at| {
        let away = (FAULT..BACK).contains(&at);
        match probe.look {
            Look::CanaryServed { .. } => {
                // What was written since the look before, one number a second.
                let looks = i64::try_from(probe.period_ms / 1000).expect("small");
                let newest = at / SECOND;
                let served = (newest - looks + 1..=newest).filter(|second| *second >= 0);
                let told = |second: i64| ((FIRST + second).to_string(), float(second * SECOND));
                (true, served.map(told).collect())
            }
            Look::CanaryStored { .. } | Look::LogCanaryStored { .. } if away => (false, BTreeMap::new()),
            Look::CanaryStored { .. } | Look::LogCanaryStored { .. } => {
                let until = float(arrived(at)) / 1e6;
                (true, BTreeMap::from([(STORED_UNTIL.to_owned(), until)]))
            }
            Look::Metrics { .. } => (
                true,
                BTreeMap::from([("process_start_time_seconds".to_owned(), 1.0)]),
            ),
            _ => (true, BTreeMap::new()),
        }
    });
    for probe in probes {
        let numbers = FIRST..FIRST + SERVED - 2;
        let mut name = last_look(&probe.name);
        let values: BTreeMap<String, f64> = match probe.look {
            Look::CanaryStored { .. } => numbers.map(|n| (format!("0/{n}"), 1.0)).collect(),
            Look::LogCanaryStored { .. } => numbers
                .filter(|n| !forgotten.contains(n))
                .map(|n| (format!("{LOG}/{n}"), if n == FIRST + 30 { 2.0 } else { 1.0 }))
                .collect(),
            // Read once more at the end, and further back than the run is long.
            Look::CanaryServed { .. } => {
                name.clone_from(&probe.name);
                let all = -60..SERVED;
                all.map(|second| ((FIRST + second).to_string(), float(second * SECOND)))
                    .collect()
            }
            _ => continue,
        };
        let at = Moment(SERVED * SECOND);
        history.lines.push(Line {
            time: at,
            what: What::Sample(Sample {
                probe: name,
                number: u64::MAX,
                due: at,
                sent: Some(at),
                done: at,
                answer: Answer::Good,
                detail: String::new(),
                values,
            }),
        });
    }
    history
}

fn figure(report: &Report, id: &str) -> i64 {
    let found = report.measurements.iter().find(|m| m.id == id);
    let micros = found.unwrap_or_else(|| panic!("no figure {id}")).value.micros();
    micros / SECOND
}

/// The shipped drill; with the logs of app1 as evidence for C2 where `counts`.
pub(crate) fn plan(counts: bool) -> DrillPlan {
    // One shard each makes books that are short enough to read.
    let text = scenario("mgmt-down").to_yaml();
    assert!(text.contains("shards: 4"), "the shards are not in the drill");
    let text = text.replace("shards: 4", "shards: 1");
    let plain = "- name: app1-log-canary-stored\n  cluster: app1\n";
    assert!(text.contains(plain), "the probe is not in the drill");
    let evidence = format!("{plain}  contract: C2\n");
    planned_text(
        "mgmt-down",
        &if counts {
            text.replace(plain, &evidence)
        } else {
            text
        },
    )
}

#[test]
fn lines_that_a_killed_store_forgot_are_counted_and_convict_nobody() {
    let report = report(plan(false), &[FIRST + 18, FIRST + 19]);
    for (what, count) in [("served", SERVED - 2), ("lost", 2), ("duplicated", 1)] {
        assert_eq!(figure(&report, &format!("logs.app1.{what}")), count, "{what}");
    }
    assert_eq!(
        figure(&report, "metrics.app1.served"),
        SERVED - 2,
        "one shard, and nothing of before the run"
    );
    assert_eq!(figure(&report, "metrics.app1.lost"), 0);
    let losses: Vec<_> = report
        .losses
        .iter()
        .filter(|l| l.series == "app1/canary log")
        .collect();
    let [loss] = losses.as_slice() else {
        panic!("{losses:?}")
    };
    assert_eq!(
        (loss.lines, loss.lost, loss.cause),
        (true, 2, LossCause::ReceiverForgot)
    );
    let check = report
        .cross_checks
        .iter()
        .find(|c| c.cluster == "app1")
        .expect("compared");
    assert_eq!(
        (check.metrics_only, check.logs_only, check.in_neither),
        (2, 0, 0),
        "{}",
        check.text
    );
    // The answer of the first look after the return says what had arrived a second before.
    let complete = report
        .recovery
        .iter()
        .find(|r| r.subject == "app1 logs" && r.counted_from == "revert");
    let complete = complete.and_then(|r| r.data_complete).expect("it came back");
    assert!(
        complete.low.micros() >= 5 * SECOND && complete.high.micros() <= 7 * SECOND,
        "{complete:?}"
    );
    let (verdict, text) = contract(&report, ContractId::C2);
    assert_eq!(verdict, Verdict::Pass, "{text}");
    assert!(!text.contains("app1 logs"), "{text}");
}

#[test]
fn a_shard_that_never_arrives_is_lost_as_far_as_the_others_came() {
    let mut plan = plan(false);
    for planned in &mut plan.probes {
        if let Look::CanaryStored { shards, .. } = &mut planned.probe.look {
            *shards = Some(2);
        }
    }
    let report = report(plan, &[]);
    assert_eq!(figure(&report, "metrics.app1.served"), 2 * (SERVED - 2));
    assert_eq!(figure(&report, "metrics.app1.lost"), SERVED - 2);
    let (verdict, text) = contract(&report, ContractId::C2);
    assert_eq!(verdict, Verdict::Fail, "{text}");
    assert!(
        text.contains("app1: 118 of 236 numbers in 2 shards arrived, 118 are lost"),
        "{text}"
    );
}

#[test]
fn a_backlog_that_nobody_waited_for_convicts_nobody() {
    let history = recorded(plan(false), &[], |at| (at - SECOND).clamp(0, FAULT));
    let (verdict, text) = contract(&judged(&history), ContractId::C2);
    assert_eq!(verdict, Verdict::Fail, "{text}");
    let (verdict, text) = contract(&judged(&ended_early(history, BACK, &[LOST])), ContractId::C2);
    assert_eq!(verdict, Verdict::Inconclusive, "{text}");
    assert!(
        text.contains("had not arrived at the end; the run was not watched to its end"),
        "{text}"
    );
}

#[test]
fn a_scenario_may_make_the_logs_evidence() {
    let (verdict, text) = contract(&report(plan(true), &[FIRST + 18, FIRST + 19]), ContractId::C2);
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        text.contains(
            "app1 logs: 116 of 118 lines arrived, 2 are lost in 1 holes, 2 newer ones are under way"
        ),
        "{text}"
    );
    assert_eq!(
        contract(&report(plan(true), &[]), ContractId::C2).0,
        Verdict::Pass
    );
}

#[test]
fn a_hole_that_nothing_explains_stays_unexplained() {
    let report = report(plan(false), &[FIRST + 40]);
    assert_eq!(report.losses.len(), 2, "one in each app cluster");
    assert!(report.losses.iter().all(|l| l.cause == LossCause::Unknown));
}

#[test]
fn a_lab_without_a_shipper_says_that_its_logs_are_not_covered() {
    let plan = planned("mgmt-down");
    let skipped: Vec<_> = plan
        .probes
        .iter()
        .filter(|p| p.probe.name.contains("-log-"))
        .map(|p| p.skipped.clone().expect("skipped"))
        .collect();
    assert_eq!(skipped.len(), 4);
    assert!(
        skipped
            .iter()
            .all(|why| why.contains("no component provides log-shipper in app"))
    );
}
