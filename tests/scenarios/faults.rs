//! Faults on the real lab: each is injected, its effect is seen from outside, it ends by itself, and nothing is left. Then
//! everybody who could end it is killed, and it ends all the same.

mod cases;
mod kills;

use cases::{Case, cases};
use serde_json::Value;
use std::time::{Duration, Instant};
use tests::lab::{TestLab, fit};
use tests::node_net::inside;
use tests::own_drills::{CUT_SHORT, CUT_SHORT_NAME, OwnDrills};
use tests::patience::until;
use tests::prey::{self, Role};

/// What no fault may outlive its deadline by.
const BOUND_MS: i64 = 2_000;

/// A minute of the end-to-end test's standing lab: one fault on a node, one on the host, the driller's agent killed.
pub(crate) fn check(lab: &TestLab) {
    let all = cases(lab);
    for kind in ["stop_unit", "cut_clusters"] {
        let case = all.iter().find(|c| c.kind == kind).expect("a case");
        eprintln!("{}", run_case(lab, case));
    }
    eprintln!("{}", agents_die(lab, &all));
    clean(lab);
}

/// `cargo test -p tests --test scenarios -- --ignored --nocapture every_fault`
#[test]
#[ignore = "boots two nodes and breaks them in every way: eight minutes"]
fn every_fault_is_seen_and_undone() {
    if !fit() {
        return;
    }
    let lab = two_nodes();
    let up = lab.run(&["up", "--yes", "--through", "2"]).expect("up runs");
    assert!(up.status.success(), "up ended with {}", up.status);
    println!(
        "| fault | injected in ms | seen | undone by | undone ms after its deadline | whole again after s |"
    );
    println!("|---|---|---|---|---|---|");
    let all = cases(&lab);
    for case in &all {
        println!("{}", run_case(&lab, case));
    }
    println!("{}", agents_die(&lab, &all));
    println!("{}", power_cycle(&lab, &all));
    println!("{}", coordinator_dies(&lab, &all));
    clean(&lab);
    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success(), "down ended with {}", down.status);
    assert_eq!(crate::leftovers::of("faults"), Vec::<String>::new());
}

/// `DRILLYARD_KILLS` sets how many; fifty without it.
#[test]
#[ignore = "boots two nodes and kills the driller fifty times: a quarter of an hour"]
fn fifty_kills_of_the_driller_leave_nothing_broken() {
    if !fit() {
        return;
    }
    let drills = OwnDrills::new(&[(CUT_SHORT_NAME, CUT_SHORT)]).expect("a checkout of the test's own");
    let lab = two_nodes().in_project(drills.path());
    let up = lab.run(&["up", "--yes", "--through", "2"]).expect("up runs");
    assert!(up.status.success(), "up ended with {}", up.status);
    let wanted = std::env::var("DRILLYARD_KILLS").ok().and_then(|s| s.parse().ok());
    kills::run(&lab, wanted.unwrap_or(50));
    clean(&lab);
    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success(), "down ended with {}", down.status);
}

/// The smallest lab with two clusters: one control plane each.
fn two_nodes() -> TestLab {
    let mut lab = model::lab::Lab::with_subnet("faults", [192, 168, 77]);
    lab.network.coordinator_port = 18443;
    lab.clusters.truncate(2);
    for cluster in &mut lab.clusters {
        cluster.nodes.truncate(1);
    }
    TestLab::of(lab).expect("a lab of the test's own")
}

/// Injects for a few seconds, sees the effect, waits for its own end, sees the effect gone.
fn run_case(lab: &TestLab, case: &Case) -> String {
    // The fault before may still be felt.
    case.until_whole(
        lab,
        case.kind,
        Duration::from_secs(120),
        "broken before it was injected",
    )
    .expect("whole at first");
    let began = Instant::now();
    let lease = inject(lab, &case.fault, case.ttl_ms);
    let took = began.elapsed().as_millis();
    let seen = until(case.kind, Duration::from_secs(5), || {
        if (case.broken)(lab) {
            Ok(())
        } else {
            Err("no effect".into())
        }
    });
    let seen = match (&seen, case.visible) {
        (Err(error), true) => panic!("{error}"),
        (Ok(()), _) => "yes",
        (Err(_), false) => "no (mends itself)",
    };
    let status = over(lab, &lease, case.ttl_ms);
    let late = late_ms(&status);
    let whole = Instant::now();
    case.until_whole(lab, case.kind, Duration::from_secs(120), "still broken")
        .expect("whole again");
    let bound = if case.slow { 60_000 } else { BOUND_MS };
    assert!(late <= bound, "{}: {late} ms late: {status}", case.kind);
    format!(
        "| {} | {took} | {seen} | {} | {late} | {:.1} |",
        case.kind,
        status["cause"].as_str().unwrap_or_default(),
        whole.elapsed().as_secs_f64()
    )
}

/// Both processes of a node's agent die with a lease outstanding.
fn agents_die(lab: &TestLab, all: &[Case]) -> String {
    let case = all.iter().find(|c| c.kind == "stop_unit").expect("a case");
    let lease = inject(lab, &case.fault, 60_000);
    let began = Instant::now();
    let node = lab.lab.clusters[0].nodes[0].name.to_string();
    for prey in prey::agents(lab) {
        if prey.node.as_deref() == Some(&node) && matches!(prey.role, Role::Front | Role::Helper) {
            prey.kill();
        }
    }
    let status = over(lab, &lease, 60_000);
    let took = began.elapsed().as_millis();
    assert_eq!(status["cause"], "agent_start", "{status}");
    case.until_whole(lab, "kubelet", Duration::from_secs(10), "down")
        .expect("kubelet is back");
    format!("| agent's processes SIGKILLed, stop_unit | | yes | agent_start | {took} ms after the kill | 0 |")
}

/// A manifest that is held survives the node's power loss; the boot puts it back.
fn power_cycle(lab: &TestLab, all: &[Case]) -> String {
    let case = all.iter().find(|c| c.kind == "stop_static_pod").expect("a case");
    let node = lab.lab.clusters[0].nodes[0].name.to_string();
    let lease = inject(lab, &case.fault, 300_000);
    assert!(lab.power(&node, "lost").expect("power").status.success());
    let began = Instant::now();
    until("power", Duration::from_secs(60), || {
        let on = lab.power(&node, "on").map_err(|e| e.to_string())?;
        let why = || String::from_utf8_lossy(&on.stderr).into_owned();
        on.status.success().then_some(()).ok_or_else(why)
    })
    .expect("the node boots");
    let status = over(lab, &lease, 120_000);
    assert_eq!(status["cause"], "boot", "{status}");
    let took = began.elapsed().as_millis();
    case.until_whole(lab, "etcd", Duration::from_secs(120), "down")
        .expect("etcd is back");
    format!(
        "| node power-cycled, stop_static_pod | | yes | boot | {took} ms after power came back | {:.1} |",
        began.elapsed().as_secs_f64()
    )
}

/// The coordinator dies with a lease on the host; nobody starts another before the fault is gone.
fn coordinator_dies(lab: &TestLab, all: &[Case]) -> String {
    let case = all.iter().find(|c| c.kind == "cut_clusters").expect("a case");
    inject(lab, &case.fault, 60_000);
    assert!((case.broken)(lab));
    prey::daemon(lab).expect("a daemon").kill();
    let began = Instant::now();
    case.until_whole(lab, "the cut", Duration::from_secs(20), "cut")
        .expect("connected again without a coordinator");
    let took = began.elapsed().as_millis();
    assert!(prey::daemon(lab).is_none(), "somebody started a coordinator");
    assert!(lab.run(&["drill", "doctor", "--fix"]).is_ok());
    format!(
        "| coordinator SIGKILLed, cut_clusters | | yes | coordinator_lost | {took} ms after the kill (grace 3000) | 0 |"
    )
}

/// Injects; gives the lease's id.
pub(crate) fn inject(lab: &TestLab, fault: &Value, ttl_ms: u64) -> String {
    let (fault, ttl) = (fault.to_string(), ttl_ms.to_string());
    let words = [
        "--json",
        "fault",
        "inject",
        &fault,
        "--for",
        &ttl,
        "--grace-ms",
        "3000",
    ];
    let output = until("injection", Duration::from_secs(60), || {
        let output = lab.run(&words).map_err(|e| e.to_string())?;
        // An agent that was just killed may not be back.
        output
            .status
            .success()
            .then_some(output)
            .ok_or_else(|| "not injected".into())
    })
    .expect("injected");
    let lease: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    lease["lease"].as_str().expect("an id").to_owned()
}

/// The lease's last state, as its place or the log tells it, once it is undone.
fn over(lab: &TestLab, lease: &str, ttl_ms: u64) -> Value {
    until(
        "undone",
        Duration::from_millis(ttl_ms) + Duration::from_secs(90),
        || {
            let on_host = std::fs::read(lab.home().join("leases").join(format!("{lease}.json"))).ok();
            let on_host = on_host.and_then(|b| serde_json::from_slice::<Value>(&b).ok());
            let told = on_host.map(|record| record["status"].clone());
            let found = told.or_else(|| on_node(lab, lease)).ok_or("no record")?;
            if found["state"] == "undone" {
                Ok(found)
            } else {
                Err(found["state"].to_string())
            }
        },
    )
    .expect("undone")
}

fn on_node(lab: &TestLab, lease: &str) -> Option<Value> {
    lab.lab.nodes().find_map(|(_, node)| {
        let path = format!("/var/lib/drillyard/exec/leases/{lease}.json");
        let bytes = std::fs::read(inside(lab, node.name.as_str())?.path(&path)).ok()?;
        let record: Value = serde_json::from_slice(&bytes).ok()?;
        Some(record["status"].clone())
    })
}

fn late_ms(status: &Value) -> i64 {
    let end = status["undone"]["to"].as_i64().expect("an end");
    (end - status["deadline"].as_i64().expect("a deadline")) / 1000
}

/// Looks, and heals nothing. The coordinator may have been the last to die; then one is started, to ask the nodes. An API server that
/// comes back from the last fault refuses even its own operators for a while.
fn clean(lab: &TestLab) {
    let _serving = prey::daemon(lab)
        .is_none()
        .then(|| lab.start(&["serve"]).expect("a coordinator"));
    until("doctor", kills::RECOVERY, || {
        let output = lab
            .run(&["--json", "drill", "doctor"])
            .map_err(|e| e.to_string())?;
        let survey: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        if survey["clean"] == true {
            Ok(())
        } else {
            Err(survey.to_string())
        }
    })
    .expect("nothing outstanding anywhere");
}
