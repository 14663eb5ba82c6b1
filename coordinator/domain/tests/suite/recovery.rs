//! Tables over crashes, reboots and silence: what was known before, what is looked at, what may be made anew.

use crate::fixtures::{node, small_plan};
use crate::sim::Sim;
use crate::steps::{INSTALL, JOIN, MANIFESTS, WAIT, begun, begun_with, outcome, served};
use domain::effect::Effect;
use domain::event::{AgentPhase, AgentStep, Event};
use domain::record::{Record, RunOutcome};
use domain::state::{State, StepPhase};
use domain::wait::waits;
use model::event::NodeEventKind;
use model::ids::{Attempt, Epoch};
use model::step::{ProbeResult, StepOutcome};

#[test]
fn a_spent_token_ends_the_waiting_for_its_agent_and_for_nobody_else() {
    let mut sim = Sim::new(small_plan());
    let _ = sim.up(1, true);
    sim.connect("mgmt-cp");
    for name in ["mgmt-cp", "mgmt-worker"] {
        let _ = sim.event(Event::TokenSpent { node: node(name) });
    }
    let awaited = |node: &str| sim.phase(&format!("{node} await_agent"));
    assert!(
        matches!(awaited("mgmt-cp"), Some(StepPhase::Succeeded { .. })),
        "it has enrolled"
    );
    let Some(StepPhase::NeedsDecision { reason }) = awaited("mgmt-worker") else {
        panic!("{:?}", awaited("mgmt-worker"));
    };
    assert!(
        reason.contains("DY-0509") && reason.contains("coordinator enrol mgmt-worker --replace"),
        "{reason}"
    );
}

#[test]
fn a_running_step_that_the_agent_forgot_is_probed_not_assumed() {
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
    sim.lose_store("mgmt-cp");
    sim.take();
    sim.connect("mgmt-cp");
    assert!(
        sim.take()
            .iter()
            .any(|e| matches!(e, Effect::Probe { order, .. } if order.step == step))
    );
    sim.probe("mgmt-cp", step, ProbeResult::Done);
    assert!(matches!(
        sim.phase(MANIFESTS),
        Some(StepPhase::Succeeded { run_ms: 0, .. })
    ));
    assert_eq!(
        sim.records(|r| matches!(r, Record::Gap { to: None, .. })),
        1,
        "the lost stream is declared"
    );
    sim.check();
}

#[test]
fn a_reboot_inside_init_before_serving_recovers_by_itself() {
    let mut sim = begun();
    sim.succeed("mgmt-cp");
    let (manifests, wait) = (sim.id(MANIFESTS), sim.id(WAIT));
    sim.reboot("mgmt-cp");
    let listed = |step, phase| AgentStep {
        step,
        attempt: Attempt(1),
        phase,
    };
    sim.connect_with(
        "mgmt-cp",
        vec![
            listed(manifests, AgentPhase::Finished),
            listed(wait, AgentPhase::Finished),
        ],
    );
    sim.finish(
        "mgmt-cp",
        StepOutcome::Unknown {
            reason: "the node was rebooted".into(),
        },
    );
    // What was done before the boot is looked at again, and the lost half is made anew.
    sim.probe(
        "mgmt-cp",
        manifests,
        ProbeResult::Partial {
            detail: "an empty file".into(),
        },
    );
    sim.probe("mgmt-cp", wait, ProbeResult::NotStarted);
    assert_eq!(sim.running("mgmt-cp"), Some((manifests, Attempt(2))));
    sim.succeed("mgmt-cp");
    assert_eq!(sim.running("mgmt-cp"), Some((wait, Attempt(2))));
    sim.check();
}

#[test]
fn after_serving_nothing_is_made_anew() {
    let mut sim = served();
    let wait = sim.id(WAIT);
    sim.reboot("mgmt-cp");
    sim.connect("mgmt-cp");
    let manifests = sim.phase(MANIFESTS);
    assert!(
        matches!(manifests, Some(StepPhase::Succeeded { .. })),
        "not even looked at: {manifests:?}"
    );
    for _ in 0..6 {
        sim.probe(
            "mgmt-cp",
            wait,
            ProbeResult::Broken {
                detail: "etcd is empty".into(),
            },
        );
        sim.pass(30_000);
    }
    let Some(StepPhase::NeedsDecision { reason }) = sim.phase(WAIT) else {
        panic!("{:?}", sim.phase(WAIT))
    };
    assert!(reason.contains("etcd is empty"), "{reason}");
    assert_eq!(
        sim.records(|r| matches!(
            r,
            Record::StepIntended {
                attempt: Attempt(2),
                ..
            }
        )),
        0
    );
    sim.check();
}

#[test]
fn after_serving_a_slow_api_server_is_waited_for() {
    let mut sim = served();
    let wait = sim.id(WAIT);
    sim.reboot("mgmt-cp");
    sim.connect("mgmt-cp");
    sim.probe(
        "mgmt-cp",
        wait,
        ProbeResult::Broken {
            detail: "nothing listens yet".into(),
        },
    );
    sim.pass(30_000);
    sim.probe("mgmt-cp", wait, ProbeResult::Done);
    assert!(matches!(sim.phase(WAIT), Some(StepPhase::Succeeded { .. })));
    sim.check();
}

#[test]
fn a_coordinator_restart_probes_host_steps_and_leaves_units_alone() {
    let mut sim = served();
    let join = sim.id(JOIN);
    sim.take();
    let _ = sim.event(Event::Started { epoch: Epoch(2) });
    let install = sim.id(INSTALL);
    assert!(matches!(&sim.take()[..], [Effect::ProbeHost { step, .. }] if step.id == install));
    sim.connect_with(
        "mgmt-worker",
        vec![AgentStep {
            step: join,
            attempt: Attempt(1),
            phase: AgentPhase::Accepted,
        }],
    );
    assert!(!sim.take().iter().any(|e| matches!(e, Effect::Dispatch { .. })));
    let result = ProbeResult::NotStarted;
    let _ = sim.event(Event::HostProbeAnswered {
        step: install,
        attempt: Attempt(1),
        result,
    });
    assert!(matches!(
        &sim.take()[..],
        [Effect::RunHost {
            attempt: Attempt(2),
            ..
        }]
    ));
    sim.check();
}

#[test]
fn a_silent_agent_is_suspect_then_lost_and_gets_no_order() {
    let mut sim = begun();
    sim.silence(16_000);
    assert!(!sim.state.may_order(&node("mgmt-cp")));
    sim.take();
    sim.succeed("mgmt-cp");
    assert!(sim.phase(WAIT).is_none(), "nothing new is sent to a suspect node");
    sim.pass(100);
    assert_eq!(sim.phase(WAIT), Some(StepPhase::Dispatched), "heard again");
    sim.silence(16_000);
    sim.silence(31_000);
    assert!(
        sim.effects
            .iter()
            .any(|e| matches!(e, Effect::CloseSession { .. }))
    );
    assert_eq!(
        sim.phase(WAIT),
        Some(StepPhase::Dispatched),
        "silence moves nothing elsewhere"
    );
    sim.check();
}

#[test]
fn a_node_that_never_comes_back_ends_the_waiting_not_the_truth() {
    let mut sim = begun();
    sim.disconnect("mgmt-cp");
    for _ in 0..12 {
        sim.silence(31_000);
    }
    assert_eq!(outcome(&sim), Some(RunOutcome::NeedsDecision));
    let step = sim.id(MANIFESTS);
    sim.connect_with(
        "mgmt-cp",
        vec![AgentStep {
            step,
            attempt: Attempt(1),
            phase: AgentPhase::Finished,
        }],
    );
    let outcome = StepOutcome::Succeeded { run_ms: 1, cpu_ms: 1 };
    let _ = sim.tell(
        "mgmt-cp",
        NodeEventKind::StepFinished {
            step,
            attempt: Attempt(1),
            outcome,
        },
    );
    assert!(
        matches!(sim.phase(MANIFESTS), Some(StepPhase::Succeeded { .. })),
        "a late outcome still counts"
    );
    sim.check();
}

#[test]
fn steps_that_the_log_does_not_know_are_adopted_by_probe() {
    let mut sim = Sim::new(small_plan());
    let _ = sim.up(1, true);
    let (manifests, wait) = (sim.id(MANIFESTS), sim.id(WAIT));
    let listed = |step| AgentStep {
        step,
        attempt: Attempt(3),
        phase: AgentPhase::Finished,
    };
    sim.connect_with("mgmt-cp", vec![listed(manifests), listed(wait)]);
    sim.probe("mgmt-cp", manifests, ProbeResult::Done);
    assert!(matches!(sim.phase(MANIFESTS), Some(StepPhase::Succeeded { .. })));
    sim.probe("mgmt-cp", wait, ProbeResult::NotStarted);
    assert!(
        matches!(sim.phase(WAIT), Some(StepPhase::NeedsDecision { .. })),
        "no init without a person"
    );
    sim.check();
}

/// The wait needs what the manifests need, so that both compete for the node's lane and only one was handed out.
fn lost_with_one_step_in_line() -> Sim {
    let mut plan = small_plan();
    let needs = plan.steps.iter().find(|step| step.name == MANIFESTS);
    let needs = needs.expect("the manifests").needs.clone();
    let wait = plan.steps.iter_mut().find(|step| step.name == WAIT);
    wait.expect("the wait").needs = needs;
    let mut sim = begun_with(plan);
    sim.disconnect("mgmt-cp");
    for _ in 0..12 {
        sim.silence(31_000);
    }
    assert_eq!(outcome(&sim), Some(RunOutcome::NeedsDecision));
    assert_eq!(
        sim.state.steps[&sim.id(WAIT)].epoch,
        None,
        "it was never handed out"
    );
    sim
}

#[test]
fn a_step_that_was_given_up_in_line_is_begun_when_the_node_returns() {
    let mut sim = lost_with_one_step_in_line();
    let (manifests, wait) = (sim.id(MANIFESTS), sim.id(WAIT));
    let listed = AgentStep {
        step: manifests,
        attempt: Attempt(1),
        phase: AgentPhase::Finished,
    };
    sim.connect_with("mgmt-cp", vec![listed]);
    let _ = sim.up(2, true);
    sim.probe("mgmt-cp", wait, ProbeResult::NotStarted);
    sim.probe("mgmt-cp", manifests, ProbeResult::Done);
    assert_eq!(sim.running("mgmt-cp"), Some((wait, Attempt(2))));
    sim.check();
}

/// An older log does not say who decided on an attempt: what it never handed out is not begun without a person, as before.
#[test]
fn an_older_log_leaves_what_it_never_handed_out_to_a_person() {
    let mut sim = lost_with_one_step_in_line();
    for line in &mut sim.log {
        let mut json = serde_json::to_value(&line.record).expect("serde");
        json.as_object_mut().expect("an object").remove("ours");
        line.record = serde_json::from_value(json).expect("an older record is read");
    }
    sim.state = State::default();
    for line in &sim.log {
        sim.state
            .apply(line.revision, &line.record, line.time)
            .expect("legal");
    }
    sim.connect("mgmt-cp");
    let _ = sim.up(2, true);
    let wait = sim.id(WAIT);
    sim.probe("mgmt-cp", wait, ProbeResult::NotStarted);
    let Some(StepPhase::NeedsDecision { reason }) = sim.phase(WAIT) else {
        panic!("{:?}", sim.phase(WAIT))
    };
    assert!(reason.contains("this log did not start it"), "{reason}");
}

#[test]
fn an_order_that_is_never_answered_has_a_deadline() {
    let mut sim = begun();
    let since = |sim: &Sim| {
        let waits = waits(&sim.state, sim.now);
        let wait = waits.into_iter().find(|wait| wait.name == MANIFESTS);
        wait.map(|wait| (wait.since, wait.deadline))
    };
    let first = since(&sim);
    sim.take();
    // Twice the budget of 60 s and a minute more; every 15 s the order is sent again.
    for _ in 0..12 {
        sim.pass(15_000);
        let sent = sim.take();
        assert!(
            matches!(&sent[..], [Effect::Dispatch { order, .. }] if order.attempt == Attempt(1)),
            "{sent:?}"
        );
        assert_eq!(since(&sim), first, "sent again, and awaited no shorter");
    }
    sim.pass(15_000);
    let Some(StepPhase::NeedsDecision { reason }) = sim.phase(MANIFESTS) else {
        panic!("{:?}", sim.phase(MANIFESTS))
    };
    assert!(reason.contains("no outcome within 180 s"), "{reason}");
    assert!(sim.take().iter().any(|e| matches!(e, Effect::Cancel { .. })));
    sim.check();
}

#[test]
fn an_order_that_reaches_its_node_late_has_its_whole_time() {
    let mut sim = begun();
    sim.disconnect("mgmt-cp");
    sim.silence(31_000);
    sim.silence(150_000);
    sim.connect("mgmt-cp");
    sim.pass(15_000);
    assert_eq!(sim.phase(MANIFESTS), Some(StepPhase::Dispatched));
    sim.check();
}
