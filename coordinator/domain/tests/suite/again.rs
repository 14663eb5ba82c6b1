//! What a new run looks at again although an earlier one did it: things that change or run out while nothing is run.

use crate::fixtures::small_plan;
use crate::sim::Sim;
use crate::steps::{JOIN, finished_with, outcome};
use domain::effect::Effect;
use domain::plan::{Plan, PlannedStep, StepBody};
use domain::record::RunOutcome;
use model::ids::Attempt;
use model::step::{NodeStep, ProbeResult, Role};

const IMAGES: &str = "mgmt-worker import_images";

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
