//! One lab, much goes wrong in it: control planes lose power during their own `kubeadm init`, before and after their API
//! server was first healthy, and a port that kubeadm needs is taken. What can recover does so by itself, the rest says what
//! was found, and nothing that ever served is made anew.

use crate::health::CLUSTERS;
use domain::history::{self, Line};
use domain::record::Record;
use model::ids::Revision;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tests::dice::Dice;
use tests::lab::{TestLab, fit};
use tests::patience::until;
use tests::prey::{self, Role};
use tests::witness::Witness;

const UP: [&str; 4] = ["up", "--yes", "--through", "2"];

/// Where power is cut: before the API server was first healthy, and once more after it on one of the nodes.
const CUTS: [(&str, &str); 3] = [
    ("mgmt-cp", "kubeadm_init/etcd"),
    ("app1-cp", "kubeadm_init/wait_control_plane"),
    ("mgmt-cp", "kubeadm_init/bootstrap_token"),
];

/// The node whose port is taken while kubeadm looks at it.
const OCCUPIED: &str = "app2-cp";

/// Five minutes: `cargo test -p tests -- --ignored --nocapture hardships`.
#[test]
#[ignore = "takes minutes"]
fn power_cuts_during_init_are_recovered_and_a_taken_port_is_told() {
    if !fit() {
        return;
    }
    let lab = TestLab::new("test").expect("a lab of the test's own");
    let mut dice = Dice::new();
    let mut up = lab.start(&UP).expect("up starts");
    let mut port = occupy(&lab, OCCUPIED).expect("the port is taken");
    std::thread::scope(|scope| {
        // Cuts of one node follow one another; nodes do not wait for each other.
        for node in ["mgmt-cp", "app1-cp"] {
            let moments: Vec<_> = CUTS
                .iter()
                .filter(|(on, _)| *on == node)
                .map(|(_, step)| (*step, dice.moment(Duration::ZERO, Duration::from_millis(800))))
                .collect();
            let lab = &lab;
            scope.spawn(move || {
                for (step, later) in moments {
                    cut(lab, node, step, later).expect("power was cut and came back");
                }
            });
        }
    });
    let status = up.wait().expect("up ends");
    assert_eq!(status.code(), Some(5), "the taken port leaves the run partial");
    told_of_the_port(&lab);

    let _ = port.kill();
    let _ = port.wait();
    let again = lab.run(&UP).expect("up runs");
    assert!(again.status.success(), "up again ended with {}", again.status);
    for cluster in CLUSTERS {
        let nodes = lab
            .kubectl(cluster, &["get", "nodes", "--no-headers"])
            .expect("nodes");
        assert_eq!(nodes.lines().count(), 2, "{cluster}: {nodes}");
    }
    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success(), "down ended with {}", down.status);
    let lines = tests::history::recorded(&lab).expect("a log");
    match history::check(&lines) {
        Ok(summary) => eprintln!("history: {summary:?}"),
        Err(broken) => panic!("{broken:#?}"),
    }
    for (node, cluster, boots) in [("mgmt-cp", "mgmt", 3), ("app1-cp", "app1", 2)] {
        let seen = boots_of(&lines, node);
        assert_eq!(seen.len(), boots, "boots of {node}");
        let served = served(&lines, cluster).expect("it served");
        assert!(
            seen[1] < served,
            "{node} was first cut off after {cluster} had served"
        );
    }
}

/// Cuts the node's power a moment after its step began, and gives it back.
fn cut(lab: &TestLab, node: &str, step: &str, later: Duration) -> Result<(), String> {
    let witness = Witness::new(lab)?;
    witness.sees(node, "step_dispatched", step, Duration::from_secs(300))?;
    std::thread::sleep(later);
    power(lab, node, "lost")?;
    // The kernel may still hold what the dead node had; an operator would press the button again, too.
    until("the node boots", Duration::from_secs(60), || {
        power(lab, node, "on")
    })?;
    eprintln!("{node} lost its power {later:?} after {step} was handed out");
    Ok(())
}

fn power(lab: &TestLab, node: &str, to: &str) -> Result<(), String> {
    let done = lab.power(node, to).map_err(|e| e.to_string())?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{node} {to}: {}", String::from_utf8_lossy(&done.stdout)))
}

/// Listens on the API server's port in the node, before kubeadm looks.
fn occupy(lab: &TestLab, node: &str) -> Result<Child, String> {
    let helper = until("the node's agent", Duration::from_secs(120), || {
        prey::agents(lab)
            .into_iter()
            .find(|prey| prey.role == Role::Front && prey.node.as_deref() == Some(node))
            .ok_or_else(|| "none".into())
    })?;
    Command::new("nsenter")
        .args(["--net", "--target", &helper.pid.to_string()])
        .args(["socat", "TCP-LISTEN:6443,fork,reuseaddr", "/dev/null"])
        .stdin(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())
}

/// The step that met the port names it with a code, and `up` can be told what to do.
fn told_of_the_port(lab: &TestLab) {
    let events = lab.run(&["--json", "events"]).expect("events");
    let text = String::from_utf8_lossy(&events.stdout).into_owned();
    let of = |kind: &str| {
        let found = text
            .lines()
            .filter(|line| line.contains(&format!("\"kind\":\"{kind}\"")) && line.contains(OCCUPIED))
            .find(|line| line.contains("6443"));
        found.map(str::to_owned)
    };
    let failed = of("step_failed").expect("a failed step names the port");
    assert!(failed.contains("\"code\":\"DY-05"), "{failed}");
    let decision = of("step_needs_decision").expect("a person is asked, with the first error");
    eprintln!("{decision}");
}

/// When each boot of the node was first seen.
fn boots_of(lines: &[Line], node: &str) -> Vec<Revision> {
    let mut known = Vec::new();
    let mut first = Vec::new();
    for line in lines {
        let Record::AgentConnected { node: of, boot, .. } = &line.record else {
            continue;
        };
        if of.as_str() == node && !known.contains(boot) {
            known.push(*boot);
            first.push(line.revision);
        }
    }
    first
}

/// When the cluster's API server was first healthy.
fn served(lines: &[Line], cluster: &str) -> Option<Revision> {
    let is =
        |record: &Record| matches!(record, Record::ClusterServed { cluster: of } if of.as_str() == cluster);
    lines
        .iter()
        .find(|line| is(&line.record))
        .map(|line| line.revision)
}
