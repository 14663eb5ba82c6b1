//! Gates, waits and the account of a run.

use crate::fixtures::{run_id, small_plan};
use crate::sim::Sim;
use domain::event::Event;
use domain::plan::Plan;
use domain::record::{Record, RunOutcome};
use domain::wait::{Blocker, waits};
use domain::{critical_path, status};
use model::lab::Lab;
use model::step::StepOutcome;

/// The small plan with its host step in phase 3.
fn two_phases() -> Plan {
    let mut plan = small_plan();
    plan.through = 3;
    if let Some(last) = plan.steps.last_mut() {
        last.phase = 3;
    }
    plan
}

fn at_gate(yes: bool) -> Sim {
    let mut sim = Sim::new(two_phases());
    let _ = sim.up(1, yes);
    sim.connect("mgmt-cp");
    sim.connect("mgmt-worker");
    sim.pass(1_000);
    sim.succeed("mgmt-cp");
    sim.pass(2_000);
    sim.succeed("mgmt-cp");
    sim
}

fn install(sim: &mut Sim) {
    let step = sim.id("mgmt install/network");
    let attempt = sim.state.steps[&step].attempt;
    sim.pass(500);
    let outcome = StepOutcome::Succeeded {
        run_ms: 450,
        cpu_ms: 0,
    };
    let _ = sim.event(Event::HostStepFinished {
        step,
        attempt,
        outcome,
    });
}

#[test]
fn a_gate_waits_for_its_phase_and_then_for_a_word() {
    let mut sim = at_gate(false);
    let install_phase = |sim: &Sim| sim.phase("mgmt install/network");
    assert_eq!(install_phase(&sim), None);
    let blockers = waits(&sim.state, sim.now);
    assert!(
        blockers
            .iter()
            .any(|wait| wait.blocker == Blocker::Gate { phase: 1 }),
        "{blockers:?}"
    );
    let early = sim.event(Event::GateConfirmed {
        run: run_id(1),
        phase: 1,
        go_on: true,
    });
    assert!(early.refused.is_some(), "the worker has not joined yet");
    sim.succeed("mgmt-worker");
    assert_eq!(install_phase(&sim), None, "verified, and nobody said go");
    for phase in [1, 2] {
        let _ = sim.event(Event::GateConfirmed {
            run: run_id(1),
            phase,
            go_on: true,
        });
    }
    assert!(install_phase(&sim).is_some());
    install(&mut sim);
    assert!(sim.state.active_run().is_none());
    let missing = sim.log.iter().find_map(|line| match &line.record {
        Record::GateReached {
            phase: 3, missing, ..
        } => Some(missing.clone()),
        _ => None,
    });
    assert!(missing.expect("gate 3").contains(&"gateway-api".to_owned()));
    sim.check();
}

#[test]
fn no_ends_the_run_at_the_gate() {
    let mut sim = at_gate(false);
    sim.succeed("mgmt-worker");
    let _ = sim.event(Event::GateConfirmed {
        run: run_id(1),
        phase: 1,
        go_on: false,
    });
    let run = sim.state.run.as_ref().expect("run");
    assert_eq!(
        run.finished.as_ref().expect("ended").outcome,
        RunOutcome::StoppedAtGate
    );
    sim.check();
}

#[test]
fn with_yes_a_later_phase_does_not_wait_for_an_earlier_one() {
    let mut sim = at_gate(true);
    assert!(
        sim.phase("mgmt install/network").is_some(),
        "only its needs count"
    );
    install(&mut sim);
    assert!(sim.state.active_run().is_some(), "the worker is still joining");
    sim.succeed("mgmt-worker");
    assert!(sim.state.active_run().is_none());
    let gates: Vec<u8> = sim
        .log
        .iter()
        .filter_map(|line| match line.record {
            Record::GateReached { phase, .. } => Some(phase),
            _ => None,
        })
        .collect();
    assert_eq!(gates, [1, 2, 3]);
    sim.check();
}

#[test]
fn a_second_request_with_another_plan_is_refused_and_with_the_same_plan_joins() {
    let mut sim = at_gate(true);
    assert_eq!(sim.up(2, true).records, vec![]);
    let mut other = two_phases();
    other.digest = model::ids::Digest([1; 32]);
    let decision = sim.event(Event::UpRequested {
        run: run_id(3),
        through: 3,
        yes: true,
        plan: other,
    });
    assert!(decision.refused.is_some());
    sim.check();
}

#[test]
fn an_up_that_joins_with_yes_opens_the_gates() {
    let mut sim = at_gate(false);
    sim.succeed("mgmt-worker");
    let decision = sim.up(2, true);
    assert!(matches!(
        decision.records.first(),
        Some(Record::GatesOpened { .. })
    ));
    assert!(sim.phase("mgmt install/network").is_some());
    sim.check();
}

#[test]
fn the_status_document_tells_the_gate_that_an_up_that_joins_is_asked_at() {
    let mut sim = at_gate(false);
    let gate = |sim: &Sim| {
        let observed = status::Observed::default();
        let document = status::status(&sim.state, &Lab::default(), &[], &observed, sim.now);
        serde_json::to_value(&document).expect("serde")["run"]["gate"].clone()
    };
    assert!(gate(&sim).is_null(), "the worker has not joined yet");
    sim.succeed("mgmt-worker");
    let decision = sim.up(2, false);
    assert!(decision.records.is_empty() && decision.refused.is_none());
    assert_eq!(gate(&sim)["phase"], 1);
    let told = sim.log.iter().find_map(|line| match &line.record {
        reached @ Record::GateReached { phase: 1, .. } => Some(reached.message()),
        _ => None,
    });
    assert_eq!(gate(&sim)["message"].as_str(), told.as_deref());
    for phase in [1, 2] {
        let _ = sim.event(Event::GateConfirmed {
            run: run_id(1),
            phase,
            go_on: true,
        });
    }
    assert!(gate(&sim).is_null(), "the last phase asks nobody");
    sim.check();
}

#[test]
fn the_account_names_the_chain_that_bounds_the_run() {
    let mut sim = at_gate(true);
    sim.succeed("mgmt-worker");
    install(&mut sim);
    let records = sim.log.iter().map(|line| (line.time, &line.record));
    let account = critical_path::account(records, &sim.plan).expect("a run");
    assert_eq!(account.wall_ms, 3_500);
    let names: Vec<&str> = account
        .critical_path
        .iter()
        .map(|step| step.name.as_str())
        .collect();
    let chain = [
        "mgmt-cp await_agent",
        "mgmt-cp kubeadm_init/control_plane",
        "mgmt-cp kubeadm_init/wait_control_plane",
        "mgmt install/network",
    ];
    assert_eq!(names, chain);
    assert_eq!(account.critical_run_ms, 10 + 450);
    assert_eq!(account.overhead_ms, 3_500 - 460, "a wait is not run time");
    assert_eq!(account.between_ms, account.overhead_ms - account.critical_wait_ms);
}

#[test]
fn an_earlier_run_is_accounted_for_by_its_id() {
    let mut sim = at_gate(true);
    sim.succeed("mgmt-worker");
    install(&mut sim);
    let first = sim.state.run.as_ref().expect("a run").id;
    let whole = sim.log.iter().map(|line| (line.time, line.record.clone()));
    let mut records: Vec<_> = whole.collect();
    let end = records.last().expect("records").0;
    // Another run follows at once, and one of its records names a step of the first.
    let other = run_id(77);
    records.push((
        end.plus_millis(60_000),
        Record::RunStarted {
            run: other,
            through: 1,
            yes: true,
            plan_digest: sim.plan.digest,
        },
    ));
    let account = |wanted| {
        let mut ledger = critical_path::Ledger::of(wanted);
        for (at, record) in &records {
            ledger.read(*at, record);
        }
        ledger.account(&sim.plan)
    };
    let earlier = account(Some(first)).expect("the first run");
    assert_eq!((earlier.run, earlier.wall_ms), (first, 3_500));
    assert!(earlier.outcome.is_some());
    let latest = account(None).expect("the latest run");
    assert_eq!((latest.run, latest.wall_ms, latest.steps.len()), (other, 0, 0));
    assert!(account(Some(run_id(78))).is_none());
}

#[test]
fn the_status_document_has_the_keys_that_scripts_rely_on() {
    let sim = at_gate(true);
    let lab = Lab::default();
    let document = status::status(&sim.state, &lab, &[], &status::Observed::default(), sim.now);
    let json = serde_json::to_value(&document).expect("serde");
    assert_eq!(json["lab"], "default");
    assert_eq!(json["epoch"], 1);
    let node = &json["clusters"][0]["nodes"][0];
    assert_eq!(node["name"], "mgmt-cp");
    assert_eq!(node["agent"]["state"], "connected");
    assert_eq!(json["clusters"][1]["nodes"][0]["agent"]["state"], "never_seen");
    assert_eq!(json["contracts"][5]["id"], "C6");
    assert_eq!(json["contracts"][5]["state"], "not_covered");
    assert_eq!(json["run"]["state"], "active");
    assert!(json["waits"].as_array().is_some_and(|waits| !waits.is_empty()));
}
