//! How long it takes until a subscriber is told of what happened to a node, on the real lab; and that nobody is told of
//! anything while all processors are busy.

use model::lab::Lab;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::lab::{TestLab, fit};
use tests::node_net::inside;
use tests::patience::until;
use tests::prey::{self, Role};
use tests::witness::{Witness, now_micros};

const NODE: &str = "mgmt-cp";

/// How long each fault stays.
const TTL_MS: &str = "12000";

/// What a power loss must be reported within.
const POWER_LOSS_MS: i64 = 2_000;

/// A fault, and how the first event that tells of it begins.
struct Case {
    name: &'static str,
    fault: Value,
    kind: &'static str,
    says: &'static str,
    /// No more than this from injection to the subscriber, milliseconds.
    limit_ms: i64,
}

fn cases() -> Vec<Case> {
    let outside = |name, fault: &str| Case {
        name,
        fault: json!({"on": "host", "inject": {"fault": fault, "node": NODE}}),
        kind: "condition_observed",
        says: "NodeReachable is false",
        limit_ms: POWER_LOSS_MS,
    };
    vec![
        outside("network cut (port down)", "link_down"),
        outside("node frozen", "freeze"),
        Case {
            name: "disk full",
            fault: json!({"on": "node", "node": NODE, "inject": {"fault": "fill_disk", "volume": "kubelet", "keep": 600}}),
            kind: "condition_changed",
            says: "DiskPressure is true",
            limit_ms: 7_000,
        },
        outside("node power loss", "power_loss"),
    ]
}

/// Prints the table of docs/health.md: `cargo test -p tests -- --ignored --nocapture detection_times`.
#[test]
#[ignore = "boots a node and breaks it in every way: three minutes"]
fn detection_times() {
    if !fit() {
        return;
    }
    let lab = one_node();
    let witness = Witness::new(&lab).expect("a witness");
    println!("| what happened | event | message | ms to the subscriber |");
    println!("|---|---|---|---|");
    for case in cases() {
        connected(&lab);
        let _ = witness.so_far();
        let injected = inject(&lab, &case);
        let event = witness
            .sees(NODE, case.kind, case.says, Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let took = row(case.name, &event, injected);
        assert!(took <= case.limit_ms, "{}: {took} ms", case.name);
        // Until it is over: the next fault finds the node whole.
        until("the fault is over", Duration::from_secs(60), || {
            let gone = witness.so_far().iter().any(|event| {
                event["message"]
                    .as_str()
                    .is_some_and(|m| m.contains(" is undone ("))
            });
            gone.then_some(()).ok_or_else(|| "there".into())
        })
        .expect("undone");
    }
    connected(&lab);
    damaged_store(&lab, &witness);
    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success());
}

/// Prints a row; the time in milliseconds.
fn row(name: &str, event: &Value, since_micros: i64) -> i64 {
    let took = (event["arrived"].as_i64().expect("a time") - since_micros) / 1000;
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    println!("| {name} | `{}` | {} | {took} |", text("kind"), text("message"));
    took
}

/// The moment of the injection by the clock of its place, which is the host's for nodes of this kind.
fn inject(lab: &TestLab, case: &Case) -> i64 {
    let fault = case.fault.to_string();
    let words = ["--json", "fault", "inject", &fault, "--for", TTL_MS];
    let lease: Value = until("injection", Duration::from_secs(60), || {
        let output = lab.run(&words).map_err(|e| e.to_string())?;
        serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())
    })
    .expect("injected");
    let at = lease["status"]["injected"]["from"].as_i64();
    at.unwrap_or_else(|| panic!("no moment in {lease}"))
}

/// The agent finds its store damaged when it opens it: the time counts from the end of its process.
fn damaged_store(lab: &TestLab, witness: &Witness) {
    let folder = inside(lab, NODE)
        .expect("it runs")
        .path("/var/lib/drillyard/agent/journal");
    let front = prey::agents(lab)
        .into_iter()
        .find(|prey| prey.role == Role::Front)
        .expect("a front");
    let _ = witness.so_far();
    damage(&folder);
    let killed = now_micros();
    front.kill();
    let event = witness
        .sees(
            NODE,
            "store_lost",
            "agent's store was lost",
            Duration::from_secs(30),
        )
        .expect("the damage is told");
    let took = row("agent's sled file damaged, agent killed", &event, killed);
    assert!(took <= 15_000, "{took} ms");
}

/// Turns every bit of the middle of each store's file.
fn damage(folder: &Path) {
    let mut open = vec![folder.to_owned()];
    let mut damaged = 0;
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name == "db") {
                let mut file = fs::OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(&path)
                    .expect("open");
                let mut bytes = vec![0; 64 << 10];
                let count = file.read(&mut bytes).expect("read");
                for byte in bytes.iter_mut().take(count).skip(64) {
                    *byte = !*byte;
                }
                file.seek(SeekFrom::Start(0)).expect("sought");
                file.write_all(&bytes[..count]).expect("written");
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0, "no store below {}", folder.display());
}

/// Nobody is called silent, cut off or not ready while every processor has more to do than it can.
/// `DRILLYARD_MINUTES=60 cargo test -p tests -- --ignored --nocapture busy_processors`.
#[test]
#[ignore = "keeps all processors busy for ten minutes, or as many as DRILLYARD_MINUTES says"]
fn busy_processors_raise_no_false_alarm() {
    if !fit() {
        return;
    }
    let minutes = std::env::var("DRILLYARD_MINUTES")
        .ok()
        .and_then(|m| m.parse().ok())
        .unwrap_or(10);
    let lab = one_node();
    connected(&lab);
    let witness = Witness::new(&lab).expect("a witness");
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let hogs: Vec<Hog> = (0..cores * 2).map(|_| Hog::start()).collect();
    busy(hogs.len());
    // Before kubeadm began the node truly was not well, and the witness reads from the log's first entry: only what is
    // recorded after the node was whole under the load says anything of the load.
    let since = connected(&lab);
    let (began, mut seen) = (Instant::now(), 0usize);
    let mut alarms = Vec::new();
    while began.elapsed() < Duration::from_secs(60 * minutes) {
        std::thread::sleep(Duration::from_secs(1));
        let mut events = witness.so_far();
        events.retain(|event| event["revision"].as_u64().is_some_and(|r| r > since));
        seen += events.len();
        alarms.extend(events.into_iter().filter(is_alarm));
    }
    drop(hogs);
    let lines: Vec<String> = alarms.iter().map(|event| event["message"].to_string()).collect();
    println!(
        "{minutes} min, {} busy loops on {cores} processors: {seen} events after revision {since}, {} false alarms",
        cores * 2,
        lines.len()
    );
    assert!(seen > 0, "the node said nothing at all");
    assert_eq!(lines, Vec::<String>::new());
}

/// That a node is silent or not well; pressure is what is really there.
fn is_alarm(event: &Value) -> bool {
    let message = event["message"].as_str().unwrap_or_default();
    match event["kind"].as_str().unwrap_or_default() {
        "agent_suspect" | "agent_lost" | "agent_disconnected" => true,
        "condition_observed" | "condition_changed" => {
            let kind = message.split(' ').next().unwrap_or_default();
            !kind.ends_with("Pressure") && !message.starts_with(&format!("{kind} is true"))
        }
        _ => false,
    }
}

/// The load is there: so many processes run or wait for a processor.
fn busy(processes: usize) {
    until("busy processors", Duration::from_secs(60), || {
        let text = fs::read_to_string("/proc/stat").map_err(|e| e.to_string())?;
        let running = text.lines().find_map(|l| l.strip_prefix("procs_running "));
        let running: usize = running.and_then(|n| n.trim().parse().ok()).unwrap_or_default();
        let fits = running >= processes;
        fits.then_some(())
            .ok_or_else(|| format!("{running} of {processes} run"))
    })
    .expect("a load");
}

/// A process that does nothing as fast as it can, ended by its own handle.
struct Hog(Child);

impl Hog {
    fn start() -> Self {
        let child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn();
        Hog(child.expect("sh runs"))
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The smallest lab, up: one control plane.
fn one_node() -> TestLab {
    let mut lab = Lab::with_subnet("detection", [192, 168, 77]);
    lab.network.coordinator_port = 18643;
    lab.clusters.truncate(1);
    lab.clusters[0].nodes.truncate(1);
    let lab = TestLab::of(lab).expect("a lab of the test's own");
    let up = lab.run(&["up", "--yes", "--through", "2"]).expect("up runs");
    assert!(up.status.success(), "up ended with {}", up.status);
    lab
}

/// The agent speaks, and everything that was told of its node is as it should be or pressure. The log's revision
/// at which that was so.
fn connected(lab: &TestLab) -> u64 {
    until("a connected agent", Duration::from_secs(120), || {
        let output = lab.run(&["--json", "status"]).map_err(|e| e.to_string())?;
        let status: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        let node = &status["clusters"][0]["nodes"][0];
        let conditions = node["conditions"].as_array().cloned().unwrap_or_default();
        let ill = conditions.iter().find(|c| {
            let pressure = c["type"].as_str().is_some_and(|kind| kind.ends_with("Pressure"));
            c["type"] == "DiskPressure" && c["status"] != "false" || !pressure && c["status"] != "true"
        });
        let fits = node["agent"]["state"] == "connected" && ill.is_none();
        let revision = status["revision"].as_u64().filter(|_| fits);
        revision.ok_or_else(|| format!("{ill:?}"))
    })
    .expect("a whole node")
}
