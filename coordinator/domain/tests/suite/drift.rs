//! A component that was ready at an earlier run: what a new run does when it is gone, only not ready, or untouched.

use crate::fixtures::{awaited_plan, host_step};
use crate::sim::Sim;
use crate::steps::{INSTALL, outcome};
use domain::component::Component;
use domain::effect::Effect;
use domain::event::Event;
use domain::plan::HostStep;
use domain::record::RunOutcome;
use domain::state::StepPhase;
use domain::status::{Observed, status};
use model::ids::{Attempt, Digest};
use model::lab::Lab;
use model::step::{ProbeResult, StepOutcome};
use std::sync::Arc;

const READY: &str = "mgmt await_ready/network";

/// A lab whose first run has ended well, and whose second one has just been asked for.
fn up_again() -> Sim {
    let mut sim = up_once();
    let _ = sim.up(2, true);
    sim
}

/// A lab whose first run has ended well.
fn up_once() -> Sim {
    let mut sim = Sim::new(awaited_plan());
    let _ = sim.up(1, true);
    for node in ["mgmt-cp", "mgmt-worker"] {
        sim.connect(node);
    }
    for node in ["mgmt-cp", "mgmt-cp", "mgmt-worker"] {
        sim.succeed(node);
    }
    done(&mut sim, INSTALL);
    done(&mut sim, READY);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    sim.take();
    sim
}

fn done(sim: &mut Sim, name: &str) {
    let step = sim.id(name);
    let attempt = sim.state.steps[&step].attempt;
    let outcome = StepOutcome::Succeeded { run_ms: 5, cpu_ms: 0 };
    let _ = sim.event(Event::HostStepFinished {
        step,
        attempt,
        outcome,
    });
}

fn answer(sim: &mut Sim, name: &str, result: ProbeResult) {
    let step = sim.id(name);
    let attempt = sim.state.steps[&step].attempt;
    let _ = sim.event(Event::HostProbeAnswered {
        step,
        attempt,
        result,
    });
}

/// Names of the host steps that were handed out since the last look.
fn ran(sim: &mut Sim) -> Vec<String> {
    let effects = sim.take();
    let ran = effects.iter().filter_map(|effect| match effect {
        Effect::RunHost { step, .. } => Some(step.name.clone()),
        _ => None,
    });
    ran.collect()
}

/// What the status document says of the contract that the component serves.
fn contract(sim: &Sim) -> String {
    let text = "apiVersion: drillyard/v1\nkind: Component\nname: network\nphase: 3\nclusters: all\n\
                chart: {name: network, version: 1.0.0}\nnamespace: kube-system\nneeds: []\nprovides: [cni]\n\
                contracts: [C6]\nreadiness: [{check: nodes_ready}]\nexpected_seconds: 5\nbudget_seconds: 50\n";
    let network = Component::from_yaml("component.yaml", "network", text).expect("valid");
    let observed = Observed::default();
    let document = status(&sim.state, &Lab::default(), &[network], &observed, sim.now);
    let found = document
        .contracts
        .into_iter()
        .find(|contract| contract.id == "C6");
    found.expect("C6").state
}

#[test]
fn a_contract_fails_only_where_a_check_did() {
    let mut sim = up_again();
    assert_eq!(contract(&sim), "inconclusive", "it is being looked at");
    answer(&mut sim, READY, ProbeResult::Done);
    assert_eq!(contract(&sim), "pass");
    let _ = sim.up(3, true);
    let detail = "d: 0 of 1 available".into();
    answer(&mut sim, READY, ProbeResult::Partial { detail });
    assert_eq!(contract(&sim), "inconclusive", "it is waited for");
    let step = sim.id(READY);
    let attempt = sim.state.steps[&step].attempt;
    let outcome = StepOutcome::Failed {
        code: "DY-0601".into(),
        message: "not ready after 60 s".into(),
        output: String::new(),
    };
    let _ = sim.event(Event::HostStepFinished {
        step,
        attempt,
        outcome,
    });
    assert_eq!(contract(&sim), "fail");
}

#[test]
fn what_is_ready_is_left_alone() {
    let mut sim = up_again();
    answer(&mut sim, READY, ProbeResult::Done);
    assert_eq!(ran(&mut sim), Vec::<String>::new());
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    assert_eq!(sim.state.run.as_ref().expect("run").executed, 0);
    sim.check();
}

/// What is there is ready, and is the old version.
#[test]
fn what_is_replaced_first_is_looked_at_after_that() {
    let mut sim = up_once();
    let mut plan = awaited_plan();
    let install = plan.steps.iter_mut().find(|step| step.name == INSTALL);
    let install = install.expect("the install");
    let Some(HostStep::InstallComponent {
        component, cluster, ..
    }) = install.host_step().cloned()
    else {
        panic!("{INSTALL} is no install");
    };
    let digest = Digest([9; 32]);
    let changed = HostStep::InstallComponent {
        component,
        cluster: cluster.clone(),
        digest,
    };
    *install = host_step(&cluster, "mgmt", changed, &install.needs, &install.provides);
    plan.digest = digest;
    sim.plan = Arc::new(plan);
    let _ = sim.up(2, true);
    let looks = |sim: &mut Sim| {
        let effects = sim.take();
        let looked = effects.iter().filter(|effect| match effect {
            Effect::ProbeHost { step, .. } => step.name == READY,
            _ => false,
        });
        looked.count()
    };
    assert_eq!(looks(&mut sim), 0, "the install has not run");
    done(&mut sim, INSTALL);
    assert_eq!(looks(&mut sim), 1);
    answer(&mut sim, READY, ProbeResult::Done);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    sim.check();
}

#[test]
fn what_is_there_and_not_ready_is_waited_for() {
    let mut sim = up_again();
    let detail = "d: 0 of 1 available".into();
    answer(&mut sim, READY, ProbeResult::Partial { detail });
    assert_eq!(ran(&mut sim), [READY]);
    assert!(matches!(sim.phase(INSTALL), Some(StepPhase::Succeeded { .. })));
    sim.check();
}

#[test]
fn what_is_gone_is_installed_once_more_and_then_waited_for() {
    let mut sim = up_again();
    answer(&mut sim, READY, ProbeResult::NotStarted);
    assert_eq!(
        ran(&mut sim),
        Vec::<String>::new(),
        "looked at before anything is run"
    );
    answer(&mut sim, INSTALL, ProbeResult::NotStarted);
    assert_eq!(ran(&mut sim), [INSTALL], "the wait needs what it waits for");
    done(&mut sim, INSTALL);
    assert_eq!(ran(&mut sim), [READY]);
    done(&mut sim, READY);
    assert_eq!(outcome(&sim), Some(RunOutcome::Succeeded));
    assert_eq!(sim.state.steps[&sim.id(INSTALL)].attempt, Attempt(2));
    sim.check();
}

/// Installing does not bring it: as many attempts as any step has, then a person decides.
#[test]
fn what_does_not_come_back_ends_in_a_decision() {
    let mut sim = up_again();
    answer(&mut sim, READY, ProbeResult::NotStarted);
    answer(&mut sim, INSTALL, ProbeResult::NotStarted);
    for round in 0..10 {
        if matches!(sim.phase(READY), Some(StepPhase::NeedsDecision { .. })) {
            assert!(round > 1, "given up at once");
            assert_eq!(outcome(&sim), Some(RunOutcome::NeedsDecision));
            return sim.check();
        }
        done(&mut sim, INSTALL);
        let step = sim.id(READY);
        let attempt = sim.state.steps[&step].attempt;
        let outcome = StepOutcome::Failed {
            code: "DY-0501".into(),
            message: "it did not come".into(),
            output: String::new(),
        };
        let _ = sim.event(Event::HostStepFinished {
            step,
            attempt,
            outcome,
        });
        answer(&mut sim, READY, ProbeResult::NotStarted);
        sim.pass(10_000);
        answer(&mut sim, INSTALL, ProbeResult::NotStarted);
        sim.pass(10_000);
    }
    panic!("tried for ever: {:?}", sim.phase(READY));
}
