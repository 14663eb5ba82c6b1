//! The front over real TLS and a real socket, against a scripted coordinator and a helper that starts nothing.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use agent::paths::Paths;
use model::event::NodeEventKind;
use model::ids::{Epoch, Seq};
use model::lab::Lab;
use model::step::{InitPhase, NodeStep, ProbeResult, Role, StepOutcome};
use proto::convert;
use proto::v1::coordinator_message::Message as ToAgent;
use proto::v1::{CancelStep, ListSteps, NodeLogKind, ProbeStep, ReadNodeLog};
use std::os::unix::fs::PermissionsExt;
use support::authority::SERVER_NAME;
use support::coordinator::{Coordinator, TOKEN, numbers};
use support::helper::Helper;
use support::until;

const LAB: &str = "test";
const NODE: &str = "app1-cp";
const DONE: StepOutcome = StepOutcome::Succeeded { run_ms: 1, cpu_ms: 1 };

struct Bench {
    coordinator: Coordinator,
    helper: Helper,
    paths: Paths,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Coordinator::new(LAB, NODE), TOKEN).await
    }

    async fn with(coordinator: Coordinator, token: &str) -> Self {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        let (enrol, agent) = coordinator.serve("127.0.0.1:0", "127.0.0.1:0").await;
        let front = paths.front();
        std::fs::create_dir_all(&front).expect("made");
        let seed = format!(
            r#"{{"lab":"{LAB}","cluster":"app1","node":"{NODE}","role":"control_plane","enrol_url":"https://{enrol}",
                "agent_url":"https://{agent}","server_name":"{SERVER_NAME}"}}"#
        );
        for (name, content) in [
            ("agent.json", seed.as_str()),
            ("ca.pem", &coordinator.authority.pem()),
            ("token", token),
        ] {
            let path = front.join(name);
            std::fs::write(&path, content).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("closed");
        }
        let helper = Helper::start(&paths);
        let bench = Self {
            coordinator,
            helper,
            paths,
            _dir: dir,
        };
        bench.front();
        bench
    }

    /// A front in a thread of its own; it lives as long as the test process.
    fn front(&self) {
        let paths = self.paths.clone();
        std::thread::spawn(move || agent::front::run(paths, agent::logs::LogFormat::Text));
    }

    async fn sessions(&self, wanted: usize) {
        let look = || {
            let state = self.coordinator.state();
            let (hellos, beats) = (state.hellos.len(), state.heartbeats);
            if hellos >= wanted && beats > 0 {
                Ok(())
            } else {
                Err(format!("{hellos} hellos, {beats} heartbeats"))
            }
        };
        until("a session", 20, look).await;
    }

    async fn outcome(&self, order: &model::step::StepOrder) -> StepOutcome {
        until("an outcome", 20, || {
            self.coordinator
                .outcome(order)
                .ok_or_else(|| format!("{:?}", self.coordinator.kinds().last()))
        })
        .await
    }

    async fn started(&self, count: usize) {
        until("a start", 20, || match self.helper.state().started.len() {
            n if n >= count => Ok(()),
            n => Err(format!("{n} started")),
        })
        .await;
    }
}

fn import() -> NodeStep {
    NodeStep::ImportImages { role: Role::Worker }
}

fn params() -> model::step::ClusterParams {
    let lab = Lab::default();
    lab.params(&lab.clusters[0]).expect("a control plane")
}

fn bootstrap_token() -> NodeStep {
    NodeStep::KubeadmInit {
        phase: InitPhase::BootstrapToken,
        params: params(),
        address: [127, 0, 0, 1].into(),
    }
}

#[tokio::test]
async fn enrols_runs_a_step_and_every_number_arrives_once() {
    let bench = Bench::new().await;
    bench.sessions(1).await;
    assert!(
        !bench.paths.front().join("token").exists(),
        "the token is still there"
    );
    let mode = std::fs::metadata(bench.paths.front().join("identity.pem"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let order = bench.coordinator.run(&import(), 1);
    bench.started(1).await;
    bench.helper.end(&order, DONE, true);
    assert_eq!(bench.outcome(&order).await, DONE);
    let state = bench.coordinator.state();
    let life = state.events[0].incarnation;
    let seqs = numbers(&state, life);
    assert_eq!(
        seqs,
        (1..=u64::try_from(seqs.len()).expect("few"))
            .map(Seq)
            .collect::<Vec<_>>()
    );
    assert!(
        state
            .events
            .iter()
            .any(|e| matches!(e.kind, NodeEventKind::Health { .. }))
    );
}

#[tokio::test]
async fn the_same_order_twice_runs_once_and_is_answered_twice() {
    let bench = Bench::new().await;
    bench.sessions(1).await;
    let order = bench.coordinator.run(&import(), 1);
    bench.coordinator.run(&import(), 1);
    bench.started(1).await;
    bench.helper.end(&order, DONE, true);
    bench.outcome(&order).await;
    bench.coordinator.run(&import(), 1);
    let told = || {
        bench
            .coordinator
            .kinds()
            .iter()
            .filter(|k| matches!(k, NodeEventKind::StepFinished { .. }))
            .count()
    };
    until("told again", 20, || {
        if told() == 2 {
            Ok(())
        } else {
            Err(told().to_string())
        }
    })
    .await;
    assert_eq!(bench.helper.state().started.len(), 1);
}

#[tokio::test]
async fn a_cut_session_loses_nothing_and_a_missed_end_is_found() {
    let bench = Bench::new().await;
    bench.sessions(1).await;
    let order = bench.coordinator.run(&import(), 1);
    bench.started(1).await;
    bench.coordinator.cut();
    bench.helper.end(&order, DONE, true);
    bench.sessions(2).await;
    assert_eq!(bench.outcome(&order).await, DONE);
    let state = bench.coordinator.state();
    let seqs = numbers(&state, state.events[0].incarnation);
    assert!(seqs.windows(2).all(|w| w[1] == w[0].next()), "{seqs:?}");
}

#[tokio::test]
async fn a_lower_epoch_is_refused_and_a_higher_one_remembered() {
    let bench = Bench::new().await;
    bench.sessions(1).await;
    let order = bench.coordinator.order(&import(), 1);
    bench
        .coordinator
        .send(ToAgent::RunStep(convert::run_step(&order, Epoch(7))));
    bench.started(1).await;
    let stale = bench.coordinator.order(&bootstrap_token(), 1);
    bench
        .coordinator
        .send(ToAgent::RunStep(convert::run_step(&stale, Epoch(6))));
    let refused = |k: &NodeEventKind| matches!(k, NodeEventKind::StepRefused { code, .. } if code == agent::codes::STALE_EPOCH);
    until("a refusal", 20, || {
        bench
            .coordinator
            .kinds()
            .iter()
            .any(refused)
            .then_some(())
            .ok_or_else(String::new)
    })
    .await;
    assert_eq!(bench.helper.state().started.len(), 1);
    bench.coordinator.state().epoch = 8;
    bench.coordinator.cut();
    bench.sessions(2).await;
    assert_eq!(bench.coordinator.state().hellos[1].highest_epoch, 7);
}

#[tokio::test]
async fn secrets_go_their_own_way_and_never_into_the_journal() {
    let canary = "abcdef.canary0123456789";
    let bench = Bench::new().await;
    bench.sessions(1).await;
    bench
        .coordinator
        .state()
        .secrets
        .insert("join_token".into(), canary.into());
    let order = bench.coordinator.run(&bootstrap_token(), 1);
    bench.started(1).await;
    assert_eq!(bench.helper.state().secrets, [Some(canary.to_owned())]);
    bench.helper.end(&order, DONE, true);
    bench.outcome(&order).await;

    bench.helper.state().yielded = Some("canary-kubeconfig".into());
    let mint = bench
        .coordinator
        .run(&NodeStep::MintKubeconfig { params: params() }, 1);
    bench.started(2).await;
    bench.helper.end(&mint, DONE, true);
    assert_eq!(bench.outcome(&mint).await, DONE);
    let taken = bench.coordinator.state().taken.clone();
    assert_eq!(
        (taken.len(), taken[0].value.as_slice()),
        (1, b"canary-kubeconfig".as_slice())
    );
    assert_eq!(bench.helper.state().forgotten, [mint.step]);
    for part in ["store/db", "checkpoint.0", "checkpoint.1"] {
        let bytes = std::fs::read(bench.paths.front().join("journal").join(part)).unwrap_or_default();
        assert!(!bytes.windows(6).any(|w| w == b"canary"), "a secret is in {part}");
    }
}

#[tokio::test]
async fn a_step_whose_secret_is_refused_has_not_succeeded() {
    let bench = Bench::new().await;
    bench.sessions(1).await;
    bench.coordinator.state().refuses_secrets = true;
    bench.helper.state().yielded = Some("kubeconfig".into());
    let mint = NodeStep::MintKubeconfig { params: params() };
    let first = bench.coordinator.run(&mint, 1);
    bench.started(1).await;
    bench.helper.end(&first, DONE, true);
    let outcome = bench.outcome(&first).await;
    assert!(matches!(outcome, StepOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(bench.helper.state().forgotten, [first.step]);
    assert!(bench.coordinator.state().taken.is_empty());

    bench.coordinator.state().refuses_secrets = false;
    let second = bench.coordinator.run(&mint, 2);
    bench.started(2).await;
    bench.helper.end(&second, DONE, true);
    assert_eq!(bench.outcome(&second).await, DONE);
    assert_eq!(bench.coordinator.state().taken.len(), 1);
}

#[tokio::test]
async fn no_attempt_follows_one_that_still_hands_over_its_secret() {
    let bench = Bench::new().await;
    bench.sessions(1).await;
    bench.coordinator.state().takes_no_secret = true;
    bench.helper.state().yielded = Some("kubeconfig".into());
    let mint = NodeStep::MintKubeconfig { params: params() };
    let first = bench.coordinator.run(&mint, 1);
    bench.started(1).await;
    bench.helper.end(&first, DONE, true);
    let epoch = bench.coordinator.state().epoch;
    let finished = i32::from(proto::v1::step_state::Phase::Finished);
    until("the end of the first", 20, || {
        bench.coordinator.send(ToAgent::ListSteps(ListSteps { epoch }));
        let state = bench.coordinator.state();
        let last = state.states.last().map(|listed| listed.states.clone());
        match last {
            Some(states) if states.iter().any(|s| s.phase == finished) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    bench.coordinator.run(&mint, 2);
    let refused = |k: &NodeEventKind| matches!(k, NodeEventKind::StepRefused { code, .. } if code == agent::codes::BUSY);
    until("a refusal", 20, || {
        match bench.coordinator.kinds().iter().any(refused) {
            true => Ok(()),
            false => Err(format!("{:?}", bench.coordinator.kinds().last())),
        }
    })
    .await;
    bench.coordinator.state().takes_no_secret = false;
    assert_eq!(bench.outcome(&first).await, DONE);

    let second = bench.coordinator.run(&mint, 2);
    bench.started(2).await;
    bench.helper.end(&second, DONE, true);
    assert_eq!(bench.outcome(&second).await, DONE);
}

#[tokio::test]
async fn states_are_listed_probes_answered_and_cancels_passed_on() {
    let bench = Bench::new().await;
    bench.sessions(1).await;
    let order = bench.coordinator.run(&import(), 1);
    bench.started(1).await;
    let epoch = bench.coordinator.state().epoch;
    let step_id = order.step.0.to_vec();
    bench.coordinator.send(ToAgent::ListSteps(ListSteps { epoch }));
    bench.coordinator.send(ToAgent::ProbeStep(ProbeStep {
        epoch,
        step_id: step_id.clone(),
        attempt: 1,
        body: Some(proto::v1::Step::from(&order.body)),
    }));
    bench.coordinator.send(ToAgent::CancelStep(CancelStep {
        epoch,
        step_id,
        attempt: 1,
    }));
    until("answers", 20, || {
        let state = bench.coordinator.state();
        let listed = state
            .states
            .iter()
            .flat_map(|s| &s.states)
            .any(|s| s.attempt == 1);
        let cancelled = bench.helper.state().cancelled == [order.step];
        if listed && cancelled && state.probes == [ProbeResult::NotStarted] {
            Ok(())
        } else {
            Err(format!(
                "listed {listed}, cancelled {cancelled}, probes {:?}",
                state.probes
            ))
        }
    })
    .await;
}

#[tokio::test]
async fn the_certificate_is_renewed_at_half_its_life() {
    let coordinator = Coordinator::new(LAB, NODE);
    *coordinator.authority.leaf_seconds.lock().expect("lock") = 4;
    let bench = Bench::with(coordinator, TOKEN).await;
    bench.sessions(2).await;
    let state = bench.coordinator.state();
    assert_eq!((state.enrolled, state.renewed), (1, 1));
}

#[tokio::test]
async fn a_refused_token_leaves_no_session_and_no_spin() {
    let bench = Bench::with(Coordinator::new(LAB, NODE), "wrong.token").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let state = bench.coordinator.state();
    assert_eq!((state.enrolled, state.hellos.len()), (0, 0));
}

#[tokio::test]
async fn a_coordinator_that_sends_every_session_away_is_dialled_less_and_less() {
    let coordinator = Coordinator::new(LAB, NODE);
    coordinator.state().sends_away = true;
    let bench = Bench::with(coordinator, TOKEN).await;
    let hellos = || bench.coordinator.state().hellos.len();
    until("a first session", 20, || match hellos() {
        0 => Err("no hello".to_owned()),
        _ => Ok(()),
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    // Eight in the mean; more than forty when every welcome begins the waits again.
    let dialled = hellos();
    assert!(dialled < 20, "{dialled} sessions");
    bench.coordinator.state().sends_away = false;
    bench.sessions(dialled + 1).await;
}

#[tokio::test]
async fn a_log_is_asked_of_the_helper_and_one_that_is_none_is_refused() {
    let bench = Bench::new().await;
    bench.sessions(1).await;
    for (request, kind) in [(7, NodeLogKind::Steps.into()), (8, 99)] {
        bench.coordinator.send(ToAgent::ReadLog(ReadNodeLog {
            request,
            kind,
            max_bytes: 1000,
        }));
    }
    let mut parts = until("two answers", 20, || {
        let parts = bench.coordinator.state().logs.clone();
        if parts.len() == 2 {
            Ok(parts)
        } else {
            Err(format!("{parts:?}"))
        }
    })
    .await;
    parts.sort_by_key(|part| part.request);
    assert_eq!(
        (
            parts[0].text.as_slice(),
            parts[0].part,
            parts[0].last,
            parts[0].cut
        ),
        (b"steps in 1000 bytes".as_slice(), 0, true, true)
    );
    assert!(parts[1].trouble.contains("is no log of a node"), "{:?}", parts[1]);
}
