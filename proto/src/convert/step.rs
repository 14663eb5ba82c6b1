//! Typed steps and orders.

use super::{fault, ids, missing};
use crate::v1::{self, step::Kind};
use model::Invalid;
use model::ids::{Attempt, ClusterName, Epoch};
use model::step::{
    ClusterParams, ImageTag, InitPhase, JoinPhase, KubernetesVersion, NodeStep, Role, SecretName, StepOrder,
};
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The order inside `wire`, validated.
pub fn order(wire: v1::RunStep) -> Result<StepOrder, Invalid> {
    make_order(&wire.step_id, wire.attempt, wire.budget_ms, wire.body)
}

/// The order that a probe asks about; its budget is zero.
pub fn probe_step(wire: v1::ProbeStep) -> Result<StepOrder, Invalid> {
    make_order(&wire.step_id, wire.attempt, 0, wire.body)
}

/// The order as it travels under `epoch`.
pub fn run_step(order: &StepOrder, epoch: Epoch) -> v1::RunStep {
    v1::RunStep {
        epoch: epoch.0,
        step_id: order.step.0.to_vec(),
        attempt: order.attempt.0,
        budget_ms: order.budget_ms,
        body: Some(v1::Step::from(&order.body)),
    }
}

/// Reads the snake-case name of a secret.
pub fn secret_name(text: &str) -> Result<SecretName, Invalid> {
    match text {
        "join_token" => Ok(SecretName::JoinToken),
        "kubeconfig" => Ok(SecretName::Kubeconfig),
        _ => Err(Invalid::new("name", text, "is no secret of a step")),
    }
}

/// The snake-case name of a secret.
pub fn secret_name_to_wire(name: SecretName) -> String {
    match name {
        SecretName::JoinToken => "join_token".into(),
        SecretName::Kubeconfig => "kubeconfig".into(),
    }
}

fn make_order(
    step: &[u8],
    attempt: u64,
    budget_ms: u64,
    body: Option<v1::Step>,
) -> Result<StepOrder, Invalid> {
    Ok(StepOrder {
        step: ids::step_id(step)?,
        attempt: Attempt(attempt),
        body: NodeStep::try_from(body.ok_or_else(|| missing("body"))?).map_err(|e| e.within("body"))?,
        budget_ms,
    })
}

impl TryFrom<v1::Step> for NodeStep {
    type Error = Invalid;

    fn try_from(wire: v1::Step) -> Result<Self, Invalid> {
        Ok(match wire.kind.ok_or_else(|| missing("kind"))? {
            Kind::PrepareNode(s) => NodeStep::PrepareNode {
                role: role(s.role)?,
                address: parse("address", &s.address)?,
            },
            Kind::ImportImages(s) => NodeStep::ImportImages { role: role(s.role)? },
            Kind::KubeadmInit(s) => NodeStep::KubeadmInit {
                phase: init_phase(s.phase)?,
                params: params(s.params)?,
                address: parse("address", &s.address)?,
            },
            Kind::MintKubeconfig(s) => NodeStep::MintKubeconfig {
                params: params(s.params)?,
            },
            Kind::KubeadmJoin(s) => NodeStep::KubeadmJoin {
                phase: join_phase(s.phase)?,
                params: params(s.params)?,
                address: parse::<Ipv4Addr>("address", &s.address)?,
            },
            Kind::InjectFault(s) => fault::inject_from_wire(s)?,
            Kind::RenewFault(s) => NodeStep::RenewFault {
                lease: ids::lease_id(&s.lease)?,
                number: s.number,
            },
            Kind::ReleaseFault(s) => NodeStep::ReleaseFault {
                lease: ids::lease_id(&s.lease)?,
            },
            Kind::HealFaults(s) => NodeStep::HealFaults {
                request: ids::lease_id(&s.request)?,
            },
        })
    }
}

impl From<&NodeStep> for v1::Step {
    fn from(step: &NodeStep) -> v1::Step {
        let kind = match step {
            NodeStep::PrepareNode { role, address } => Kind::PrepareNode(v1::PrepareNode {
                role: role_to_wire(*role),
                address: address.to_string(),
            }),
            NodeStep::ImportImages { role } => Kind::ImportImages(v1::ImportImages {
                role: role_to_wire(*role),
            }),
            NodeStep::KubeadmInit {
                phase,
                params,
                address,
            } => Kind::KubeadmInit(v1::KubeadmInit {
                phase: init_phase_to_wire(*phase).into(),
                params: Some(params_to_wire(params)),
                address: address.to_string(),
            }),
            NodeStep::MintKubeconfig { params } => Kind::MintKubeconfig(v1::MintKubeconfig {
                params: Some(params_to_wire(params)),
            }),
            NodeStep::KubeadmJoin {
                phase,
                params,
                address,
            } => Kind::KubeadmJoin(v1::KubeadmJoin {
                phase: join_phase_to_wire(*phase).into(),
                params: Some(params_to_wire(params)),
                address: address.to_string(),
            }),
            NodeStep::InjectFault { lease, terms, fault } => {
                Kind::InjectFault(fault::inject_to_wire(*lease, *terms, fault))
            }
            NodeStep::RenewFault { lease, number } => Kind::RenewFault(v1::RenewFault {
                lease: lease.0.to_vec(),
                number: *number,
            }),
            NodeStep::ReleaseFault { lease } => Kind::ReleaseFault(v1::ReleaseFault {
                lease: lease.0.to_vec(),
            }),
            NodeStep::HealFaults { request } => Kind::HealFaults(v1::HealFaults {
                request: request.0.to_vec(),
            }),
        };
        v1::Step { kind: Some(kind) }
    }
}

fn params(wire: Option<v1::ClusterParams>) -> Result<ClusterParams, Invalid> {
    let wire = wire.ok_or_else(|| missing("params"))?;
    let inner = || -> Result<ClusterParams, Invalid> {
        Ok(ClusterParams {
            cluster: ClusterName::new(wire.cluster)?,
            kubernetes_version: KubernetesVersion::new(wire.kubernetes_version)?,
            control_plane: parse("control_plane", &wire.control_plane)?,
            pod_cidr: parse("pod_cidr", &wire.pod_cidr)?,
            service_cidr: parse("service_cidr", &wire.service_cidr)?,
            etcd_tag: ImageTag::new(wire.etcd_tag)?,
            coredns_tag: ImageTag::new(wire.coredns_tag)?,
        })
    };
    inner().map_err(|e| e.within("params"))
}

fn params_to_wire(params: &ClusterParams) -> v1::ClusterParams {
    v1::ClusterParams {
        cluster: params.cluster.to_string(),
        kubernetes_version: params.kubernetes_version.as_str().to_owned(),
        control_plane: params.control_plane.to_string(),
        pod_cidr: params.pod_cidr.to_string(),
        service_cidr: params.service_cidr.to_string(),
        etcd_tag: params.etcd_tag.as_str().to_owned(),
        coredns_tag: params.coredns_tag.as_str().to_owned(),
    }
}

fn parse<T: FromStr>(field: &str, text: &str) -> Result<T, Invalid> {
    text.parse()
        .map_err(|_| Invalid::new(field, text, "is not a valid address or network"))
}

fn unknown(field: &str, number: i32) -> Invalid {
    Invalid::new(field, number.to_string(), "is unknown to this release")
}

fn role(number: i32) -> Result<Role, Invalid> {
    match v1::Role::try_from(number) {
        Ok(v1::Role::ControlPlane) => Ok(Role::ControlPlane),
        Ok(v1::Role::Worker) => Ok(Role::Worker),
        Ok(v1::Role::Unspecified) | Err(_) => Err(unknown("role", number)),
    }
}

fn role_to_wire(role: Role) -> i32 {
    match role {
        Role::ControlPlane => v1::Role::ControlPlane.into(),
        Role::Worker => v1::Role::Worker.into(),
    }
}

macro_rules! phases {
    ($from:ident, $to:ident, $model:ident, $field:literal: $($name:ident),+ $(,)?) => {
        fn $from(number: i32) -> Result<$model, Invalid> {
            match v1::$model::try_from(number) {
                $(Ok(v1::$model::$name) => Ok($model::$name),)+
                Ok(v1::$model::Unspecified) | Err(_) => Err(unknown($field, number)),
            }
        }

        fn $to(phase: $model) -> v1::$model {
            match phase {
                $($model::$name => v1::$model::$name,)+
            }
        }
    };
}

phases!(init_phase, init_phase_to_wire, InitPhase, "phase":
    Preflight, Certs, Kubeconfig, Etcd, ControlPlane, KubeletStart, WaitControlPlane, UploadConfig, MarkControlPlane,
    BootstrapToken, KubeletFinalize, AddonCoredns);
phases!(join_phase, join_phase_to_wire, JoinPhase, "phase": Preflight, KubeletStart, KubeletWaitBootstrap);
