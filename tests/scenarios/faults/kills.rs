//! Kill the driller on the real lab: random faults on both nodes and the host, SIGKILL for coordinator and agents at random
//! moments, and after each round everything is whole.

use super::cases::cases;
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tests::dice::Dice;
use tests::lab::TestLab;
use tests::prey;

/// How long a node takes at most until it is well again once the faults are undone. The longest is etcd: before kubelet starts
/// it, it asks the API server for the mirror pod, which waits for etcd, for up to the minute after which an API server gives up.
const RECOVERY: Duration = Duration::from_secs(150);

/// Kills of one round.
const ROUND: usize = 5;
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
    let (mut kills, mut rounds) = (0, 0);
    let (mut leases, mut worst) = (0, i64::MIN);
    while kills < wanted {
        rounds += 1;
        let all: Vec<_> = cases(lab)
            .into_iter()
            .filter(|c| FAULTS.contains(&c.kind))
            .collect();
        let mut calls: Vec<Child> = Vec::new();
        for _ in 0..2 {
            let case = dice.one_of(all.iter().collect()).expect("a case");
            let fault = case.fault.to_string();
            let words = [
                "--json",
                "fault",
                "inject",
                &fault,
                "--for",
                "4000",
                "--grace-ms",
                "2000",
            ];
            let call = lab
                .command(&words)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            calls.push(call.expect("started"));
        }
        for _ in 0..ROUND.min(wanted - kills) {
            std::thread::sleep(dice.moment(Duration::from_millis(20), Duration::from_millis(1200)));
            let mut prey = prey::agents(lab);
            prey.extend(prey::daemon(lab));
            if let Some(prey) = dice.one_of(prey) {
                prey.kill();
                kills += 1;
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
    }
    println!(
        "{kills} kills in {rounds} rounds, {leases} leases on record, the latest undo {worst} ms after its deadline"
    );
    assert!(leases > 0, "nothing was injected");
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
