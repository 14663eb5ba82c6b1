//! Drills on the real lab, and whether what their reports say is so: mgmt goes away and comes back, and what its report says is
//! counted anew with `kubectl`, the receiver's own query API and Vault; so is what a metrics agent loses that restarts meanwhile;
//! controls are found to violate what they are meant to; and a drill whose coordinator is killed in its middle leaves nothing.
//!
//! The platform's lab, with the bundle's `drill` profile: see `platform`. With it there, about twenty minutes:
//! `cargo test -p tests --test scenarios -- --ignored --nocapture drills`.

use super::health;
use super::platform::{APPLICATIONS, query, secrets_are_what_vault_has};
use coordinator::drill::runs;
use domain::drill::assemble::last_look;
use domain::drill::history::History;
use domain::drill::report::model::Report;
use domain::drill::report::verdict::Verdict;
use model::ids::{ComponentName, RunId};
use model::lab::Lab;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::lab::TestLab;
use tests::patience::until;

/// How long nodes and places may take to say that they are well, once a drill has ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much further back than the run's begin the receiver is asked.
const BEFORE: u64 = 30;

/// How long mgmt-down may take in all where its agents truncate as often as [`TRUNCATE`] says.
const LONGEST: Duration = Duration::from_secs(360);

/// What makes the lab's mgmt-down its scaled form: the outage of 90 s stands for one of an hour.
const TRUNCATE: &str = "180s";

#[test]
#[ignore = "builds the drill profile first; see the top of this file"]
fn what_drills_report_is_so() {
    if !tests::lab::fit() {
        return;
    }
    let lab = TestLab::of(scaled()).expect("a lab");
    let up = lab.run(&["up", "--yes", "--through", "8"]).expect("up runs");
    assert!(up.status.success(), "{:?}", up.status);
    health::check(&lab);
    mgmt_goes_and_nothing_is_lost_that_the_report_does_not_say(&lab);
    violates(&lab, "secret-deleted", "C3");
    a_killed_driller_leaves_nothing(&lab);
    // The last two do not wait for External Secrets, whose retries would be in the way of the two before.
    an_agent_restarts_and_loses_what_is_counted(&lab);
    an_application_that_needs_mgmt_violates_the_first_contract(&lab);
}

/// The document of the platform's lab, with agents that truncate often.
fn scaled() -> Lab {
    let mut lab = TestLab::document("platform");
    let agent = ComponentName::new("metrics-agent").expect("a name");
    let truncate = ("truncate_frequency".to_owned(), TRUNCATE.to_owned());
    lab.settings.insert(agent, BTreeMap::from([truncate]));
    lab
}

fn mgmt_goes_and_nothing_is_lost_that_the_report_does_not_say(lab: &TestLab) {
    let (code, report) = drill(lab, "mgmt-down");
    for contract in &report.contracts {
        assert_eq!(
            contract.verdict,
            Verdict::Pass,
            "{}: {:#?}",
            contract.id,
            contract.evidence
        );
    }
    assert_eq!(report.contracts.len(), 6);
    assert_eq!(
        (code, report.verdict),
        (Some(0), Verdict::Pass),
        "{:#?}",
        report.notes
    );
    it_was_scaled_and_soon_over(&report);
    nothing_is_left(lab);
    let history = history(lab, &report);
    for cluster in APPLICATIONS {
        nothing_is_counted_otherwise(lab, &report, &history, cluster);
        let secret = format!("{cluster}/demo/demo");
        let told = report.staleness.iter().find(|told| told.secret == secret);
        assert_eq!(told.map(|told| told.served), Some(Verdict::Pass), "{secret}");
    }
    // The report says that the Secrets were served all the time and are fresh again; Vault and the clusters say the values.
    secrets_are_what_vault_has(lab);
}

/// By the report's own times, from the first phase to the end of the last.
fn it_was_scaled_and_soon_over(report: &Report) {
    let scale = report.identity.scale;
    assert!(!scale.is_real(), "{TRUNCATE} was not taken up: {scale}");
    let micros = report.to.micros() - report.from.micros();
    let took = Duration::from_micros(u64::try_from(micros).expect("forwards"));
    println!("{} took {took:?}, {scale}", report.drill);
    assert!(
        took < LONGEST,
        "{} took {took:?}, and {LONGEST:?} is the most: {:#?}",
        report.drill,
        report.phases
    );
}

/// Runs a drill to its end: exit code, and the report that it prints.
fn drill(lab: &TestLab, name: &str) -> (Option<i32>, Report) {
    let output = lab.run(&["--json", "drill", name]).expect("the drill runs");
    let report = serde_json::from_slice(&output.stdout);
    let text = String::from_utf8_lossy(&output.stdout);
    (
        output.status.code(),
        report.unwrap_or_else(|e| panic!("{e}: {text}")),
    )
}

/// Nodes by `kubectl`, every place by `drill doctor`.
fn nothing_is_left(lab: &TestLab) {
    for cluster in health::CLUSTERS {
        until("nodes that are Ready", PATIENCE, || {
            let text = lab.kubectl(cluster, &["get", "nodes", "--no-headers"])?;
            let ready = text
                .lines()
                .filter(|line| line.split_whitespace().nth(1) == Some("Ready"));
            (ready.count() == 2).then_some(()).ok_or(text)
        })
        .expect("both nodes");
    }
    until("a doctor who finds nothing", PATIENCE, || {
        let output = lab
            .run(&["--json", "drill", "doctor"])
            .map_err(|e| e.to_string())?;
        let survey: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        let clean = output.status.success() && survey["clean"] == true;
        clean.then_some(()).ok_or_else(|| survey.to_string())
    })
    .expect("nothing outstanding anywhere");
}

/// What the run recorded.
fn history(lab: &TestLab, report: &Report) -> History {
    let run = RunId::parse(&report.run).expect("an id");
    runs::history(&lab.places(), run).expect("a history")
}

/// Numbers of one series: served, of these stored, and not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Books {
    served: u64,
    arrived: u64,
    lost: u64,
}

/// Of a canary whose pod is still the one that the run began with.
fn nothing_is_counted_otherwise(lab: &TestLab, report: &Report, history: &History, cluster: &str) {
    let log = log_of_canary(lab, cluster);
    for (series, counted, told) in recount(lab, report, history, cluster, &log) {
        assert_eq!(counted, told, "{series}");
    }
}

/// The canary's own log against the receiver's own answer, up to the number at which the run closed its books: after it the canary
/// went on. By series: what is counted, and what the report says.
fn recount(
    lab: &TestLab,
    report: &Report,
    history: &History,
    cluster: &str,
    log: &str,
) -> Vec<(String, Books, Books)> {
    let served = served(log, report.from.micros());
    assert!(
        !served.is_empty(),
        "{cluster}: nothing of the run in the canary's log"
    );
    let stored = stored(lab, cluster, report.from.micros());
    let closed = closed(history, &format!("{cluster}-canary-stored"));
    assert!(!closed.is_empty(), "{cluster}: the run closed no books");
    let shards: Vec<&String> = stored.keys().collect();
    assert_eq!(shards, closed.keys().collect::<Vec<_>>(), "{cluster}: shards");
    let mut all = Vec::new();
    for (shard, newest) in &closed {
        let due: BTreeSet<u64> = served.range(..=newest).copied().collect();
        let number = |of: usize| u64::try_from(of).expect("few");
        let arrived = number(due.intersection(&stored[shard]).count());
        let served = number(due.len());
        let counted = Books {
            served,
            arrived,
            lost: served - arrived,
        };
        let series = format!("{cluster}/canary{{shard=\"{shard}\"}}");
        let told = told(report, &series);
        println!("{series}: {counted:?} counted, {told:?} reported");
        all.push((series, counted, told));
    }
    all
}

/// What the report says of a series; its losses, each with a cause, must come to the same.
fn told(report: &Report, series: &str) -> Books {
    let row = report.ledgers.iter().find(|row| row.series == series);
    let row = row.unwrap_or_else(|| panic!("{series} is not in {:#?}", report.ledgers));
    let losses = report.losses.iter().filter(|loss| loss.series == series);
    let gone: u64 = losses.map(|loss| loss.lost).sum();
    assert_eq!(gone, row.lost, "{series}: losses with a cause");
    Books {
        served: row.served,
        arrived: row.arrived,
        lost: row.lost,
    }
}

/// How the canary's own log is read.
const LOG: [&str; 8] = [
    "-n",
    "monitoring",
    "logs",
    "-l",
    "app=prometheus-agent",
    "-c",
    "canary",
    "--tail=-1",
];

/// As far as the canary's pod of now has one.
fn log_of_canary(lab: &TestLab, cluster: &str) -> String {
    until("the canary's log", PATIENCE, || lab.kubectl(cluster, &LOG)).expect("a log")
}

/// The same until that pod is gone, and its log with it. Whoever waits for a pod that stays has an error in the end.
fn last_of_canary(lab: &TestLab, cluster: &str) -> Result<String, String> {
    let mut words = LOG.to_vec();
    words.extend(["--follow", "--request-timeout=10m"]);
    lab.kubectl(cluster, &words)
}

/// Numbers that the canary served from then on, by its own log.
fn served(log: &str, from_micros: i64) -> BTreeSet<u64> {
    log.lines()
        .filter_map(line)
        .filter(|(_, micros)| *micros >= from_micros)
        .map(|(number, _)| number)
        .collect()
}

/// `NUMBER SECONDS.MICROSECONDS`; a torn line is none.
fn line(text: &str) -> Option<(u64, i64)> {
    let (number, time) = text.trim().split_once(' ')?;
    let (seconds, micros) = time.split_once('.')?;
    let (seconds, micros): (i64, i64) = (
        seconds.parse().ok()?,
        (micros.len() == 6).then(|| micros.parse().ok())??,
    );
    Some((number.parse().ok()?, seconds * 1_000_000 + micros))
}

/// Numbers that the receiver has since then, by shard.
fn stored(lab: &TestLab, cluster: &str, from_micros: i64) -> BTreeMap<String, BTreeSet<u64>> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let seconds = now - u64::try_from(from_micros / 1_000_000).expect("after 1970") + BEFORE;
    let text = format!("drillyard_canary_sequence{{cluster=\"{cluster}\"}}[{seconds}s]");
    let series = until("the canary's series", PATIENCE, || query(lab, &text)).expect("an answer");
    let mut shards = BTreeMap::new();
    for one in &series {
        let shard = one["metric"]["shard"].as_str().expect("a shard").to_owned();
        let points = one["values"].as_array().expect("points").iter();
        let numbers = points.map(|point| whole(point[1].as_str().expect("a number")));
        let all: &mut BTreeSet<u64> = shards.entry(shard).or_default();
        all.extend(numbers);
    }
    shards
}

/// Numbers are below 2^53, so that a float is exactly one of them, however it is written.
fn whole(text: &str) -> u64 {
    let number: f64 = text.parse().expect("a number");
    format!("{number:.0}").parse().expect("a whole one")
}

/// The newest number of every shard that the receiver had when the run closed its books.
fn closed(history: &History, probe: &str) -> BTreeMap<String, u64> {
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    let looks = history.samples(&last_look(probe));
    for key in looks.iter().flat_map(|sample| sample.values.keys()) {
        let (shard, number) = key.split_once('/').expect("SHARD/NUMBER");
        let number: u64 = number.parse().expect("a number");
        let of_shard = newest.entry(shard.to_owned()).or_default();
        *of_shard = number.max(*of_shard);
    }
    newest
}

/// That contract and nothing else; a control that no longer convicts would make every pass worthless.
fn violates(lab: &TestLab, name: &str, contract: &str) -> Report {
    let (_, report) = drill(lab, name);
    let failed: Vec<&str> = report
        .contracts
        .iter()
        .filter(|contract| contract.verdict == Verdict::Fail)
        .map(|contract| contract.id.as_str())
        .collect();
    assert_eq!(failed, [contract], "{name}: {:#?}", report.contracts);
    nothing_is_left(lab);
    report
}

/// How many numbers of each shard the run may not have read of a pod that it deleted: it looks right before, and the canary may
/// serve until it is told to end.
const UNREAD: u64 = 3;

/// The agent's pod takes the canary's log with it, so that is followed from before the run begins.
fn an_agent_restarts_and_loses_what_is_counted(lab: &TestLab) {
    let (report, before) = std::thread::scope(|scope| {
        let follower = scope.spawn(|| last_of_canary(lab, "app1"));
        let report = violates(lab, "agent-restart-during-outage", "C2");
        (report, follower.join().expect("a thread"))
    });
    let log = before.expect("the log of the deleted pod") + "\n" + &log_of_canary(lab, "app1");
    let history = history(lab, &report);
    for (series, counted, told) in recount(lab, &report, &history, "app1", &log) {
        assert!(told.lost > 0, "{series}: nothing is told to be lost");
        assert_eq!(counted.arrived, told.arrived, "{series}");
        let allowed = told.lost..=told.lost + UNREAD;
        assert!(
            allowed.contains(&counted.lost),
            "{series}: {counted:?} counted, {told:?} reported"
        );
    }
    nothing_is_counted_otherwise(lab, &report, &history, "app2");
}

/// By the one that asks mgmt, and not by the one beside it.
fn an_application_that_needs_mgmt_violates_the_first_contract(lab: &TestLab) {
    let report = violates(lab, "dependent-app", "C1");
    let evidence = report.contracts.iter().flat_map(|judged| &judged.evidence);
    let of = |probe: &str| -> Vec<Verdict> {
        let its = evidence.clone().filter(|one| one.text.starts_with(probe));
        its.map(|one| one.verdict).collect()
    };
    assert_eq!(of("app1-dependent-host "), [Verdict::Fail], "{report:#?}");
    assert_eq!(of("app1-web-host "), [Verdict::Pass], "{report:#?}");
}

/// The seed makes it the same moment of the run every time.
fn a_killed_driller_leaves_nothing(lab: &TestLab) {
    let words = ["--json", "drill", "vault-down", "--kill-driller", "7"];
    let output = lab.run(&words).expect("the drill runs");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    println!("{found}");
    assert_eq!(output.status.code(), Some(0), "{found}");
    assert_eq!(found["verdict"], "pass", "{found}");
    assert_eq!(found["seed"], 7, "{found}");
    assert!(found["killed_after_ms"].is_u64(), "{found}");
    nothing_is_left(lab);
    // The program's own word is not taken for it: the history is there and has its end.
    let over = tests::own_drills::all_over(&lab.places()).expect("a finished history");
    assert_eq!(over, 3, "runs on record");
}

/// So that what is counted is known to be read right.
#[test]
fn a_line_of_the_canary_is_its_number_and_its_time() {
    assert_eq!(
        line("1795595539242 1795595602.667873"),
        Some((1_795_595_539_242, 1_795_595_602_667_873))
    );
    for torn in [
        "",
        "1795595539242",
        "1795595539242 17955956",
        "5 5.66",
        "x 1.000000",
    ] {
        assert_eq!(line(torn), None, "{torn}");
    }
    assert_eq!(whole("1.795595539242e+12"), 1_795_595_539_242);
    // What an earlier pod served before the run is not of the run.
    let log = "5 1.000000\n6 2.000000\n7 2.5\n8 3.000000";
    assert_eq!(served(log, 2_000_000), BTreeSet::from([6, 8]));
}
