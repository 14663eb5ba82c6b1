//! What a run comes to, and that a run which is cut off anywhere leaves nothing broken.

use crate::world::{Loopback, Nature, SLOW, plan, plan_with_failing};
use coordinator::drill::runner::{RunHandle, Runner};
use coordinator::drill::stage::Stage;
use coordinator::drill::timeline::Timeline;
use domain::drill::assemble::{Facts, assemble};
use domain::drill::contract::ContractId;
use domain::drill::history::History;
use domain::drill::phases::Run;
use domain::drill::record::{AbortCause, Phase};
use domain::drill::report::model::Report;
use domain::drill::report::verdict::Verdict;
use model::ids::RunId;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const RUN: RunId = RunId([7; 16]);

fn runner(folder: &Path, world: &Arc<Loopback>) -> (Runner, RunHandle) {
    let stage: Arc<dyn Stage> = Arc::<Loopback>::clone(world);
    Runner::new(folder.to_owned(), stage, Facts::default(), Timeline::begin())
        .expect("a folder that can be written")
}

fn history(folder: &Path) -> History {
    History::read(&std::fs::read_to_string(folder.join("history.jsonl")).expect("a history"))
}

fn report(folder: &Path) -> Report {
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).expect("a report")).expect("JSON")
}

fn contract(report: &Report, id: ContractId) -> Verdict {
    report
        .contracts
        .iter()
        .find(|c| c.id == id.to_string())
        .expect("all six")
        .verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_nobody_notices_passes_and_its_recovery_is_bounded() {
    let (folder, world) = (
        tempfile::tempdir().expect("folder"),
        Loopback::start(Nature::default()).await,
    );
    let (runner, _handle) = runner(folder.path(), &world);
    let verdict = runner.carry_out(RUN, plan()).await.expect("recorded");
    let (report, history) = (report(folder.path()), history(folder.path()));
    assert_eq!(verdict, Verdict::Pass, "{report:#?}");
    assert_eq!(contract(&report, ContractId::C1), Verdict::Pass);
    assert_eq!(contract(&report, ContractId::C6), Verdict::NotCovered);
    let names: Vec<&str> = report.phases.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "guard", "steady", "inject", "observe", "revert", "verify", "verdict"
        ]
    );
    // The service was good again when the undo returned; the measured interval must hold that moment.
    let fault = history.faults().remove(0);
    let (undo_began, undone) = fault.ended.expect("undone");
    let recovery = report
        .recovery
        .iter()
        .find(|r| r.counted_from == "fault")
        .expect("measured");
    let bounds = recovery.service_good.expect("came back");
    let since = |m: model::moment::Moment, n: model::moment::Moment| m.0 - n.0;
    assert!(bounds.low.micros() <= since(undone, fault.began.0), "{bounds:?}");
    assert!(
        bounds.high.micros() >= since(undo_began, fault.began.1),
        "{bounds:?}"
    );
    // As wide as the two calls and the gap between the last bad request and the first good answer, however busy the host is.
    let samples = history.samples("mgmt");
    let last_bad = samples.iter().rposition(|s| !s.is_good()).expect("it was away");
    let gap = samples[last_bad + 1].done.0 - samples[last_bad].sent.unwrap_or(samples[last_bad].due).0;
    let width = bounds.high.minus(bounds.low).micros();
    assert_eq!(width, gap + since(fault.began.1, fault.began.0), "{bounds:?}");
    // What users missed lasted from before the fault was certain to after its end: two seconds at least.
    let missed = report.recovery.iter().find(|r| r.counted_from == "outage");
    let missed = missed.and_then(|r| r.service_good).expect("measured");
    assert!(missed.high.micros() >= 2_000_000, "{missed:?}");
    // Judged again from the file it says the same.
    let end = history.lines.iter().map(|l| l.time).max().expect("lines");
    let again = assemble(&history, &Facts::default(), end).expect("planned");
    assert_eq!(
        (again.verdict, again.contracts, again.recovery),
        (report.verdict, report.contracts, report.recovery)
    );
    assert!(!world.broken.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_depends_on_what_is_lost_violates_its_contract() {
    let nature = Nature {
        app_needs_mgmt: true,
        ..Nature::default()
    };
    let (folder, world) = (
        tempfile::tempdir().expect("folder"),
        Loopback::start(nature).await,
    );
    let (runner, _handle) = runner(folder.path(), &world);
    let verdict = runner.carry_out(RUN, plan()).await.expect("recorded");
    let report = report(folder.path());
    assert_eq!(verdict, Verdict::Fail, "{report:#?}");
    assert_eq!(contract(&report, ContractId::C1), Verdict::Fail);
    let text = &report.contracts[0].evidence[0].text;
    assert!(text.contains("status 503"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_cannot_be_injected_proves_nothing() {
    let nature = Nature {
        refuses: true,
        ..Nature::default()
    };
    let (folder, world) = (
        tempfile::tempdir().expect("folder"),
        Loopback::start(nature).await,
    );
    let (runner, _handle) = runner(folder.path(), &world);
    assert_eq!(
        runner.carry_out(RUN, plan()).await.expect("recorded"),
        Verdict::Inconclusive
    );
    let report = report(folder.path());
    assert!(
        report
            .notes
            .iter()
            .any(|n| n.contains("this world cannot be broken")),
        "{:?}",
        report.notes
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_ends_before_it_is_undone_proves_nothing_and_is_told() {
    let nature = Nature {
        ends_early: true,
        ..Nature::default()
    };
    let (folder, world) = (
        tempfile::tempdir().expect("folder"),
        Loopback::start(nature).await,
    );
    let (runner, _handle) = runner(folder.path(), &world);
    let verdict = runner.carry_out(RUN, plan()).await.expect("recorded");
    let (report, history) = (report(folder.path()), history(folder.path()));
    assert_eq!(verdict, Verdict::Inconclusive, "{:?}", report.notes);
    let note = |n: &String| n.starts_with("away was not in force") && n.contains("(agent_start)");
    assert!(report.notes.iter().any(note), "{:?}", report.notes);
    assert_eq!(report.faults[0].end, "agent_start");
    // The outage ends with the fault and not with the order to undo it, so the return is after its end and can be measured.
    let revert = history.phases().into_iter().find(|p| p.name == Phase::Revert);
    let (ended, revert) = (history.faults()[0].ended.expect("over"), revert.expect("undone"));
    assert!(ended.1 < revert.from, "{ended:?} {revert:?}");
    let from_end = report.recovery.iter().find(|r| r.counted_from == "revert");
    let back = from_end.and_then(|r| r.service_good).expect("measured");
    assert!(back.high.micros() > 0, "{back:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_the_last_moment_is_waited_for() {
    let (folder, world) = (
        tempfile::tempdir().expect("folder"),
        Loopback::start(Nature::default()).await,
    );
    let (runner, _handle) = runner(folder.path(), &world);
    let verdict = runner
        .carry_out(RUN, plan_with_failing())
        .await
        .expect("recorded");
    assert_eq!(verdict, Verdict::Pass);
    let history = history(folder.path());
    let end = history.phases().into_iter().find(|p| p.name == Phase::Verdict);
    let end = end.expect("judged").from;
    let samples = history.samples("slow");
    let late = samples.iter().filter(|s| s.due <= end && s.done > end).count();
    assert!(late > 0, "none was under way {SLOW:?} before {end}");
    let last = samples.last().expect("asked").number;
    assert_eq!(
        samples.len(),
        usize::try_from(last).expect("small") + 1,
        "one is missing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_looks_go_back_to_the_begin_of_a_run_that_another_coordinator_began() {
    let (folder, world) = (
        tempfile::tempdir().expect("folder"),
        Loopback::start(Nature::default()).await,
    );
    let (first, _handle) = runner(folder.path(), &world);
    let watched = Arc::clone(&world);
    let broken = async move {
        while !watched.broken.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = broken => {}
        _ = first.carry_out(RUN, plan()) => panic!("it ended before it was cut off"),
    }
    let left = history(folder.path());
    let (second, _handle) = runner(folder.path(), &world);
    second.recover(&left).await.expect("recorded");
    assert_eq!(world.began.load(Ordering::SeqCst), left.lines[0].time.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_ends_it_gets_everything_back() {
    let (folder, world) = (
        tempfile::tempdir().expect("folder"),
        Loopback::start(Nature::default()).await,
    );
    let (runner, handle) = runner(folder.path(), &world);
    let watched = Arc::clone(&world);
    tokio::spawn(async move {
        while !watched.broken.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        handle.abort();
    });
    assert_eq!(
        runner.carry_out(RUN, plan()).await.expect("recorded"),
        Verdict::Inconclusive
    );
    assert!(!world.broken.load(Ordering::SeqCst));
    assert_eq!(history(folder.path()).abort(), Some(&AbortCause::Operator {}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_cut_off_anywhere_is_undone_by_the_next_coordinator() {
    let cuts = if std::env::var_os("DRILLYARD_LONG").is_some() {
        40
    } else {
        8
    };
    let one = |cut: u32| async move {
        let (folder, world) = (
            tempfile::tempdir().expect("folder"),
            Loopback::start(Nature::default()).await,
        );
        let (runner, _handle) = runner(folder.path(), &world);
        // Spread over the whole run, which takes between three and four seconds.
        let after = Duration::from_millis(u64::from(cut) * 3_600 / u64::from(cuts) + 50);
        let ended = tokio::time::timeout(after, runner.carry_out(RUN, plan())).await;
        if ended.is_ok() {
            return;
        }
        let left = history(folder.path());
        let was_judged = Run::fold(left.records()).finished.is_some();
        let (second, _handle) = self::runner(folder.path(), &world);
        let verdict = second.recover(&left).await.expect("recorded");
        assert!(
            !world.broken.load(Ordering::SeqCst),
            "cut off after {after:?}: still broken"
        );
        let whole = history(folder.path());
        assert!(
            Run::fold(whole.records()).finished.is_some(),
            "cut off after {after:?}: never finished"
        );
        assert!(
            was_judged || verdict == Verdict::Inconclusive || whole.abort().is_none(),
            "cut off after {after:?}"
        );
    };
    futures_util::future::join_all((0..cuts).map(one)).await;
}
