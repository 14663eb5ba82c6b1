//! Agents' numbered events: no silent gap, no double effect, old sessions and old lives ignored.

use crate::fixtures::{incarnation, node, small_plan};
use crate::sim::{Sim, numbered};
use domain::effect::Effect;
use domain::record::Record;
use domain::signs::{Answer, Machine, Signs};
use model::event::NodeEventKind;
use model::ids::Seq;

fn jump(shift_ms: i64) -> NodeEventKind {
    NodeEventKind::ClockJump { shift_ms }
}

fn connected() -> Sim {
    let mut sim = Sim::new(small_plan());
    sim.connect("mgmt-cp");
    sim.take();
    sim
}

fn cursor(sim: &Sim) -> Seq {
    sim.state.nodes[&node("mgmt-cp")].cursor
}

fn ack(upto: u64) -> Effect {
    Effect::AckEvents {
        node: node("mgmt-cp"),
        incarnation: incarnation(1),
        upto: Seq(upto),
    }
}

#[test]
fn repeated_numbers_are_acknowledged_again_and_recorded_once() {
    let mut sim = connected();
    let batch = vec![numbered(1, 1, Seq(1), jump(1)), numbered(1, 1, Seq(2), jump(2))];
    let _ = sim.deliver("mgmt-cp", 1, batch.clone());
    let again = sim.deliver("mgmt-cp", 1, batch);
    assert_eq!(again.records, vec![]);
    assert_eq!(again.effects, vec![ack(2)]);
    sim.check();
}

#[test]
fn a_hole_is_asked_for() {
    let mut sim = connected();
    let decision = sim.deliver(
        "mgmt-cp",
        1,
        vec![numbered(1, 1, Seq(1), jump(1)), numbered(1, 1, Seq(3), jump(3))],
    );
    let rewind = Effect::Rewind {
        node: node("mgmt-cp"),
        expected: Seq(2),
    };
    assert_eq!(decision.effects, vec![ack(1), rewind]);
    assert_eq!(cursor(&sim), Seq(1));
    sim.check();
}

#[test]
fn dropped_numbers_are_declared_and_skipped() {
    for own in [2, 4, 5] {
        let mut sim = connected();
        let dropped = NodeEventKind::Dropped {
            from: Seq(2),
            to: Seq(4),
            reason: "quota".into(),
        };
        let batch = vec![
            numbered(1, 1, Seq(1), jump(1)),
            numbered(1, 1, Seq(own), dropped),
            numbered(1, 1, Seq(own.max(4) + 1), jump(5)),
        ];
        let _ = sim.deliver("mgmt-cp", 1, batch);
        assert_eq!(cursor(&sim), Seq(own.max(4) + 1), "own number {own}");
        assert_eq!(
            sim.records(|r| matches!(
                r,
                Record::Gap {
                    from: Seq(2),
                    to: Some(Seq(4)),
                    ..
                }
            )),
            1
        );
        sim.check();
    }
}

#[test]
fn an_older_session_is_not_listened_to() {
    let mut sim = connected();
    sim.connect("mgmt-cp");
    let decision = sim.deliver("mgmt-cp", 1, vec![numbered(1, 1, Seq(1), jump(1))]);
    assert_eq!((decision.records, decision.effects), (vec![], vec![]));
}

#[test]
fn a_retired_life_of_the_store_is_turned_away() {
    let mut sim = connected();
    sim.lose_store("mgmt-cp");
    sim.connect("mgmt-cp");
    let decision = sim.event(domain::event::Event::AgentConnected {
        node: node("mgmt-cp"),
        session: domain::event::SessionId(9),
        version: "0.1.0".into(),
        boot: crate::fixtures::boot(1),
        incarnation: incarnation(1),
        first_unacked: Seq(1),
        last_seq: Seq(0),
    });
    assert!(matches!(&decision.effects[..], [Effect::CloseSession { .. }]));
    sim.check();
}

#[test]
fn an_agent_whose_tail_was_lost_must_skip_used_numbers() {
    let mut sim = connected();
    let _ = sim.deliver(
        "mgmt-cp",
        1,
        vec![numbered(1, 1, Seq(1), jump(1)), numbered(1, 1, Seq(2), jump(2))],
    );
    sim.take();
    sim.connect("mgmt-cp");
    let rewind = Effect::Rewind {
        node: node("mgmt-cp"),
        expected: Seq(3),
    };
    assert!(sim.take().contains(&rewind), "its hello spoke of number 0");
}

fn reachability(sim: &mut Sim, kernel: Answer, neighbour: Answer) -> Vec<Record> {
    let event = domain::event::Event::Reachability {
        node: node("mgmt-cp"),
        signs: Signs {
            kernel,
            neighbour,
            machine: Machine::NotKnown,
        },
        silent_ms: 1_300,
    };
    sim.event(event).records
}

#[test]
fn a_silent_node_whose_kernel_is_silent_too_is_told_of_once_and_until_it_is_heard() {
    let mut sim = connected();
    assert_eq!(
        reachability(&mut sim, Answer::Yes, Answer::Yes),
        vec![],
        "busy is not down"
    );
    let told = reachability(&mut sim, Answer::No, Answer::No);
    assert!(
        matches!(&told[..], [Record::ConditionObserved { condition, .. }, Record::AgentSuspect { .. }]
            if condition.kind == "NodeReachable" && !condition.is_good()),
        "{told:?}"
    );
    assert_eq!(reachability(&mut sim, Answer::No, Answer::No), vec![], "once");
    sim.silence(300);
    assert!(
        !sim.state.may_order(&node("mgmt-cp")),
        "a short silence does not recover it"
    );
    sim.pass(100);
    assert!(sim.state.may_order(&node("mgmt-cp")), "heard again");
    let condition = &sim.state.nodes[&node("mgmt-cp")].conditions["NodeReachable"];
    assert!(condition.is_good(), "{condition:?}");
    sim.check();
}

#[test]
fn a_firewall_that_drops_everything_is_no_power_cut() {
    let mut sim = connected();
    let told = reachability(&mut sim, Answer::No, Answer::Yes);
    assert!(
        matches!(&told[..], [Record::ConditionObserved { condition, .. }] if condition.reason == "Silent"),
        "one sign makes nobody suspect: {told:?}"
    );
    assert_eq!(reachability(&mut sim, Answer::No, Answer::Yes), vec![], "once");
    assert!(sim.state.may_order(&node("mgmt-cp")));
    sim.pass(100);
    let condition = &sim.state.nodes[&node("mgmt-cp")].conditions["NodeReachable"];
    assert_eq!(condition.reason, "Heard", "an agent that speaks needs no verdict");
    sim.check();
}
