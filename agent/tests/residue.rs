//! What is left of a fault whose lease cannot be read, as the agent's own program sees and ends it. containerd's tool and the rest of
//! the node are small scripts below a folder that the program takes for `/`.
//!
//! `cargo test -p agent --features failpoints --test residue`
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use agent::paths::Paths;
use agent::step::StepFile;
use model::fault::NodeFault;
use model::fault_parts::Workload;
use model::ids::{Attempt, BootId, LeaseId, NodeName};
use model::lease::{LeaseState, LeaseStatus, Survey, Terms};
use model::moment::Moment;
use model::step::{NodeStep, StepOrder};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_agent");
const READABLE: LeaseId = LeaseId([1; 16]);
const DAMAGED: LeaseId = LeaseId([2; 16]);

/// One pod has the label of every lease.
const CTR: &str = r#"#!/bin/sh
shift 2
case "$1 $2" in
    "tasks list") cat "@ROOT@/tasks" ;;
    "tasks resume") sed -i "/^$3 /s/PAUSED/RUNNING/" "@ROOT@/tasks" ;;
    "containers list") case "$4" in *sandbox*) echo box ;; *) echo owned ;; esac ;;
    "containers info") echo '{"Labels":{"io.kubernetes.pod.uid":"u","io.kubernetes.container.name":"vault"}}' ;;
esac
"#;
const SYSTEMCTL: &str = "#!/bin/sh\n[ \"$1\" != is-active ] || [ -e '@ROOT@/containerd' ]\n";
const NFT: &str = "#!/bin/sh\necho '{\"nftables\":[]}'\n";
const TASKS: &str = "TASK PID STATUS\nowned 12 PAUSED\nlost 13 PAUSED\nother 14 RUNNING\n";

struct Bench {
    dir: tempfile::TempDir,
    paths: Paths,
    node: NodeName,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let paths = Paths::below(dir.path());
        let bench = Self {
            node: NodeName::new("app1-cp").expect("valid"),
            paths,
            dir,
        };
        let paths = &bench.paths;
        for folder in [paths.leases(), paths.results(), paths.progress()] {
            fs::create_dir_all(folder).expect("made");
        }
        let named = serde_json::json!({ "node": bench.node }).to_string();
        bench.write(&paths.exec().join("agent.json"), &named);
        bench.write(&paths.boot(), &BootId([3; 16]).to_string());
        bench.write(&paths.at("/tasks"), TASKS);
        bench.write(&paths.at("/containerd"), "");
        for (program, script) in [
            ("/usr/bin/ctr", CTR),
            ("/usr/bin/systemctl", SYSTEMCTL),
            ("/usr/sbin/nft", NFT),
        ] {
            let file = paths.at(program);
            let script = script.replace("@ROOT@", &bench.dir.path().display().to_string());
            bench.write(&file, &script);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
        }
        bench
    }

    fn write(&self, file: &Path, text: &str) {
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }

    fn record(&self, lease: LeaseId) -> PathBuf {
        self.paths.leases().join(format!("{lease}.json"))
    }

    /// A lease that has the pod with the label stand still.
    fn pause(&self) {
        let workload = Workload::new("vault", "app", "vault").expect("valid");
        let status = LeaseStatus {
            lease: READABLE,
            state: LeaseState::Injected,
            armed: Moment(0),
            deadline: Moment(1),
            injected: None,
            undone: None,
            cause: None,
            trouble: None,
        };
        let record = serde_json::json!({
            "node": self.node, "fault": NodeFault::PauseWorkload { workload },
            "terms": Terms::new(5_000, 2_000, 60_000).expect("valid"), "boot": BootId([3; 16]),
            "armed_ms": 1, "due_ms": 2, "renewal": 0, "status": status,
        });
        self.write(&self.record(READABLE), &record.to_string());
    }

    fn run(&self, word: &str, file: &Path) {
        let done = Command::new(PROGRAM)
            .arg(word)
            .arg(file)
            .env("DRILLYARD_ROOT", self.dir.path())
            .output()
            .expect("started");
        assert!(done.status.success(), "{word}: {done:?}");
    }

    fn survey(&self) -> Survey {
        let file = self.paths.at("/survey");
        self.run("survey", &file);
        serde_json::from_slice(&fs::read(file).expect("left")).expect("a survey")
    }

    fn heal(&self) {
        let body = NodeStep::HealFaults {
            request: LeaseId([9; 16]),
        };
        let step = StepFile {
            order: StepOrder {
                step: body.id("test", &self.node),
                attempt: Attempt(1),
                body,
                budget_ms: 10_000,
            },
            node: self.node.clone(),
            secret: None,
        };
        let file = self.paths.at("/step");
        self.write(&file, &serde_json::to_string(&step).expect("written"));
        self.run("step", &file);
    }
}

#[test]
fn a_container_that_stands_still_without_a_lease_is_listed_and_goes_on() {
    let bench = Bench::new();
    bench.pause();
    let found = bench.survey();
    assert_eq!(found.leases.len(), 1, "{found:?}");
    assert_eq!(found.residue, ["container vault (lost) stands still"]);

    bench.write(&bench.record(DAMAGED), "{");
    assert_eq!(bench.survey().residue.len(), 2);
    bench.heal();
    assert_eq!(bench.survey(), Survey::default());
    let tasks = fs::read_to_string(bench.paths.at("/tasks")).expect("there");
    assert!(!tasks.contains("PAUSED"), "{tasks}");
}

#[test]
fn a_containerd_that_does_not_run_is_not_asked() {
    let bench = Bench::new();
    fs::remove_file(bench.paths.at("/containerd")).expect("there");
    assert_eq!(bench.survey(), Survey::default());
}
