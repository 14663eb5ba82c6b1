//! What three healthy clusters look like from outside.

use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tests::lab::TestLab;
use tests::patience::until;

/// The lab's clusters.
pub(crate) const CLUSTERS: [&str; 3] = ["mgmt", "app1", "app2"];

/// Six Ready nodes, six connected agents, a full mesh.
pub(crate) fn check(lab: &TestLab) {
    nodes_are_ready(lab);
    agents_are_connected(lab);
    mesh_is_full(lab);
}

pub(crate) fn nodes_are_ready(lab: &TestLab) {
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
        conditions_are_told(node);
    }
}

/// Every type of docs/health.md with its reason; what the host's kernel measures is measured of the node itself.
fn conditions_are_told(node: &Value) {
    let conditions = node["conditions"].as_array().expect("conditions");
    let mut wanted = vec![
        "AgentResponding",
        "ContainerdRunning",
        "KubeletRunning",
        "DiskPressure",
        "MemoryPressure",
        "CpuPressure",
        "IoPressure",
        "ClockSynced",
        "CertificateValid",
    ];
    if node["role"] == "control_plane" {
        wanted.push("ControlPlaneRunning");
    }
    let measures = Path::new("/proc/pressure/cpu").exists();
    for kind in wanted {
        let told = conditions.iter().find(|c| c["type"] == kind);
        let told = told.unwrap_or_else(|| panic!("no {kind} of {node}"));
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        assert!(!text("reason").is_empty(), "{told}");
        if kind.ends_with("Pressure") && measures {
            assert_ne!(text("reason"), "NotMeasured", "{told}");
            assert!(!text("message").contains("whole machine"), "{told}");
        }
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
