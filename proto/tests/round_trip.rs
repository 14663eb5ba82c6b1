//! Model to wire and back gives the same value; what is malformed is refused with the field's name.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use model::fault::NodeFault;
use model::fault_parts::{KeepMib, LagSeconds, NodeUnit, Peers, Percent, StaticPod, Volume, Workload};
use model::ids::{Attempt, Epoch, LeaseId, NodeName};
use model::lab::Lab;
use model::lease::Terms;
use model::step::{InitPhase, JoinPhase, NodeStep, Role, StepOrder};
use proto::{convert, v1};

fn every_step() -> Vec<NodeStep> {
    let lab = Lab::default();
    let params = lab.params(&lab.clusters[1]).expect("a control plane");
    let address = lab.clusters[1].nodes[1].address;
    let mut steps = vec![
        NodeStep::PrepareNode {
            role: Role::ControlPlane,
            address,
        },
        NodeStep::ImportImages { role: Role::Worker },
        NodeStep::MintKubeconfig {
            params: params.clone(),
        },
    ];
    steps.extend(InitPhase::ALL.map(|phase| NodeStep::KubeadmInit {
        phase,
        params: params.clone(),
        address,
    }));
    steps.extend(JoinPhase::ALL.map(|phase| NodeStep::KubeadmJoin {
        phase,
        params: params.clone(),
        address,
    }));
    let lease = LeaseId([7; 16]);
    steps.extend(every_fault().into_iter().map(|fault| NodeStep::InjectFault {
        lease,
        terms: Terms::new(10_000, 5_000, 60_000).expect("valid"),
        fault,
    }));
    steps.extend([
        NodeStep::RenewFault { lease, number: 3 },
        NodeStep::ReleaseFault { lease },
        NodeStep::HealFaults { request: lease },
    ]);
    steps
}

fn every_fault() -> Vec<NodeFault> {
    let workload = Workload::new("vault", "app.kubernetes.io/name", "vault").expect("valid");
    let peers = Peers::new([[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]).expect("valid");
    vec![
        NodeFault::StopUnit {
            unit: NodeUnit::Kubelet,
        },
        NodeFault::StopStaticPod {
            pod: StaticPod::KubeScheduler,
        },
        NodeFault::PauseWorkload {
            workload: workload.clone(),
        },
        NodeFault::KillWorkload { workload },
        NodeFault::CutPeers { peers: peers.clone() },
        NodeFault::LosePackets {
            peers,
            percent: Percent::new(30).expect("valid"),
        },
        NodeFault::DropDns {},
        NodeFault::FillDisk {
            volume: Volume::Etcd,
            keep: KeepMib::new(64).expect("valid"),
        },
        NodeFault::LoseEtcdData {
            lag: LagSeconds::new(15).expect("valid"),
        },
    ]
}

#[test]
fn every_step_survives() {
    let node = NodeName::new("app1-worker").expect("valid");
    for body in every_step() {
        let order = StepOrder {
            step: body.id("default", &node),
            attempt: Attempt(2),
            body,
            budget_ms: 1000,
        };
        assert_eq!(convert::order(convert::run_step(&order, Epoch(3))), Ok(order));
    }
}

#[test]
fn an_event_of_a_later_release_travels_whole() {
    let wire = v1::NodeEvent {
        incarnation: vec![1; 16],
        seq: 7,
        time_micros: 5,
        monotonic_ms: 3,
        boot_id: vec![2; 16],
        kind: "quantum_leap".into(),
        body_json: br#"{"kind":"quantum_leap","years":[-40,{"deep":true}]}"#.to_vec(),
        version: model::event::CONTRACT + 1,
    };
    let event = convert::event_from_wire(wire.clone()).expect("understood enough");
    let again = convert::event_to_wire(&event);
    let body = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("JSON");
    assert_eq!(body(&again.body_json), body(&wire.body_json));
    assert_eq!((again.kind, again.seq), (wire.kind.clone(), wire.seq));
    for (kind, bytes) in [
        ("", r#"{"years":1}"#),
        ("other", r#"{"kind":"quantum_leap"}"#),
        ("x", "[]"),
        ("x", "{"),
    ] {
        let bad = v1::NodeEvent {
            kind: kind.into(),
            body_json: bytes.into(),
            ..wire.clone()
        };
        assert!(convert::event_from_wire(bad).is_err(), "{kind} {bytes}");
    }
}

#[test]
fn unknown_numbers_and_empty_choices_are_refused() {
    assert_eq!(
        NodeStep::try_from(v1::Step { kind: None })
            .expect_err("empty")
            .field,
        "kind"
    );
    for role in [0, 99] {
        let kind = v1::step::Kind::ImportImages(v1::ImportImages { role });
        assert_eq!(
            NodeStep::try_from(v1::Step { kind: Some(kind) })
                .expect_err("role")
                .field,
            "role"
        );
    }
}

#[test]
fn values_that_could_reach_an_argv_are_refused() {
    let lab = Lab::default();
    let params = lab.params(&lab.clusters[0]).expect("a control plane");
    let step = NodeStep::MintKubeconfig { params };
    for damage in [
        |p: &mut v1::ClusterParams| p.cluster = "mgmt --config=/etc/shadow".into(),
        |p: &mut v1::ClusterParams| p.etcd_tag = "$(id)".into(),
        |p: &mut v1::ClusterParams| p.pod_cidr = "10.0.0.0".into(),
        |p: &mut v1::ClusterParams| p.kubernetes_version = "1.99.0".into(),
    ] {
        let mut wire = v1::Step::from(&step);
        if let Some(v1::step::Kind::MintKubeconfig(inner)) = &mut wire.kind {
            damage(inner.params.as_mut().expect("params"));
        }
        assert!(
            NodeStep::try_from(wire)
                .expect_err("damaged")
                .field
                .starts_with("params.")
        );
    }
}
