//! Tables over the step protocol: one behaviour per test.

use crate::fixtures::{node, small_plan};
use crate::sim::Sim;
use domain::effect::Effect;
use domain::event::{AgentPhase, AgentStep, Event};
use domain::plan::{Plan, StepBody};
use domain::record::{Record, RunOutcome};
use domain::state::StepPhase;
use model::event::NodeEventKind;
use model::ids::{Attempt, Epoch};
use model::step::{NodeStep, ProbeResult, SecretName, StepOutcome};

pub(crate) const MANIFESTS: &str = "mgmt-cp kubeadm_init/control_plane";
pub(crate) const WAIT: &str = "mgmt-cp kubeadm_init/wait_control_plane";
pub(crate) const JOIN: &str = "mgmt-worker kubeadm_join/kubelet_start";
pub(crate) const INSTALL: &str = "mgmt install/network";

pub(crate) fn begun() -> Sim {
    begun_with(small_plan())
}

pub(crate) fn begun_with(plan: Plan) -> Sim {
    let mut sim = Sim::new(plan);
    let _ = sim.up(1, true);
    sim.connect("mgmt-cp");
    sim.connect("mgmt-worker");
    sim
}

pub(crate) fn outcome(sim: &Sim) -> Option<RunOutcome> {
    Some(sim.state.run.as_ref()?.finished.as_ref()?.outcome)
}

pub(crate) fn served() -> Sim {
    let mut sim = begun();
    sim.succeed("mgmt-cp");
    sim.succeed("mgmt-cp");
    sim
}

fn finished() -> Sim {
    finished_with(small_plan())
}

pub(crate) fn finished_with(plan: Plan) -> Sim {
    let mut sim = begun_with(plan);
    while sim.running("mgmt-cp").is_some() {
        sim.succeed("mgmt-cp");
    }
    while sim.running("mgmt-worker").is_some() {
        sim.succeed("mgmt-worker");
    }
    host_done(&mut sim);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    sim
}

pub(crate) fn host_done(sim: &mut Sim) {
    let (step, attempt) = (sim.id(INSTALL), sim.state.steps[&sim.id(INSTALL)].attempt);
    let outcome = StepOutcome::Succeeded { run_ms: 5, cpu_ms: 0 };
    let _ = sim.event(Event::HostStepFinished {
        step,
        attempt,
        outcome,
    });
}

#[test]
fn a_run_walks_its_needs_and_ends_well() {
    let mut sim = begun();
    assert!(sim.phase(JOIN).is_none(), "the worker waits for the API server");
    sim.succeed("mgmt-cp");
    assert_eq!(sim.phase(WAIT), Some(StepPhase::Dispatched));
    sim.succeed("mgmt-cp");
    assert_eq!(sim.phase(JOIN), Some(StepPhase::Dispatched));
    assert_eq!(sim.phase(INSTALL), Some(StepPhase::Dispatched));
    sim.succeed("mgmt-worker");
    assert_eq!(outcome(&sim), None);
    host_done(&mut sim);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    assert_eq!(sim.state.run.as_ref().expect("run").executed, 4);
    sim.check();
}

#[test]
fn a_second_up_runs_nothing() {
    let mut sim = finished();
    sim.take();
    let decision = sim.up(2, true);
    assert!(matches!(
        decision.records.last(),
        Some(Record::RunFinished {
            executed: 0,
            outcome: RunOutcome::Succeeded,
            ..
        })
    ));
    assert_eq!(sim.take(), vec![]);
    sim.check();
}

#[test]
fn nothing_is_sent_before_the_ledger_was_compared() {
    let mut sim = Sim::new(small_plan());
    let _ = sim.up(1, true);
    sim.connect("mgmt-cp");
    let effects = sim.take();
    let list = effects
        .iter()
        .position(|e| matches!(e, Effect::ListSteps { .. }))
        .expect("asked");
    let run = effects
        .iter()
        .position(|e| matches!(e, Effect::Dispatch { .. }))
        .expect("sent");
    assert!(list < run);
    sim.check();
}

#[test]
fn init_is_claimed_once_and_before_it_is_sent() {
    let sim = begun();
    let claim = sim
        .log
        .iter()
        .position(|l| matches!(l.record, Record::InitClaimed { .. }))
        .expect("claimed");
    let sent = sim
        .log
        .iter()
        .position(|l| matches!(l.record, Record::StepDispatched { .. }))
        .expect("sent");
    assert!(claim < sent);
    assert_eq!(served().records(|r| matches!(r, Record::InitClaimed { .. })), 1);
}

#[test]
fn an_order_that_was_lost_is_sent_again_as_the_same_attempt() {
    let mut sim = begun();
    sim.disconnect("mgmt-cp");
    sim.take();
    sim.connect("mgmt-cp");
    let step = sim.id(MANIFESTS);
    assert!(sim.effects.iter().any(
        |e| matches!(e, Effect::Dispatch { order, .. } if order.step == step && order.attempt == Attempt(1))
    ));
    sim.check();
}

#[test]
fn a_running_step_is_left_alone_by_a_reconnect() {
    let mut sim = begun();
    let step = sim.id(MANIFESTS);
    let _ = sim.tell(
        "mgmt-cp",
        NodeEventKind::StepStarted {
            step,
            attempt: Attempt(1),
            unit: "u".into(),
        },
    );
    sim.disconnect("mgmt-cp");
    sim.take();
    sim.connect_with(
        "mgmt-cp",
        vec![AgentStep {
            step,
            attempt: Attempt(1),
            phase: AgentPhase::Started,
        }],
    );
    assert!(
        !sim.take()
            .iter()
            .any(|e| matches!(e, Effect::Dispatch { .. } | Effect::Probe { .. }))
    );
    sim.succeed("mgmt-cp");
    assert!(matches!(sim.phase(MANIFESTS), Some(StepPhase::Succeeded { .. })));
    sim.check();
}

#[test]
fn three_failures_need_a_decision_and_the_first_error_is_on_top() {
    let mut sim = begun();
    let step = sim.id(MANIFESTS);
    for (i, message) in ["first", "second", "third"].into_iter().enumerate() {
        sim.fail("mgmt-cp", message);
        assert_eq!(sim.phase(MANIFESTS), Some(StepPhase::Failed));
        sim.probe("mgmt-cp", step, ProbeResult::NotStarted);
        if i < 2 {
            assert!(sim.running("mgmt-cp").is_none(), "a pause comes first");
            sim.pass(5_000);
        }
    }
    let Some(StepPhase::NeedsDecision { reason }) = sim.phase(MANIFESTS) else {
        panic!("{:?}", sim.phase(MANIFESTS))
    };
    assert!(reason.starts_with("first (DY-0501)"), "{reason}");
    assert_eq!(outcome(&sim), Some(RunOutcome::NeedsDecision));
    sim.check();

    let _ = sim.up(2, true);
    sim.probe("mgmt-cp", step, ProbeResult::NotStarted);
    assert_eq!(
        sim.running("mgmt-cp"),
        Some((step, Attempt(4))),
        "a new run tries again"
    );
    sim.check();
}

#[test]
fn a_failed_step_that_is_found_done_is_done() {
    let mut sim = begun();
    let step = sim.id(MANIFESTS);
    sim.fail("mgmt-cp", "timed out");
    sim.probe("mgmt-cp", step, ProbeResult::Done);
    assert!(matches!(sim.phase(MANIFESTS), Some(StepPhase::Succeeded { .. })));
    sim.check();
}

#[test]
fn a_refusal_meant_for_an_older_coordinator_is_audited_and_changes_nothing() {
    let mut sim = begun();
    let before = sim.phase(MANIFESTS);
    let (step, code) = (sim.id(MANIFESTS), "DY-0520".to_owned());
    let _ = sim.tell(
        "mgmt-cp",
        NodeEventKind::StepRefused {
            step,
            attempt: Attempt(1),
            code,
            reason: "old".into(),
        },
    );
    assert_eq!(sim.phase(MANIFESTS), before);
    assert_eq!(sim.records(|r| matches!(r, Record::Audit { .. })), 1);
    sim.check();
}

#[test]
fn a_lower_epoch_is_refused() {
    let mut sim = begun();
    let decision = sim.event(Event::Started { epoch: Epoch(1) });
    assert!(decision.refused.is_some() && decision.records.is_empty());
}

#[test]
fn a_secret_is_exchanged_only_for_an_attempt_that_runs_and_is_about_it() {
    let (token, kubeconfig) = (SecretName::JoinToken, SecretName::Kubeconfig);
    let mut sim = begun();
    let may = |sim: &Sim, name: &str, step: &str, attempt: u64, secret| {
        let (step, attempt) = (sim.id(step), Attempt(attempt));
        sim.state.may_exchange_secret(&node(name), step, attempt, secret)
    };
    for secret in [token, kubeconfig] {
        assert!(
            !may(&sim, "mgmt-cp", MANIFESTS, 1, secret),
            "{secret:?} of another step"
        );
    }
    assert!(!may(&sim, "mgmt-worker", JOIN, 1, token), "not handed out yet");
    sim.succeed("mgmt-cp");
    sim.succeed("mgmt-cp");
    assert!(may(&sim, "mgmt-worker", JOIN, 1, token));
    assert!(
        !may(&sim, "mgmt-worker", JOIN, 1, kubeconfig),
        "a join yields none"
    );
    assert!(!may(&sim, "mgmt-worker", JOIN, 2, token), "another attempt");
    assert!(!may(&sim, "mgmt-cp", JOIN, 1, token), "another node's step");

    let mut plan = small_plan();
    let minting = plan.steps.iter_mut().find(|step| step.name == MANIFESTS);
    let minting = minting.expect("the first step of kubeadm");
    let Some(NodeStep::KubeadmInit { params, .. }) = minting.node_step().cloned() else {
        panic!("{} is no step of kubeadm", minting.name);
    };
    minting.body = StepBody::Node(NodeStep::MintKubeconfig { params });
    let sim = begun_with(plan);
    assert!(may(&sim, "mgmt-cp", MANIFESTS, 1, kubeconfig));
    assert!(!may(&sim, "mgmt-cp", MANIFESTS, 1, token));
}

#[test]
fn cancel_stops_what_runs_and_up_goes_on_from_there() {
    let mut sim = served();
    sim.take();
    let _ = sim.event(Event::CancelRequested);
    let effects = sim.take();
    assert!(effects.iter().any(|e| matches!(e, Effect::Cancel { .. })));
    assert!(effects.iter().any(|e| matches!(e, Effect::CancelHost { .. })));
    sim.finish("mgmt-worker", StepOutcome::Cancelled);
    let (step, attempt) = (sim.id(INSTALL), Attempt(1));
    let _ = sim.event(Event::HostStepFinished {
        step,
        attempt,
        outcome: StepOutcome::Cancelled,
    });
    assert_eq!(outcome(&sim), Some(RunOutcome::Cancelled));
    let _ = sim.up(2, true);
    let join = sim.id(JOIN);
    sim.probe("mgmt-worker", join, ProbeResult::NotStarted);
    assert_eq!(sim.running("mgmt-worker"), Some((join, Attempt(2))));
    sim.check();
}

#[test]
fn taking_the_lab_down_forgets_nodes_and_is_refused_during_a_run() {
    let mut sim = begun();
    assert!(sim.event(Event::NodesRemoved).refused.is_some());
    let mut sim = finished();
    assert!(sim.event(Event::NodesRemoved).refused.is_none());
    let _ = sim.up(2, true);
    sim.connect("mgmt-cp");
    assert_eq!(
        sim.phase(MANIFESTS),
        Some(StepPhase::Dispatched),
        "everything is made anew"
    );
    sim.check();
}
