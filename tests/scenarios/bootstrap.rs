//! The README's first command on the real lab: three clusters, six nodes, one mesh; then nothing left.

use crate::{global_service, leftovers};
use serde_json::Value;
use std::time::{Duration, Instant};
use tests::lab::{TestLab, unfit};
use tests::patience::until;

const CLUSTERS: [&str; 3] = ["mgmt", "app1", "app2"];

#[test]
fn up_makes_three_real_clusters_and_down_leaves_nothing() {
    if let Some(reason) = unfit() {
        assert!(
            std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(),
            "the real lab must run here, but: {reason}"
        );
        eprintln!("SKIPPED: {reason}");
        return;
    }
    let lab = TestLab::new("test").expect("a lab of the test's own");

    let up = lab.run(&["up", "--yes", "--through", "3"]).expect("up runs");
    assert!(up.status.success(), "up ended with {}", up.status);
    nodes_are_ready(&lab);
    agents_are_connected(&lab);
    mesh_is_full(&lab);
    global_service::check(&lab).expect("global service");
    a_second_up_does_nothing(&lab);

    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success(), "down ended with {}", down.status);
    assert_eq!(leftovers::of("test"), Vec::<String>::new());
}

fn nodes_are_ready(lab: &TestLab) {
    for cluster in CLUSTERS {
        let text = lab
            .kubectl(cluster, &["get", "nodes", "--no-headers"])
            .expect("nodes");
        let ready = text
            .lines()
            .filter(|l| l.split_whitespace().nth(1) == Some("Ready") && l.ends_with("v1.35.4"));
        assert_eq!(ready.count(), 2, "{cluster}: {text}");
    }
}

fn agents_are_connected(lab: &TestLab) {
    let output = lab.run(&["status", "--json"]).expect("status runs");
    let status: Value = serde_json::from_slice(&output.stdout).expect("status is JSON");
    let nodes: Vec<&Value> = status["clusters"]
        .as_array()
        .expect("clusters")
        .iter()
        .flat_map(|c| c["nodes"].as_array().expect("nodes"))
        .collect();
    assert_eq!(nodes.len(), 6);
    for node in nodes {
        assert_eq!(node["agent"]["state"], "connected", "{node}");
    }
}

fn mesh_is_full(lab: &TestLab) {
    let words = [
        "-n",
        "kube-system",
        "exec",
        "ds/cilium",
        "-c",
        "cilium-agent",
        "--",
        "cilium-dbg",
        "status",
    ];
    for cluster in CLUSTERS {
        let text = until("mesh", Duration::from_secs(60), || {
            let text = lab.kubectl(cluster, &words)?;
            if text.contains("2/2 remote clusters ready") {
                Ok(text)
            } else {
                Err(text)
            }
        })
        .expect("2/2 remote clusters");
        assert!(
            text.to_lowercase().contains("vxlan"),
            "{cluster} does not tunnel with VXLAN: {text}"
        );
    }
}

fn a_second_up_does_nothing(lab: &TestLab) {
    let since = Instant::now();
    let again = lab
        .run(&["--json", "up", "--yes", "--through", "3"])
        .expect("up runs");
    assert!(again.status.success());
    let lines = String::from_utf8_lossy(&again.stdout).into_owned();
    let ran = lines
        .lines()
        .filter(|l| l.contains("\"kind\":\"step_dispatched\""))
        .count();
    assert_eq!(ran, 0, "steps ran: {lines}");
    eprintln!("second up: {:.2} s", since.elapsed().as_secs_f64());
}
