//! Kill the driller on the real lab: random faults on both nodes and the host, or a drill with faults on both, SIGKILL for
//! coordinator and agents at random moments, and after each round everything is whole and every drill has its end on record.

use super::cases::cases;
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tests::dice::Dice;
use tests::lab::TestLab;
use tests::own_drills::{self, CUT_SHORT_NAME};
use tests::patience::until;
use tests::prey::{self, Role};

/// How long a node takes at most until it is well again once the faults are undone. The longest is an API server that gave up on its
/// etcd meanwhile: kubelet starts it anew, and lets it wait longer each time.
pub(super) const RECOVERY: Duration = Duration::from_secs(150);

/// Kills of one round.
const ROUND: usize = 5;

/// Every so many rounds a drill runs in place of two faults, the first round among them.
const DRILL_EVERY: usize = 2;

/// How long a coordinator that is started takes until it serves, and a drill until its run is on record.
const START: Duration = Duration::from_secs(60);

/// Faults whose undoing is bound to two seconds; a node's boot is not.
const FAULTS: [&str; 9] = [
    "stop_unit",
    "stop_static_pod",
    "pause_workload",
    "cut_peers",
    "lose_packets",
    "drop_dns",
    "fill_disk",
    "link_down",
    "cut_clusters",
];

pub(super) fn run(lab: &TestLab, wanted: usize) {
    let mut dice = Dice::new();
    let (mut kills, mut rounds) = (0, 0_usize);
    let (mut leases, mut worst) = (0, i64::MIN);
    let (mut drills, mut drillers) = (0, 0);
    // Ended by `down`; kept so that nobody else takes them for theirs.
    let mut served: Vec<Child> = Vec::new();
    while kills < wanted {
        let drilled = rounds.is_multiple_of(DRILL_EVERY);
        rounds += 1;
        let all: Vec<_> = cases(lab)
            .into_iter()
            .filter(|c| FAULTS.contains(&c.kind))
            .collect();
        let mut calls: Vec<Child> = Vec::new();
        if drilled {
            serve(lab, &mut served);
            calls.push(drill(lab));
            drills += 1;
        } else {
            for _ in 0..2 {
                let case = dice.one_of(all.iter().collect()).expect("a case");
                calls.push(inject(lab, &case.fault.to_string()));
            }
        }
        for _ in 0..ROUND.min(wanted - kills) {
            std::thread::sleep(dice.moment(Duration::from_millis(20), Duration::from_millis(1200)));
            let mut prey = prey::agents(lab);
            prey.extend(prey::daemon(lab));
            if let Some(prey) = dice.one_of(prey) {
                prey.kill();
                kills += 1;
                if drilled && prey.role == Role::Coordinator {
                    drillers += 1;
                    // The next one may die while it ends what this one left.
                    serve(lab, &mut served);
                }
            }
        }
        for mut call in calls {
            // It may have lost its coordinator.
            let _ = call.wait();
        }
        let (seen, late) = settled(lab);
        leases += seen;
        worst = worst.max(late);
        for case in &all {
            case.until_whole(lab, case.kind, RECOVERY, "broken")
                .expect("whole again");
        }
        assert!(
            late <= super::BOUND_MS,
            "round {rounds}: a fault outlived its lease by {late} ms"
        );
        if drilled {
            serve(lab, &mut served);
            let over = own_drills::all_over(&lab.places()).expect("a finished history");
            assert_eq!(over, drills, "round {rounds}: runs on record");
        }
    }
    println!(
        "{kills} kills in {rounds} rounds, {leases} leases on record, the latest undo {worst} ms after its deadline; \
         {drills} drills, whose coordinator died {drillers} times, all with their end on record"
    );
    assert!(leases > 0, "nothing was injected");
    for mut one in served {
        // What runs of them is ended by `down`; of the others only their exit status is left.
        let _ = one.try_wait();
    }
}

/// A fault by hand, for four seconds.
fn inject(lab: &TestLab, fault: &str) -> Child {
    let words = [
        "--json",
        "fault",
        "inject",
        fault,
        "--for",
        "4000",
        "--grace-ms",
        "2000",
    ];
    quietly(lab, &words)
}

/// A drill, and its run is on record.
fn drill(lab: &TestLab) -> Child {
    let before = own_drills::begun(&lab.places()).expect("runs").len();
    let call = quietly(lab, &["drill", CUT_SHORT_NAME]);
    until("a run on record", START, || {
        let now = own_drills::begun(&lab.places())?.len();
        (now > before).then_some(()).ok_or_else(|| format!("{now} runs"))
    })
    .expect("the drill began");
    call
}

/// What it says is nobody's: it may lose its coordinator.
fn quietly(lab: &TestLab, words: &[&str]) -> Child {
    let call = lab
        .command(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    call.expect("started")
}

/// A coordinator serves; it undoes and ends what the one before left.
fn serve(lab: &TestLab, served: &mut Vec<Child>) {
    if prey::daemon(lab).is_none() {
        served.push(quietly(lab, &["serve"]));
    }
    until("a coordinator", START, || {
        prey::daemon(lab).map(drop).ok_or_else(|| "nobody serves".into())
    })
    .expect("a coordinator serves");
}

/// Waits until no record anywhere is outstanding; how many there are and how late the latest undo was.
fn settled(lab: &TestLab) -> (usize, i64) {
    let since = Instant::now();
    loop {
        let all = records(lab);
        if all.iter().all(|status| status["state"] == "undone") {
            let late = all.iter().map(super::late_ms).max().unwrap_or(i64::MIN);
            return (all.len(), late);
        }
        assert!(since.elapsed() < Duration::from_secs(60), "outstanding: {all:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn records(lab: &TestLab) -> Vec<Value> {
    let mut folders = vec![lab.home().join("leases")];
    for (_, node) in lab.lab.nodes() {
        let inside = tests::node_net::inside(lab, node.name.as_str());
        folders.extend(inside.map(|i| i.path("/var/lib/drillyard/exec/leases")));
    }
    folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "json"))
        .filter_map(|entry| {
            let record: Value = serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()?;
            Some(record["status"].clone())
        })
        .collect()
}
