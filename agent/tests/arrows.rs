//! Both processes of the agent and the steps they start, really killed at every durable arrow: real programs, real socket,
//! real TLS on loopback. PID 1 and kubeadm are small scripts below a folder that the programs take for `/`.
//!
//! `cargo test -p agent --features failpoints --test arrows`
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use agent::failpoint::Arrow;
use agent::paths::Paths;
use model::ids::Seq;
use model::lab::Lab;
use model::step::{NodeStep, StepOrder, StepOutcome};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use support::authority::SERVER_NAME;
use support::coordinator::{Coordinator, TOKEN, numbers};
use support::kept::Kept;
use support::until;

const LAB: &str = "test";
const NODE: &str = "app1-cp";

/// Starts the unit without waiting, notes that it did, and runs what follows its end, as PID 1 does.
const SYSTEMD_RUN: &str = r#"#!/bin/sh
export DRILLYARD_ROOT=@ROOT@ DRILLYARD_FAILPOINT=@ROOT@/failpoint
while [ "${1#--}" != "$1" ]; do
    case "$1" in
        --unit=*) unit=${1#--unit=} ;;
        --property=ExecStopPost=*) post=${1#--property=ExecStopPost=} ;;
    esac
    shift
done
echo "$unit" >> @ROOT@/units
mkdir -p @ROOT@/alive && : > "@ROOT@/alive/$unit"
(
    "$@"
    status=$?
    result=exit-code
    [ $status -eq 0 ] && result=success
    [ $status -gt 128 ] && result=signal
    SERVICE_RESULT=$result EXIT_STATUS=$status $post
    rm "@ROOT@/alive/$unit"
) < /dev/null > /dev/null 2>&1 &
"#;

const SYSTEMCTL: &str = r#"#!/bin/sh
for unit; do :; done
[ -e "@ROOT@/alive/$unit" ] && echo active || echo inactive
"#;

/// The work whose repetitions are counted.
const KUBEADM: &str = r#"#!/bin/sh
echo ran >> @ROOT@/ran
sleep 0.1
echo client-key-data
"#;

struct Bench {
    coordinator: Coordinator,
    root: PathBuf,
    front: Kept,
    exec: Kept,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp");
        let root = dir.path().to_owned();
        let paths = Paths::below(&root);
        let coordinator = Coordinator::new(LAB, NODE);
        let (enrol, agent) = coordinator.serve("127.0.0.1:0", "127.0.0.1:0").await;
        let seed = format!(
            r#"{{"lab":"{LAB}","cluster":"app1","node":"{NODE}","role":"control_plane","enrol_url":"https://{enrol}",
                "agent_url":"https://{agent}","server_name":"{SERVER_NAME}"}}"#
        );
        for (path, content, mode) in [
            (paths.front().join("agent.json"), seed.as_str(), 0o600),
            (paths.exec().join("agent.json"), seed.as_str(), 0o600),
            (paths.front().join("ca.pem"), &coordinator.authority.pem(), 0o600),
            (paths.front().join("token"), TOKEN, 0o600),
            (paths.at("/usr/bin/systemd-run"), SYSTEMD_RUN, 0o755),
            (paths.at("/usr/bin/systemctl"), SYSTEMCTL, 0o755),
            (paths.at("/usr/bin/kubeadm"), KUBEADM, 0o755),
        ] {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            let content = content.replace("@ROOT@", &root.display().to_string());
            std::fs::write(&path, content).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        }
        std::fs::create_dir_all(paths.run()).expect("made");
        Self {
            front: Kept::start(&root, "front"),
            exec: Kept::start(&root, "exec"),
            coordinator,
            root,
            _dir: dir,
        }
    }

    fn lines(&self, file: &str) -> usize {
        let text = std::fs::read_to_string(self.root.join(file)).unwrap_or_default();
        text.lines().count()
    }

    /// The outcome; after every new session the order is sent again, as the coordinator does for what an agent lost.
    async fn outcome(&self, order: &StepOrder) -> StepOutcome {
        let mut sessions = 0;
        until("an outcome", 30, || {
            let now = self.coordinator.state().hellos.len();
            if now > sessions && self.coordinator.takes_orders() {
                sessions = now;
                self.coordinator.run(&order.body, order.attempt.0);
            }
            let told = self.coordinator.outcome(order);
            told.ok_or_else(|| format!("{:?}", self.coordinator.kinds().last()))
        })
        .await
    }

    async fn die_at(&self, arrow: Arrow) -> StepOutcome {
        let file = self.root.join("failpoint");
        std::fs::write(&file, format!("{arrow:?}")).expect("written");
        let lab = Lab::default();
        let params = lab.params(&lab.clusters[0]).expect("a control plane");
        let order = self.coordinator.order(&NodeStep::MintKubeconfig { params }, 1);
        let outcome = self.outcome(&order).await;
        until("the death", 30, || {
            if file.exists() {
                Err(format!("{arrow:?} was not reached"))
            } else {
                Ok(())
            }
        })
        .await;
        outcome
    }

    /// Every number arrived once, in order and without a hole.
    fn check_numbers(&self) {
        let state = self.coordinator.state();
        let life = state.events[0].incarnation;
        let seqs = numbers(&state, life);
        let dense: Vec<Seq> = (1..=u64::try_from(seqs.len()).expect("few")).map(Seq).collect();
        assert_eq!(seqs, dense);
        assert!(state.events.iter().all(|event| event.incarnation == life));
    }
}

#[tokio::test]
async fn whoever_dies_at_whatever_arrow_the_step_is_done_once_or_unknown() {
    for arrow in Arrow::ALL {
        let bench = Bench::new().await;
        let outcome = bench.die_at(arrow).await;
        let (units, ran) = (bench.lines("units"), bench.lines("ran"));
        let lives = (
            bench.front.lives.load(Ordering::SeqCst),
            bench.exec.lives.load(Ordering::SeqCst),
        );
        println!("{arrow:?}: {outcome:?}, {units} units, ran {ran} times, lives {lives:?}");
        match (arrow, &outcome) {
            (Arrow::Marked, StepOutcome::Unknown { .. }) => assert_eq!((units, ran), (0, 0)),
            (Arrow::Performed, StepOutcome::Failed { code, .. }) => {
                assert_eq!((units, ran, code.as_str()), (1, 1, agent::codes::KILLED));
            }
            (Arrow::Marked | Arrow::Performed, other) => panic!("{arrow:?}: {other:?}"),
            (_, StepOutcome::Succeeded { .. }) => {
                assert_eq!((units, ran), (1, 1), "{arrow:?}");
                let taken = bench.coordinator.state().taken.len();
                assert!(taken >= 1, "{arrow:?}: the kubeconfig was not handed over");
            }
            (_, other) => panic!("{arrow:?}: {other:?}"),
        }
        bench.check_numbers();
    }
}
