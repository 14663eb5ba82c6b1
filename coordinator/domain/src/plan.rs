//! The plan: every step with what it needs and provides, computed from the lab document and the component folders.

mod components;
mod nodes;
mod order;

use crate::capability::Capability;
use crate::component::Component;
use model::ids::{ClusterName, ComponentName, Digest, NodeName, StepId};
use model::lab::Lab;
use model::step::{Lane, NodeStep};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// All steps of one `up`, in an order in which they could run one after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Steps, each after all that provide what it needs.
    pub steps: Vec<PlannedStep>,
    /// Digest over the steps and `through`.
    pub digest: Digest,
    /// Last phase that is walked, 1 to 8.
    pub through: u8,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Idempotency key: hash of lab, target and body.
    pub id: StepId,
    /// For people, for example `mgmt-cp kubeadm_init/certs`.
    pub name: String,
    /// Phase whose gate waits for it.
    pub phase: u8,
    /// Cluster, when it belongs to one.
    pub cluster: Option<ClusterName>,
    /// Who performs it.
    pub target: Target,
    /// What is performed.
    pub body: StepBody,
    /// Capabilities that must hold before it starts.
    pub needs: Vec<Capability>,
    /// Capabilities to which it contributes.
    pub provides: Vec<Capability>,
    /// Milliseconds that it may take.
    pub budget_ms: u64,
    /// Milliseconds that it usually takes.
    pub expected_ms: u64,
}

/// Who performs a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The coordinator itself.
    Host,
    /// That node's agent.
    Node(NodeName),
}

impl Target {
    /// The node, if it is one.
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Target::Host => None,
            Target::Node(node) => Some(node),
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepBody {
    /// Performed by an agent.
    Node(NodeStep),
    /// Performed by the coordinator.
    Host(HostStep),
}

/// What the coordinator itself performs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HostStep {
    /// Terraform apply of all nodes.
    EnsureNodes {
        /// Digest of the inputs: provider, network, nodes with their sizes.
        digest: Digest,
    },
    /// The node's agent is connected. Observed by the machine itself; never handed out as an effect.
    AwaitAgent {
        /// Which node.
        node: NodeName,
    },
    /// Helm upgrade or apply of the rendered inputs.
    InstallComponent {
        /// Which component.
        component: ComponentName,
        /// In which cluster.
        cluster: ClusterName,
        /// Digest of the rendered inputs.
        digest: Digest,
    },
    /// The component's readiness checks pass.
    AwaitReady {
        /// Which component.
        component: ComponentName,
        /// In which cluster.
        cluster: ClusterName,
    },
}

impl HostStep {
    /// Stable name for people and metrics.
    pub fn label(&self) -> String {
        match self {
            HostStep::EnsureNodes { .. } => "ensure_nodes".into(),
            HostStep::AwaitAgent { .. } => "await_agent".into(),
            HostStep::InstallComponent { component, .. } => format!("install/{component}"),
            HostStep::AwaitReady { component, .. } => format!("await_ready/{component}"),
        }
    }
}

impl PlannedStep {
    /// The agent's step, if an agent performs it.
    pub fn node_step(&self) -> Option<&NodeStep> {
        match &self.body {
            StepBody::Node(step) => Some(step),
            StepBody::Host(_) => None,
        }
    }

    /// The coordinator's step, if the coordinator performs it.
    pub fn host_step(&self) -> Option<&HostStep> {
        match &self.body {
            StepBody::Node(_) => None,
            StepBody::Host(step) => Some(step),
        }
    }

    /// The node's lane; None for a host step.
    pub fn lane(&self) -> Option<Lane> {
        self.node_step().map(NodeStep::lane)
    }

    /// Whether nothing is done but waiting until something is observed.
    pub fn is_wait(&self) -> bool {
        matches!(
            self.body,
            StepBody::Host(HostStep::AwaitAgent { .. } | HostStep::AwaitReady { .. })
        )
    }
}

impl Plan {
    /// The step of that id.
    pub fn step(&self, id: StepId) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The steps that contribute to `capability`.
    pub fn providers<'a>(&'a self, capability: &'a Capability) -> impl Iterator<Item = &'a PlannedStep> {
        self.steps
            .iter()
            .filter(move |step| step.provides.contains(capability))
    }

    /// What phase `number` promises and this plan does not provide.
    pub fn missing(&self, number: u8) -> Vec<String> {
        crate::phases::missing(number, |what| {
            self.steps
                .iter()
                .any(|step| step.provides.iter().any(|capability| capability.what() == what))
        })
    }

    pub(crate) fn sealed(steps: Vec<PlannedStep>, through: u8) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"drillyard/plan/v1");
        hash.update([through]);
        hash.update(serde_json::to_vec(&steps).unwrap_or_default());
        Self {
            steps,
            digest: Digest(hash.finalize().into()),
            through,
        }
    }
}

/// Why no plan could be made. Every text names what must be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `through` is outside 1 to 8.
    #[error("phase {0} does not exist: use 1 to 8")]
    Phase(u8),
    /// A cluster without a control plane.
    #[error("cluster {0} has no control plane node")]
    NoControlPlane(ClusterName),
    /// Two component folders with one name.
    #[error("component {0} exists twice")]
    SameName(ComponentName),
    /// A component names a cluster that the lab does not have.
    #[error("component {component} names cluster {cluster}, which the lab does not have")]
    UnknownCluster {
        /// The component.
        component: ComponentName,
        /// The cluster.
        cluster: String,
    },
    /// Nobody rendered the component for one of its clusters.
    #[error("component {component} has no rendered inputs for cluster {cluster}")]
    NoInputs {
        /// The component.
        component: ComponentName,
        /// The cluster.
        cluster: ClusterName,
    },
    /// Two components provide the same.
    #[error("{capability} is provided by both {first} and {second}")]
    TwoProviders {
        /// What.
        capability: Capability,
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// Nothing provides what a step needs.
    #[error("{step} needs {capability}, which nothing provides")]
    NoProvider {
        /// Who needs it.
        step: String,
        /// What.
        capability: Capability,
    },
    /// Steps need each other.
    #[error("these need each other: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// Two steps with the same content and target.
    #[error("step {0} is planned twice")]
    SameStep(String),
}

/// Computes the plan of `up --through` for `lab` with `components`. Components of later phases are left out unless an
/// earlier one needs them.
pub fn plan(lab: &Lab, components: &[Component], through: u8) -> Result<Plan, PlanError> {
    if !(1..=8).contains(&through) {
        return Err(PlanError::Phase(through));
    }
    let mut steps = nodes::steps(lab)?;
    steps.extend(components::steps(lab, components)?);
    let steps = order::ordered(steps)?;
    Ok(Plan::sealed(order::up_to(steps, through), through))
}
