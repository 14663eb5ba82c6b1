//! Phases 1 and 2: nodes, agents, `kubeadm init` and `join`, over all clusters at once.
//!
//! The position in a cluster's list is the priority within a lane: what others wait for comes first.

use super::{HostStep, Plan, PlanError, PlannedStep, StepBody, Target};
use crate::capability::Capability;
use model::ids::Digest;
use model::lab::{Cluster, Lab, Node};
use model::step::{ClusterParams, InitPhase, JoinPhase, NodeStep, step_id};
use sha2::{Digest as _, Sha256};

/// All steps of phases 1 and 2.
pub(super) fn steps(lab: &Lab) -> Result<Vec<PlannedStep>, PlanError> {
    let ensure = HostStep::EnsureNodes {
        digest: nodes_digest(lab),
    };
    let mut out = vec![host(lab, "host", ensure, 1, (20_000, 900_000))];
    if let Some(step) = out.first_mut() {
        step.provides.push(Capability::nodes());
    }
    for (cluster, node) in lab.nodes() {
        // Deliberately without a need for `lab/nodes`: a node may start its work while others still boot.
        let mut step = host(
            lab,
            node.name.as_str(),
            HostStep::AwaitAgent {
                node: node.name.clone(),
            },
            1,
            (15_000, 900_000),
        );
        step.cluster = Some(cluster.name.clone());
        step.provides.push(Capability::node(&node.name, "agent"));
        out.push(step);
    }
    for cluster in &lab.clusters {
        let params = lab
            .params(cluster)
            .ok_or_else(|| PlanError::NoControlPlane(cluster.name.clone()))?;
        for node in &cluster.nodes {
            let maker = Maker {
                lab,
                cluster,
                node,
                params: &params,
            };
            out.extend(maker.prepare());
            if cluster.control_plane() == Some(node) {
                out.extend(maker.init());
            } else {
                out.extend(maker.join());
            }
        }
    }
    Ok(out)
}

/// A host step of `phase`; `times` are expected and allowed milliseconds.
pub(super) fn host(lab: &Lab, subject: &str, body: HostStep, phase: u8, times: (u64, u64)) -> PlannedStep {
    let content = serde_json::to_vec(&body).unwrap_or_default();
    PlannedStep {
        id: step_id(lab.name.as_str(), "host", &content),
        name: format!("{subject} {}", body.label()),
        phase,
        cluster: None,
        target: Target::Host,
        body: StepBody::Host(body),
        needs: vec![],
        provides: vec![],
        budget_ms: times.1,
        expected_ms: times.0,
    }
}

struct Maker<'a> {
    lab: &'a Lab,
    cluster: &'a Cluster,
    node: &'a Node,
    params: &'a ClusterParams,
}

impl Maker<'_> {
    fn prepare(&self) -> Vec<PlannedStep> {
        let (role, address) = (self.node.role, self.node.address);
        vec![
            self.step(
                NodeStep::PrepareNode { role, address },
                &[self.own("agent")],
                &[self.own("prepared")],
            ),
            self.step(
                NodeStep::ImportImages { role },
                &[self.own("prepared")],
                &[self.own("images")],
            ),
        ]
    }

    fn init(&self) -> Vec<PlannedStep> {
        use InitPhase as P;
        let phase = |phase| NodeStep::KubeadmInit {
            phase,
            params: self.params.clone(),
            address: self.node.address,
        };
        let mint = NodeStep::MintKubeconfig {
            params: self.params.clone(),
        };
        let (api, kubeconfig) = (self.all("apiserver"), self.all("kubeconfig"));
        let done = |phase: &str| self.own(&format!("init/{phase}"));
        vec![
            self.step(phase(P::Preflight), &[self.own("prepared")], &[done("preflight")]),
            self.step(phase(P::Certs), &[done("preflight")], &[done("certs")]),
            self.step(phase(P::Kubeconfig), &[done("certs")], &[done("kubeconfig")]),
            self.step(phase(P::Etcd), &[done("kubeconfig")], &[done("etcd")]),
            self.step(phase(P::ControlPlane), &[done("etcd")], &[done("control-plane")]),
            self.step(
                phase(P::KubeletStart),
                &[done("control-plane"), self.own("images")],
                &[done("kubelet-start")],
            ),
            // Only the CA's key is needed to sign, so this hides behind the start of the API server.
            self.step(mint, &[done("kubelet-start")], std::slice::from_ref(&kubeconfig)),
            self.step(
                phase(P::WaitControlPlane),
                &[done("kubelet-start")],
                std::slice::from_ref(&api),
            ),
            // The first phase that talks to the API server also gives the minted certificate's group its rights.
            self.step(
                phase(P::UploadConfig),
                std::slice::from_ref(&api),
                &[kubeconfig, done("upload-config")],
            ),
            self.step(
                phase(P::BootstrapToken),
                &[done("upload-config")],
                &[self.all("join-token")],
            ),
            self.step(
                phase(P::MarkControlPlane),
                std::slice::from_ref(&api),
                &[self.own("joined"), self.all("joined")],
            ),
            self.step(
                phase(P::KubeletFinalize),
                std::slice::from_ref(&api),
                &[done("kubelet-finalize")],
            ),
            self.step(
                phase(P::AddonCoredns),
                std::slice::from_ref(&api),
                &[self.all("dns")],
            ),
        ]
    }

    fn join(&self) -> Vec<PlannedStep> {
        use JoinPhase as P;
        let phase = |phase| NodeStep::KubeadmJoin {
            phase,
            params: self.params.clone(),
            address: self.node.address,
        };
        let done = |phase: &str| self.own(&format!("join/{phase}"));
        // The secret of a join holds the CA, which comes with the kubeconfig.
        let first = [
            self.own("prepared"),
            self.all("join-token"),
            self.all("kubeconfig"),
        ];
        vec![
            self.step(phase(P::Preflight), &first, &[done("preflight")]),
            self.step(
                phase(P::KubeletStart),
                &[done("preflight"), self.own("images")],
                &[done("kubelet-start")],
            ),
            self.step(
                phase(P::KubeletWaitBootstrap),
                &[done("kubelet-start")],
                &[self.own("joined"), self.all("joined")],
            ),
        ]
    }

    fn own(&self, what: &str) -> Capability {
        Capability::node(&self.node.name, what)
    }

    fn all(&self, what: &str) -> Capability {
        Capability::cluster(&self.cluster.name, what)
    }

    fn step(&self, body: NodeStep, needs: &[Capability], provides: &[Capability]) -> PlannedStep {
        let (expected_ms, budget_ms) = times(&body);
        PlannedStep {
            id: body.id(self.lab.name.as_str(), &self.node.name),
            name: format!("{} {}", self.node.name, body.label()),
            phase: 2,
            cluster: Some(self.cluster.name.clone()),
            target: Target::Node(self.node.name.clone()),
            body: StepBody::Node(body),
            needs: needs.to_vec(),
            provides: provides.to_vec(),
            budget_ms,
            expected_ms,
        }
    }
}

/// Usual and allowed milliseconds of a node's step.
fn times(step: &NodeStep) -> (u64, u64) {
    match step {
        NodeStep::PrepareNode { .. } => (2_000, 180_000),
        NodeStep::ImportImages { .. } => (1_000, 900_000),
        NodeStep::MintKubeconfig { .. } => (300, 60_000),
        NodeStep::KubeadmInit {
            phase: InitPhase::KubeletStart,
            ..
        } => (2_000, 180_000),
        NodeStep::KubeadmInit {
            phase: InitPhase::WaitControlPlane,
            ..
        } => (8_000, 300_000),
        NodeStep::KubeadmInit { .. } => (600, 120_000),
        NodeStep::KubeadmJoin {
            phase: JoinPhase::Preflight,
            ..
        } => (1_000, 120_000),
        NodeStep::KubeadmJoin { .. } => (4_000, 300_000),
        // Faults are in no plan: a drill times them by their leases.
        NodeStep::InjectFault { .. }
        | NodeStep::RenewFault { .. }
        | NodeStep::ReleaseFault { .. }
        | NodeStep::HealFaults { .. } => (500, 60_000),
    }
}

/// Everything that terraform makes nodes from: a change of it means another apply.
fn nodes_digest(lab: &Lab) -> Digest {
    let nodes: Vec<_> = lab.nodes().map(|(_, node)| node).collect();
    let content = serde_json::to_vec(&(&lab.provider, &lab.network, nodes)).unwrap_or_default();
    Digest(Sha256::digest(content).into())
}

impl Plan {
    /// An empty plan, for a state that has none yet.
    pub fn empty() -> Self {
        Plan::sealed(vec![], 1)
    }
}
