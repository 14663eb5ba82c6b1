//! What a new run looks at again although an earlier one did it: things that change or run out while nothing is run.

use crate::fixtures::{host_step, small_plan};
use crate::sim::Sim;
use crate::steps::{INSTALL, JOIN, MANIFESTS, WAIT, begun_with, finished_with, host_done, outcome};
use domain::capability::Capability;
use domain::effect::Effect;
use domain::event::Event;
use domain::plan::{HostStep, Plan, PlannedStep, StepBody};
use domain::record::RunOutcome;
use model::ids::{Attempt, ClusterName, Digest, StepId};
use model::step::{InitPhase, NodeStep, ProbeResult, Role, StepOutcome};
use std::sync::Arc;

const IMAGES: &str = "mgmt-worker import_images";
const NODES: &str = "mgmt ensure_nodes";
const TOKEN: &str = "mgmt-cp kubeadm_init/bootstrap_token";

/// Another step of the worker, which needs nothing but its agent.
fn beside_the_join(plan: &Plan, body: NodeStep) -> PlannedStep {
    let join = plan.steps.iter().find(|step| step.name == JOIN);
    let join = join.expect("the join").clone();
    let node = join.target.node().expect("a node").clone();
    PlannedStep {
        id: body.id("default", &node),
        name: format!("{node} {}", body.label()),
        body: StepBody::Node(body),
        needs: vec![],
        provides: vec![],
        ..join
    }
}

/// A second `up` on a lab whose nodes have their images.
fn with_images() -> Sim {
    let mut plan = small_plan();
    let role = Role::Worker;
    plan.steps
        .push(beside_the_join(&plan, NodeStep::ImportImages { role }));
    let mut sim = finished_with(plan);
    sim.take();
    let _ = sim.up(2, true);
    sim
}

#[test]
fn images_are_looked_at_by_each_run_and_imported_only_where_one_is_missing() {
    let mut sim = with_images();
    let images = sim.id(IMAGES);
    assert!(
        matches!(&sim.take()[..], [Effect::Probe { order, .. }] if order.step == images),
        "nothing else is asked"
    );
    sim.probe("mgmt-worker", images, ProbeResult::Done);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    assert_eq!(sim.state.run.as_ref().expect("run").executed, 0);
    sim.check();

    let mut sim = with_images();
    let detail = "not in the store: vault".into();
    sim.probe("mgmt-worker", images, ProbeResult::Partial { detail });
    assert_eq!(sim.running("mgmt-worker"), Some((images, Attempt(2))));
    sim.succeed("mgmt-worker");
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    sim.check();
}

/// The small plan with nodes to make, and with `number` in the digests of what the host makes and installs.
fn with_inputs(number: u8) -> Plan {
    let mut plan = small_plan();
    let install = plan.steps.pop().expect("the install");
    let Some(HostStep::InstallComponent {
        component, cluster, ..
    }) = install.host_step()
    else {
        panic!("{} is no install", install.name);
    };
    let digest = Digest([number; 32]);
    let other = HostStep::InstallComponent {
        component: component.clone(),
        cluster: cluster.clone(),
        digest,
    };
    plan.steps.push(host_step(
        cluster,
        "mgmt",
        other,
        &install.needs,
        &install.provides,
    ));
    let cluster = ClusterName::new("mgmt").expect("valid");
    let nodes = HostStep::EnsureNodes { digest };
    plan.steps.insert(0, host_step(&cluster, "mgmt", nodes, &[], &[]));
    plan.digest = digest;
    plan
}

/// A lab that was made with the first inputs and then with the second ones.
fn changed() -> Sim {
    let mut sim = Sim::new(with_inputs(1));
    let _ = sim.up(1, true);
    host_ends(&mut sim, NODES);
    for node in ["mgmt-cp", "mgmt-worker"] {
        sim.connect(node);
    }
    for node in ["mgmt-cp", "mgmt-cp", "mgmt-worker"] {
        sim.succeed(node);
    }
    host_done(&mut sim);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    up_with(&mut sim, 2);
    assert_eq!(handed_out(&mut sim), [(NODES, Attempt(1)), (INSTALL, Attempt(1))]);
    host_ends(&mut sim, NODES);
    host_done(&mut sim);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    sim
}

fn up_with(sim: &mut Sim, inputs: u8) {
    sim.pass(1_000);
    sim.plan = Arc::new(with_inputs(inputs));
    sim.take();
    let run = u8::try_from(sim.log.len() % 251).expect("fits");
    let _ = sim.up(run, true);
}

fn host_ends(sim: &mut Sim, name: &str) {
    let (step, attempt) = current(sim, name);
    let outcome = StepOutcome::Succeeded { run_ms: 5, cpu_ms: 0 };
    let _ = sim.event(Event::HostStepFinished {
        step,
        attempt,
        outcome,
    });
}

fn host_found(sim: &mut Sim, name: &str, result: ProbeResult) {
    let (step, attempt) = current(sim, name);
    let _ = sim.event(Event::HostProbeAnswered {
        step,
        attempt,
        result,
    });
}

fn current(sim: &Sim, name: &str) -> (StepId, Attempt) {
    let step = sim.id(name);
    (step, sim.state.steps[&step].attempt)
}

/// Host steps that were handed out since the last look.
fn handed_out(sim: &mut Sim) -> Vec<(&'static str, Attempt)> {
    let known = |name: &str| [NODES, INSTALL].into_iter().find(|known| *known == name);
    let effects = sim.take();
    let ran = effects.iter().filter_map(|effect| match effect {
        Effect::RunHost { step, attempt } => Some((known(&step.name)?, *attempt)),
        _ => None,
    });
    ran.collect()
}

#[test]
fn a_change_that_is_taken_back_is_applied_again() {
    let mut sim = changed();
    up_with(&mut sim, 1);
    // All that can be seen is that something is there.
    host_found(&mut sim, NODES, ProbeResult::Done);
    host_found(&mut sim, INSTALL, ProbeResult::NotStarted);
    assert_eq!(handed_out(&mut sim), [(NODES, Attempt(2)), (INSTALL, Attempt(2))]);
    host_ends(&mut sim, NODES);
    host_done(&mut sim);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    sim.check();
}

#[test]
fn what_was_applied_last_is_not_applied_again() {
    let mut sim = changed();
    up_with(&mut sim, 1);
    host_found(&mut sim, NODES, ProbeResult::Done);
    host_found(&mut sim, INSTALL, ProbeResult::NotStarted);
    host_ends(&mut sim, NODES);
    host_done(&mut sim);
    up_with(&mut sim, 1);
    host_found(&mut sim, NODES, ProbeResult::Done);
    assert!(handed_out(&mut sim).is_empty());
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    assert_eq!(sim.state.run.as_ref().expect("run").executed, 0);
    sim.check();
}

/// The small plan with a join token, which the join needs.
fn with_token() -> Plan {
    let mut plan = small_plan();
    let wait = plan.steps.iter().find(|step| step.name == WAIT);
    let wait = wait.expect("the wait").clone();
    let Some(NodeStep::KubeadmInit { params, address, .. }) = wait.node_step().cloned() else {
        panic!("{WAIT} is no phase of init");
    };
    let body = NodeStep::KubeadmInit {
        phase: InitPhase::BootstrapToken,
        params,
        address,
    };
    let node = wait.target.node().expect("a node").clone();
    let made = vec![Capability::cluster(
        &ClusterName::new("mgmt").expect("valid"),
        "join-token",
    )];
    let join = plan.steps.iter_mut().find(|step| step.name == JOIN);
    join.expect("the join").needs.extend(made.clone());
    let token = PlannedStep {
        id: body.id("default", &node),
        name: format!("{node} {}", body.label()),
        body: StepBody::Node(body),
        needs: wait.provides.clone(),
        provides: made,
        ..wait
    };
    let at = plan.steps.iter().position(|step| step.name == JOIN);
    plan.steps.insert(at.expect("the join"), token);
    plan
}

#[test]
fn a_token_is_looked_at_again_while_a_node_has_yet_to_join() {
    let mut sim = begun_with(with_token());
    for _ in [MANIFESTS, WAIT, TOKEN] {
        sim.succeed("mgmt-cp");
    }
    let (token, join) = (sim.id(TOKEN), sim.id(JOIN));
    host_done(&mut sim);
    let _ = sim.event(Event::CancelRequested);
    sim.finish("mgmt-worker", StepOutcome::Cancelled);
    assert_eq!(outcome(&sim), Some(RunOutcome::Cancelled));
    sim.pass(3 * 3_600_000);
    let _ = sim.up(2, true);
    sim.probe("mgmt-worker", join, ProbeResult::NotStarted);
    assert!(sim.running("mgmt-worker").is_none(), "it waits for the token");
    let detail = "0 tokens of ours that last, and 2 of 2 bindings".into();
    sim.probe("mgmt-cp", token, ProbeResult::Partial { detail });
    assert_eq!(sim.running("mgmt-cp"), Some((token, Attempt(2))));
    sim.succeed("mgmt-cp");
    sim.pass(100);
    assert_eq!(sim.running("mgmt-worker"), Some((join, Attempt(2))));
    sim.check();
}

#[test]
fn a_token_that_nobody_needs_any_more_is_left_alone() {
    let mut sim = finished_with(with_token());
    sim.take();
    let _ = sim.up(2, true);
    assert_eq!(sim.take(), vec![]);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    sim.check();
}
