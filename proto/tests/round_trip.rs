//! Model to wire and back gives the same value; what is malformed is refused with the field's name.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use model::ids::{Attempt, Epoch, NodeName};
use model::lab::Lab;
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
    steps
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
