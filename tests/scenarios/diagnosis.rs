//! Steps that get stuck on the real lab, each broken in another way: the cause is found, shown with its evidence by events
//! and status, and gone again once it is put right.

use model::lab::Lab;
use serde_json::Value;
use std::process::Child;
use std::time::{Duration, Instant};
use tests::lab::{TestLab, fit};
use tests::node_net::{Inside, inside};
use tests::patience::until;
use tests::witness::Witness;

const NODE: &str = "mgmt-cp";

/// The step before which things are broken: everything is in place but the static pods.
const BEFORE: &str = "kubeadm_init/certs";

/// How a node that was broken is put right.
struct Broken {
    node: Inside,
    mend: &'static [&'static str],
}

/// `up`, which must end before its lab is taken down, or it would make it anew.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is broken, how, and the code it must be told as.
type Case = (&'static str, fn(Inside) -> Broken, &'static str);

/// Five minutes: `cargo test -p tests -- --ignored --nocapture stuck_steps`.
#[test]
#[ignore = "boots a node four times and breaks it in other ways: five minutes"]
fn stuck_steps_are_diagnosed() {
    if !fit() {
        return;
    }
    let cases: [Case; 4] = [
        ("etcd's port taken by another process", port_taken, "DY-0601"),
        (
            "the image of etcd missing from the node's store",
            image_missing,
            "DY-0602",
        ),
        ("control group drivers that differ", drivers_differ, "DY-0603"),
        ("the disk filled", disk_filled, "DY-0605"),
    ];
    println!("| broken | told as | s after it broke | s after the step began | first evidence |");
    println!("|---|---|---|---|---|");
    for (name, break_it, code) in cases {
        println!("{}", case(name, break_it, code));
    }
}

fn case(name: &str, break_it: fn(Inside) -> Broken, code: &str) -> String {
    let lab = one_node();
    let mut up = Up(lab.start(&["up", "--yes", "--through", "2"]).expect("up starts"));
    let witness = Witness::new(&lab).expect("a witness");
    witness
        .sees(NODE, "step_dispatched", BEFORE, Duration::from_secs(300))
        .expect("the step before");
    let broken = break_it(inside(&lab, NODE).expect("the node runs"));
    let began = Instant::now();
    let told = witness
        .sees(NODE, "step_diagnosed", "kubeadm_init/", Duration::from_secs(120))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let took = began.elapsed().as_secs_f64();
    let waited = waited(&lab, &told);
    let first = &told["causes"][0];
    assert_eq!(first["code"], code, "{name}: {told:#}");
    let evidence = first["evidence"][0].clone();
    shown(&lab, code);
    assert!(broken.node.run(broken.mend), "{name}: put right");
    let ended = up.0.wait().expect("up ends");
    assert!(ended.success(), "{name}: put right, up goes on: {ended}");
    let text = |key: &str| evidence[key].as_str().unwrap_or_default().to_owned();
    format!(
        "| {name} | {code} | {took:.1} | {waited:.1} | {}: {} |",
        text("subject"),
        text("text")
    )
}

/// Seconds from the beginning of the step that `told` is about until it was diagnosed.
fn waited(lab: &TestLab, told: &Value) -> f64 {
    let output = lab.run(&["--json", "events"]).expect("events");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let began = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|event| event["kind"] == "step_running" && event["step"] == told["step"])
        .expect("it began");
    let at = |event: &Value| event["monotonic_ms"].as_u64().expect("a time");
    Duration::from_millis(at(told) - at(&began)).as_secs_f64()
}

/// `status` says it too, for people and for programs.
fn shown(lab: &TestLab, code: &str) {
    until("status", Duration::from_secs(10), || {
        let json = lab.run(&["--json", "status"]).map_err(|e| e.to_string())?;
        let status: Value = serde_json::from_slice(&json.stdout).map_err(|e| e.to_string())?;
        let waits = status["waits"].as_array().cloned().unwrap_or_default();
        let said = waits.iter().find(|wait| wait["causes"][0]["code"] == code);
        said.map(|_| ()).ok_or_else(|| format!("{waits:?}"))
    })
    .expect("the wait names its cause");
    let text = lab.run(&["status"]).expect("status");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains(code) && text.contains("remedy: "), "{text}");
}

/// The smallest lab: one control plane.
fn one_node() -> TestLab {
    let mut lab = Lab::with_subnet("diagnose", [192, 168, 77]);
    lab.network.coordinator_port = 18543;
    lab.clusters.truncate(1);
    lab.clusters[0].nodes.truncate(1);
    TestLab::of(lab).expect("a lab of the test's own")
}

fn port_taken(node: Inside) -> Broken {
    let words = [
        "systemd-run",
        "--unit=port-taken",
        "socat",
        "TCP-LISTEN:2379,fork,reuseaddr,bind=127.0.0.1",
        "/dev/null",
    ];
    assert!(node.run(&words), "the port is taken");
    Broken {
        node,
        mend: &["systemctl", "stop", "port-taken"],
    }
}

/// Keeps the content of the image. With the registry, since containerd's CRI looks short names up with one.
const KEPT: &str = "docker.io/drillyard/kept:1";

fn image_missing(node: Inside) -> Broken {
    let listed = node
        .output(&["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"])
        .expect("images");
    let etcd = listed
        .lines()
        .find(|name| name.starts_with("registry.k8s.io/etcd:"))
        .expect("etcd's image");
    let script = format!(
        "set -e; ctr --namespace k8s.io images tag --force {etcd} {KEPT}; ctr --namespace k8s.io images rm {etcd}; \
         echo {etcd} > /run/etcd-image"
    );
    assert!(node.run(&["sh", "-c", &script]), "the image is removed");
    Broken {
        node,
        mend: &[
            "sh",
            "-c",
            "ctr --namespace k8s.io images tag --force docker.io/drillyard/kept:1 $(cat /run/etcd-image)",
        ],
    }
}

fn drivers_differ(node: Inside) -> Broken {
    let script = "set -e; c=/etc/containerd/config.toml; cp $c /run/config.toml; \
        printf '[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\\nruntime_type = \"io.containerd.runc.v2\"\\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\\nSystemdCgroup = true\\n' >> $c; \
        systemctl restart containerd";
    assert!(node.run(&["sh", "-c", script]), "containerd has another driver");
    Broken {
        node,
        mend: &[
            "sh",
            "-c",
            "cp /run/config.toml /etc/containerd/config.toml; systemctl restart containerd",
        ],
    }
}

fn disk_filled(node: Inside) -> Broken {
    let script = "mkdir -p /var/lib/etcd; f=$(($(stat -f -c '%a * %S' /var/lib/etcd) - (24 << 20))); fallocate -l $f /var/lib/filled";
    assert!(node.run(&["sh", "-c", script]), "the disk is filled");
    Broken {
        node,
        mend: &["rm", "/var/lib/filled"],
    }
}
