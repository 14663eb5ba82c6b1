//! The deadline clock in a run: foretold before anything is broken, counted down, ended early, compared in the report.
//!
//! The agent here truncates every 20 s and writes little, so its files follow from the count rule by hand: at 80 s segments 0
//! and 1 go, at 120 s 2 and 3, at 160 s 4 and 5, at 200 s 6 and 7.

use crate::drill_scenarios::{component, scenario};
use crate::drill_verdicts::history;
use crate::fixtures::run_id;
use domain::drill::arrival::STORED_UNTIL;
use domain::drill::assemble::{Facts, assemble};
use domain::drill::backlog::{Foretold, PlannedWindow, Tracker, names};
use domain::drill::foresight::Foresight;
use domain::drill::history::{Answer, History, Line, Sample, What};
use domain::drill::live::Live;
use domain::drill::measure::quantity::Quantity;
use domain::drill::phases::{Event, Run, begin, step};
use domain::drill::plan::{DrillPlan, Present, drill_plan};
use domain::drill::record::{AbortCause, Phase, Record};
use domain::drill::report::model::{Version, Worse};
use domain::drill::report::verdict::Verdict;
use domain::drill::report::wal::WalReport;
use domain::drill::scenario::AbortRule;
use model::ids::ClusterName;
use model::lab::Lab;
use model::moment::Moment;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Written before forecast and report shared a part.
const STORED: &str = "tests/golden/backlog.json";
const SECOND: i64 = 1_000_000;
/// The agent began so long before the history's first moment that its rhythm is there.
const BEFORE: i64 = 95;

fn plan() -> DrillPlan {
    let lab = Lab::default();
    let components = vec![
        component("metrics-agent", "[app1, app2]", "[]", "[metrics-agent]"),
        component("application", "all", "[]", "[application]"),
    ];
    let present = Present::assumed(&lab, &components);
    drill_plan(&scenario("mgmt-down"), &lab, &components, &present).expect("fits")
}

/// What a look at `at` sees, counted from the agent's begin.
pub(crate) fn values(at: i64) -> BTreeMap<String, f64> {
    let number = |n: i64| f64::from(i32::try_from(n).expect("small"));
    let (tick, mut first) = (at / 20, 0);
    // The rule by hand: from 80 s on, every 40 s the two oldest.
    if at >= 80 {
        first = (at - 80) / 40 * 2 + 2;
    }
    [
        (names::PERIOD, 20),
        (names::MAX_TIME, 14_400),
        (names::SEGMENT, 1 << 27),
        (names::SHARDS, 1),
        (names::CAPACITY, 100),
        (names::PER_SEND, 50),
        (names::STARTED, 0),
        (names::APPENDED, at * 10),
        (names::READER, tick),
        (names::FIRST, first),
        (names::CURRENT, tick),
        (names::FILLED, at % 20 * 100),
        (names::BYTES, at * 100),
        (names::WRITTEN, at * 100),
        (names::LAST_TICK, tick * 20),
    ]
    .map(|(name, value)| (name.to_owned(), number(value)))
    .into()
}

fn sample(probe: &str, at: i64) -> Sample {
    Sample {
        probe: probe.into(),
        number: 0,
        due: Moment(at * SECOND),
        sent: Some(Moment(at * SECOND)),
        done: Moment(at * SECOND),
        answer: Answer::Good,
        detail: String::new(),
        values: values(at),
    }
}

fn app1() -> ClusterName {
    ClusterName::new("app1").expect("valid")
}

#[test]
fn the_deadline_is_the_tick_of_the_count_rule() {
    let mut tracker = Tracker::default();
    (80..=100)
        .step_by(5)
        .for_each(|at| tracker.see(&sample("app1-backlog", at)));
    // The queue takes 10 to 20 s, so the reader holds segment 5 or 6; both of their next ones go at 200 s.
    let foretold = tracker
        .foretell(&app1(), Moment(100 * SECOND))
        .expect("a forecast");
    assert!(
        foretold.deadline.after.micros() > 196 * SECOND && foretold.deadline.by.micros() < 204 * SECOND,
        "{foretold:?}"
    );
    assert_eq!(foretold.promise.samples_per_second.to_string(), "10");
    assert_eq!(foretold.promise.guaranteed.to_string(), "60.003");
    assert!(
        foretold
            .inputs
            .iter()
            .any(|i| i.name == names::PERIOD && i.source.contains("wal-truncate-frequency"))
    );
    let left = tracker
        .left(Some(Moment(100 * SECOND)), Moment(150 * SECOND))
        .expect("a deadline");
    assert!((46..=50).contains(&(left.micros() / 1_000_000)), "{left}");
}

#[test]
fn a_backlog_that_died_stays_dead_for_its_outage() {
    let began = Some(Moment(100 * SECOND));
    let mut tracker = Tracker::default();
    let mut left = |at: i64, reader: i64, started: i64, began| {
        let mut look = sample("app1-backlog", at);
        for (name, value) in [(names::READER, reader), (names::STARTED, started)] {
            let value = f64::from(i32::try_from(value).expect("small"));
            look.values.insert(name.into(), value);
        }
        tracker.see(&look);
        let left = tracker.left(began, Moment(at * SECOND)).expect("a deadline");
        left.micros() / SECOND.unsigned_abs()
    };
    assert!(left(195, 5, 0, began) <= 5);
    // The tick of 200 s deleted segment 6; the next one that deletes anything comes at 240 s.
    assert_eq!(left(205, 5, 0, began), 0);
    assert_eq!(left(210, 10, 0, began), 0, "the reader went on behind the hole");
    assert_eq!(left(215, 10, 212, began), 0);
    let later = Some(Moment(214 * SECOND));
    assert!(
        left(216, 10, 212, later) > 10,
        "what died before an outage is not its"
    );
    assert_eq!(
        left(225, 11, 220, later),
        0,
        "a restart forgets what was not sent"
    );
    assert!(left(226, 11, 220, None) > 10);
}

#[test]
fn checkpoints_of_the_outage_do_not_shorten_its_disk_window() {
    let mut tracker = Tracker::default();
    let mut left = |at: i64| {
        // 100 bytes a second, of which the log's files hold 30 s; what is older is in a checkpoint.
        let checkpoint = (at - 100) * 100 - 3000;
        let mut look = sample("app1-backlog", at);
        for (name, value) in [(names::BYTES, 3000), (names::FREE, 12_000 - checkpoint.max(0))] {
            let value = f64::from(i32::try_from(value).expect("small"));
            look.values.insert(name.into(), value);
        }
        tracker.see(&look);
        let left = tracker.left(Some(Moment(100 * SECOND)), Moment(at * SECOND));
        left.expect("a deadline").micros() / SECOND.unsigned_abs()
    };
    // Two checkpoints beside one and a half periods of the log: 60 s fit.
    left(80);
    for (at, expected) in [(100, 59), (120, 39), (145, 14), (165, 0)] {
        assert_eq!(left(at), expected, "at {at} s");
    }
}

#[test]
fn a_look_that_misses_something_or_another_process_is_no_look_at_the_same_log() {
    let mut tracker = Tracker::default();
    let mut cut = sample("app1-backlog", 80);
    cut.values.remove(names::FIRST);
    tracker.see(&cut);
    assert_eq!(tracker.outlook(), None);
    assert!(tracker.trouble.contains(names::FIRST), "{}", tracker.trouble);
    tracker.see(&sample("app1-backlog", 80));
    let mut restarted = sample("app1-backlog", 100);
    restarted.values.insert(names::STARTED.into(), 99.0);
    restarted.values.insert(names::APPENDED.into(), 20.0);
    tracker.see(&restarted);
    let outlook = tracker.outlook().expect("an outlook");
    assert_eq!(
        outlook.per_second.to_string(),
        "20",
        "rates are those of the new process"
    );
}

/// A run in its steady phase since 70 s, and looks until `until` at which everything is good.
fn steady(plan: &DrillPlan, until: i64) -> (Run, Live) {
    let now = Moment(70 * SECOND);
    let mut run = Run::default();
    let begun = begin(run_id(1), plan.clone());
    begun.records.iter().for_each(|record| run.apply(record, now));
    let guarded = step(&run, Event::GuardsChecked(vec![]), now);
    guarded.records.iter().for_each(|record| run.apply(record, now));
    let mut live = Live::watching(plan);
    for at in (70..=until).step_by(5) {
        for probe in plan.active_probes() {
            let mut seen = sample(&probe.name, at);
            seen.number = live.probes.get(&probe.name).map_or(0, |seen| seen.all);
            if !live.backlogs.contains_key(&probe.name) {
                seen.values.clear();
            }
            for _ in 0..10 {
                live.observe(&seen);
                seen.number += 1;
            }
        }
    }
    (run, live)
}

/// Time passes until `at`; what is recorded of it.
fn tick(run: &mut Run, live: &Live, at: i64) -> Vec<Record> {
    let now = Moment(at * SECOND);
    let decision = step(run, Event::Tick(live.clone()), now);
    decision.records.iter().for_each(|record| run.apply(record, now));
    decision.records
}

fn told(run: &Run) -> &str {
    match &run.abort {
        Some(AbortCause::Rule { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

/// What undoing is said to take, seconds.
fn undoing_takes(plan: &mut DrillPlan, seconds: u64) {
    for rule in &mut plan.scenario.abort {
        if let AbortRule::BacklogDiesWithin { undo_seconds, .. } = rule {
            *undo_seconds = seconds;
        }
    }
}

#[test]
fn what_was_foretold_is_on_record_before_the_fault_and_too_short_a_time_ends_the_outage() {
    let mut plan = plan();
    undoing_takes(&mut plan, 60);
    let (mut run, mut live) = steady(&plan, 100);
    let records = tick(&mut run, &live, 100);
    let kinds: Vec<&str> = records.iter().map(Record::kind).collect();
    assert_eq!(
        kinds,
        [
            "backlog_foretold",
            "backlog_foretold",
            "phase_entered",
            "fault_intended"
        ]
    );
    assert_eq!(run.phase, Some(Phase::Inject));
    // 100 s are left, 90 s are needed.
    live.began(Moment(100 * SECOND));
    tick(&mut run, &live, 105);
    assert_eq!(run.abort, None);
    tick(&mut run, &live, 115);
    assert!(told(&run).contains("app1-backlog"), "{}", told(&run));
    assert_eq!(run.phase, Some(Phase::Revert));
}

#[test]
fn an_outage_does_not_begin_while_its_abort_rule_could_never_fire() {
    let mut plan = plan();
    undoing_takes(&mut plan, 10);
    let (mut run, mut live) = steady(&plan, 100);
    let log = live.backlogs.get_mut("app1-backlog").expect("watched");
    let seen = std::mem::take(log);
    log.trouble = "2 remote-write queues; one is understood".into();
    let phases = plan.scenario.phases;
    let given_up = 70 + i64::try_from(phases.steady_seconds * 3 + 30).expect("short");
    assert!(tick(&mut run, &live, given_up - 1).is_empty());
    let mut later = run.clone();
    tick(&mut run, &live, given_up);
    let Some(AbortCause::NotSteady { waiting }) = &run.abort else {
        panic!("{:?}", run.abort)
    };
    assert!(
        waiting.contains("app1-backlog") && waiting.contains("2 remote-write queues"),
        "{waiting}"
    );
    live.backlogs.insert("app1-backlog".into(), seen);
    tick(&mut later, &live, given_up);
    assert_eq!((later.abort, later.phase), (None, Some(Phase::Inject)));
}

#[test]
fn a_plan_names_its_abort_rules_and_those_that_would_refuse_it_now() {
    let mut plan = plan();
    plan.scenario.phases.worst_start_seconds = 60;
    let text = plan.to_text();
    for line in [
        "  abort    when the backlog that app1-backlog watches dies in less than 180 s (150 s to undo, 30 s on top); where it would at",
        "  hold     at most 60 s, for the worst moment",
        "  takes    110 s to 590 s, ",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }

    let mut tracker = Tracker::default();
    (80..=100)
        .step_by(5)
        .for_each(|at| tracker.see(&sample("app1-backlog", at)));
    let foretold = tracker.foretell(&app1(), Moment(100 * SECOND));
    let foresight = Foresight {
        windows: vec![PlannedWindow::new(&app1(), foretold.ok_or_else(String::new))],
        ..Foresight::default()
    };
    // Not quite 100 s are left.
    let text = foresight.text(&plan);
    let refusal = text.lines().find(|line| line.contains("would refuse now"));
    let refusal = refusal.unwrap_or_else(|| panic!("{text}"));
    assert!(
        refusal.starts_with("  app1-backlog: backlog_dies_within would refuse now: 9")
            && refusal.ends_with(" s left < 180 s"),
        "{refusal}"
    );
    undoing_takes(&mut plan, 60);
    let text = foresight.text(&plan);
    assert!(!text.contains("would refuse now"), "{text}");
}

#[test]
fn an_outage_is_held_back_for_the_worst_moment_as_long_as_the_scenario_allows() {
    // Stopped just before the writer leaves segment 6, at 140 s, the backlog dies at 200 s: the worst there is. The queue takes
    // 10 to 20 s, and the tick is known to 2.5 s, so the outage begins 22.5 s before.
    let begun = |allowed: u64, at: i64| {
        let mut plan = plan();
        plan.scenario.abort.clear();
        plan.scenario.phases.worst_start_seconds = allowed;
        let (mut run, live) = steady(&plan, 100);
        let held = tick(&mut run, &live, 100);
        let later = tick(&mut run, &live, at);
        let told = |all: &[Record]| {
            all.iter()
                .filter(|r| matches!(r, Record::HeldBack { .. }))
                .count()
        };
        assert_eq!(told(&later), 0, "it is told once");
        (told(&held) == 1, run.phase == Some(Phase::Inject))
    };
    for (allowed, at, expected) in [
        (60, 116, (true, false)),
        (60, 118, (true, true)),
        // It does not come within the time, or nobody asked for it.
        (20, 101, (false, true)),
        (0, 101, (false, true)),
    ] {
        assert_eq!(begun(allowed, at), expected, "{allowed} s, at {at} s");
    }
}

#[test]
fn an_outage_whose_backlog_could_not_be_saved_is_not_begun() {
    let mut plan = plan();
    undoing_takes(&mut plan, 100);
    let (mut run, live) = steady(&plan, 100);
    let records = tick(&mut run, &live, 100);
    assert!(told(&run).contains("undoing takes 100 s"), "{}", told(&run));
    assert!(
        records.iter().all(|r| r.kind() != "fault_intended"),
        "{records:?}"
    );
    assert_eq!(run.phase, Some(Phase::Verdict));
}

#[test]
fn a_run_is_watched_until_what_the_receiver_owes_has_arrived() {
    let plan = plan();
    let (mut run, mut live) = steady(&plan, 100);
    let begun = Record::PhaseEntered { phase: Phase::Verify };
    run.apply(&begun, Moment(100 * SECOND));
    live.began(Moment(90 * SECOND));
    let mut number = live.probes["app1-canary-stored"].all;
    let mut judged = |at: i64, until: Option<i64>| {
        for name in ["app1-canary-stored", "app2-canary-stored"] {
            let mut seen = sample(name, at);
            seen.number = number;
            let until = until.map(|at| f64::from(i32::try_from(at).expect("small")));
            seen.values = until
                .map(|at| (STORED_UNTIL.to_owned(), at))
                .into_iter()
                .collect();
            live.observe(&seen);
        }
        number += 1;
        let records = tick(&mut run, &live, at);
        records.iter().any(|r| r.kind() == "phase_entered")
    };
    assert!(!judged(101, None), "the receiver is away");
    // The newest number is young enough to be good, and older than the receiver's return.
    assert!(!judged(102, Some(95)));
    assert!(!judged(103, Some(101)));
    assert!(judged(104, Some(102)));
}

/// A history of an agent that is as foretold, or whose ticks come when `warp` says.
fn recorded(warp: fn(i64) -> i64) -> History {
    let plan = plan();
    let mut history = history(plan, |probe, at| {
        let log = probe.name.ends_with("-backlog");
        let values = if log {
            values(warp(at / SECOND + BEFORE))
        } else {
            BTreeMap::new()
        };
        (true, values)
    });
    let mut tracker = Tracker::default();
    let shifted = |line: &mut Line| {
        if let What::Sample(sample) = &mut line.what
            && sample.probe.ends_with("-backlog")
        {
            for name in [names::STARTED, names::LAST_TICK] {
                let value = sample.values.get_mut(name).expect("a look");
                *value -= 95.0;
            }
        }
    };
    history.lines.iter_mut().for_each(shifted);
    for sample in history.samples("app1-backlog") {
        if sample.done.0 < 20 * SECOND {
            tracker.see(sample);
        }
    }
    let forecast = tracker
        .foretell(&app1(), Moment(20 * SECOND))
        .expect("a forecast");
    let record = Record::BacklogForetold {
        forecast: Box::new(forecast),
    };
    let line = Line {
        time: Moment(20 * SECOND),
        what: What::Record(record),
    };
    history.lines.insert(2, line);
    history
}

#[test]
fn the_report_holds_what_was_foretold_beside_what_was_seen() {
    let report = |warp| {
        let history = recorded(warp);
        let report = assemble(&history, &Facts::default(), Moment(120 * SECOND)).expect("planned");
        // What is recorded is what is judged: nothing is lost on the way to the file and back.
        let text: Vec<u8> = history.lines.iter().flat_map(Line::to_json).collect();
        let again = History::read(std::str::from_utf8(&text).expect("text"));
        assert_eq!(again.lines.len(), history.lines.len());
        let read = assemble(&again, &Facts::default(), Moment(120 * SECOND));
        assert_eq!(read.map(|r| r.wal), Some(report.wal.clone()));
        report
    };
    let agree = |report: &domain::drill::report::model::Report, what: &str| {
        let found = report.wal[0]
            .foreseen
            .iter()
            .find(|f| f.what == what)
            .map(|f| f.agree);
        found.expect("a row")
    };
    let as_foretold = report(|at| at);
    let [wal] = as_foretold.wal.as_slice() else {
        panic!("{:?}", as_foretold.wal)
    };
    assert_eq!(wal.cluster, "app1");
    assert!(wal.headroom.len() > 5 && !wal.inputs.is_empty());
    assert_eq!(agree(&as_foretold, "next truncation"), Verdict::Pass);
    assert_eq!(agree(&as_foretold, "samples a second"), Verdict::Pass);
    // Without a receiver that was asked nothing can be said of the backlog itself.
    assert_eq!((wal.predicted_loss, wal.observed_loss), (None, None));
    assert!(as_foretold.horizon.iter().any(|h| h.dependency == "app1 metrics"));
    let figure = |id: &str| as_foretold.measurements.iter().find(|m| m.id == id);
    let worse = |id| figure(id).map(|m| m.worse);
    // Points, whose last digit would make the later of two alike runs the worse one.
    assert_eq!(worse("backlog.app1.least_headroom"), Some(Worse::Neither));
    assert_eq!(worse("prober.lateness_p99"), Some(Worse::Neither));
    // An agent that goes on at a quarter of its pace from the forecast on is not as foretold.
    let slower = report(|at| at.min(115) + (at - 115).max(0) / 4);
    assert_eq!(agree(&slower, "samples a second"), Verdict::Fail);
    assert_eq!(agree(&slower, "next truncation"), Verdict::Fail);
}

#[test]
fn a_report_says_what_ran_and_which_sender_it_was() {
    let version = |version: &str| Version {
        name: "prometheus".into(),
        version: version.into(),
        set: String::new(),
    };
    let told = Facts {
        versions: vec![version("2.0.0")],
        ..Facts::default()
    };
    let judged = |history: &History| assemble(history, &told, Moment(120 * SECOND)).expect("planned");
    // A plan of an older release does not know, and says no sender.
    let mut history = recorded(|at| at);
    let report = judged(&history);
    assert_eq!(report.identity.versions, told.versions);
    assert_eq!(report.wal[0].version, "");
    let planned = history.lines.iter_mut().find_map(|line| match &mut line.what {
        What::Record(Record::Started { plan, .. }) => Some(plan),
        _ => None,
    });
    planned.expect("a plan").versions = vec![version("3.16.0")];
    let report = judged(&history);
    assert_eq!(report.identity.versions, [version("3.16.0")]);
    assert_eq!(report.wal[0].version, "3.16.0");
}

/// A scenario's scale is what its file says; the run's is what its agents did.
#[test]
fn the_scale_is_that_of_the_agents_that_ran() {
    let report = |factor: f64, period: i64| {
        let mut history = recorded(|at| at);
        for line in &mut history.lines {
            match &mut line.what {
                What::Record(Record::Started { plan, .. }) => {
                    plan.scenario.scale.factor = factor;
                    plan.scenario.scale.note = "an hour in the file".into();
                }
                What::Record(Record::BacklogForetold { forecast }) => {
                    for input in &mut forecast.inputs {
                        if input.name == names::PERIOD {
                            input.value = Quantity::from_millis(period * 1000);
                        }
                    }
                }
                _ => {}
            }
        }
        assemble(&history, &Facts::default(), Moment(120 * SECOND)).expect("planned")
    };
    for (factor, period, ticks, label, contradicts) in [
        (1.0, 7200, (7200, 7200), None, false),
        (
            1.0,
            20,
            (20, 7200),
            Some("C2 is scaled: 20 s stand for 7200 s; the metrics agents truncate so often"),
            false,
        ),
        (
            360.0,
            20,
            (20, 7200),
            Some("C2 is scaled: 20 s stand for 7200 s; an hour in the file"),
            false,
        ),
        (
            40.0,
            20,
            (20, 7200),
            Some("C2 is scaled: 20 s stand for 7200 s; the metrics agents truncate so often"),
            true,
        ),
        (40.0, 7200, (7200, 7200), None, true),
        // Longer than Prometheus' own is no scale.
        (1.0, 28_800, (28_800, 28_800), None, false),
    ] {
        let report = report(factor, period);
        let scale = report.identity.scale;
        assert_eq!((scale.tick_seconds, scale.of_seconds), ticks);
        assert_eq!(report.label.as_deref(), label);
        let told = report.notes.iter().any(|n| n.contains("labelled by what ran"));
        assert_eq!(told, contradicts, "{factor} and {period} s: {:?}", report.notes);
    }
}

/// Runs that are on disk are judged again: what was stored is read, and is written as the same JSON.
#[test]
fn the_stored_forms_of_forecast_and_report_stay_as_they_were() {
    let history = recorded(|at| at);
    let report = assemble(&history, &Facts::default(), Moment(120 * SECOND)).expect("planned");
    let forecast = history.records().find_map(|(_, record)| match record {
        Record::BacklogForetold { forecast } => Some(forecast),
        _ => None,
    });
    let now = json!({"forecast": forecast, "report": report.wal[0]});
    if std::env::var_os("DRILLYARD_REGENERATE").is_some() {
        std::fs::write(STORED, format!("{now:#}\n")).expect("written");
    }
    let text = std::fs::read_to_string(STORED).expect("golden");
    let stored: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(now, stored);
    let forecast: Foretold = serde_json::from_value(stored["forecast"].clone()).expect("a forecast");
    let report: WalReport = serde_json::from_value(stored["report"].clone()).expect("a report");
    assert_eq!(json!({"forecast": forecast, "report": report}), stored);
}
