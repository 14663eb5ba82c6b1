//! Typed steps: everything a node can be told to do. No field is free text that reaches a shell or an argv.

use crate::Invalid;
use crate::fault::NodeFault;
use crate::ids::{Attempt, ClusterName, LeaseId, NodeName, StepId};
use crate::lease::Terms;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::net::{Ipv4Addr, SocketAddrV4};

/// What a node does in a cluster.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs etcd and the control plane as static pods.
    ControlPlane,
    /// Runs workloads.
    Worker,
}

/// Phases of `kubeadm init`, each one step and one unit, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitPhase {
    /// Host checks; those that were probed as harmless are ignored by name.
    Preflight,
    /// Certificate authorities and leaf certificates under /etc/kubernetes/pki.
    Certs,
    /// admin, super-admin, kubelet, controller-manager and scheduler kubeconfigs.
    Kubeconfig,
    /// Static pod manifest of the local etcd member.
    Etcd,
    /// Static pod manifests of API server, controller manager and scheduler.
    ControlPlane,
    /// Kubelet configuration and start.
    KubeletStart,
    /// Waits for a healthy API server: the point of no return.
    WaitControlPlane,
    /// Stores kubeadm and kubelet configuration in the cluster.
    UploadConfig,
    /// Labels and taints the node.
    MarkControlPlane,
    /// Makes the join token and its RBAC.
    BootstrapToken,
    /// Switches the kubelet to its rotated client certificate.
    KubeletFinalize,
    /// Installs the CoreDNS add-on.
    AddonCoredns,
}

impl InitPhase {
    /// All phases in the order in which they run.
    pub const ALL: [InitPhase; 12] = [
        InitPhase::Preflight,
        InitPhase::Certs,
        InitPhase::Kubeconfig,
        InitPhase::Etcd,
        InitPhase::ControlPlane,
        InitPhase::KubeletStart,
        InitPhase::WaitControlPlane,
        InitPhase::UploadConfig,
        InitPhase::MarkControlPlane,
        InitPhase::BootstrapToken,
        InitPhase::KubeletFinalize,
        InitPhase::AddonCoredns,
    ];
}

/// Phases of `kubeadm join` for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinPhase {
    /// Host checks and discovery.
    Preflight,
    /// Kubelet configuration, TLS bootstrap and start.
    KubeletStart,
    /// Waits until the kubelet has its own certificate.
    KubeletWaitBootstrap,
}

impl JoinPhase {
    /// All phases in the order in which they run.
    pub const ALL: [JoinPhase; 3] = [
        JoinPhase::Preflight,
        JoinPhase::KubeletStart,
        JoinPhase::KubeletWaitBootstrap,
    ];
}

/// What kubeadm must know of a cluster; rendered into its configuration on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterParams {
    /// Cluster name.
    pub cluster: ClusterName,
    /// Version without `v`, for example `1.35.4`; from the allow-list.
    pub kubernetes_version: KubernetesVersion,
    /// API server address and port.
    pub control_plane: SocketAddrV4,
    /// Pod network, IPv4 CIDR.
    pub pod_cidr: ipnet::Ipv4Net,
    /// Service network, IPv4 CIDR.
    pub service_cidr: ipnet::Ipv4Net,
    /// True version of the etcd image, for example `3.6.14-0`.
    pub etcd_tag: ImageTag,
    /// True version of the CoreDNS image, for example `v1.14.5`.
    pub coredns_tag: ImageTag,
}

/// A Kubernetes version that this release supports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct KubernetesVersion(String);

impl KubernetesVersion {
    /// Versions that were tested here; others are refused.
    pub const SUPPORTED: [&'static str; 1] = ["1.35.4"];

    /// Accepts one of [`Self::SUPPORTED`].
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if Self::SUPPORTED.contains(&text.as_str()) {
            return Ok(Self(text));
        }
        let rule = format!("is not supported; use one of {}", Self::SUPPORTED.join(", "));
        Err(Invalid::new("KubernetesVersion", text, rule))
    }

    /// `1.35.4`
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KubernetesVersion {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<KubernetesVersion> for String {
    fn from(version: KubernetesVersion) -> String {
        version.0
    }
}

/// Tag of an image: letters, digits, dot, hyphen, underscore; at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ImageTag(String);

impl ImageTag {
    /// Validates the tag's alphabet and length.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let ok = !text.is_empty()
            && text.len() <= 64
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if ok {
            Ok(Self(text))
        } else {
            Err(Invalid::new("ImageTag", text, "is not an image tag"))
        }
    }

    /// The plain text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ImageTag {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<ImageTag> for String {
    fn from(tag: ImageTag) -> String {
        tag.0
    }
}

/// A step that a node's agent performs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeStep {
    /// Container runtime, kubelet unit, links to binaries, kernel settings; idempotent.
    PrepareNode {
        /// Role, which decides what images are needed.
        role: Role,
        /// The node's own address, kubelet's `node-ip`.
        address: Ipv4Addr,
    },
    /// Makes sure that the images which this role needs are in the content store.
    ImportImages {
        /// Role, which decides what images are needed.
        role: Role,
    },
    /// One phase of `kubeadm init`. `BootstrapToken` takes the secret [`SecretName::JoinToken`].
    KubeadmInit {
        /// Which phase.
        phase: InitPhase,
        /// The cluster.
        params: ClusterParams,
        /// This node's address.
        address: Ipv4Addr,
    },
    /// Makes a client certificate for the coordinator and hands the kubeconfig over as [`SecretName::Kubeconfig`].
    MintKubeconfig {
        /// The cluster.
        params: ClusterParams,
    },
    /// One phase of `kubeadm join`. Takes [`SecretName::JoinToken`] and the cluster's CA.
    KubeadmJoin {
        /// Which phase.
        phase: JoinPhase,
        /// The cluster.
        params: ClusterParams,
        /// This node's address.
        address: Ipv4Addr,
    },
    /// Records and arms the undo of a fault, then injects it. Never twice under one lease.
    InjectFault {
        /// The lease.
        lease: LeaseId,
        /// For how long.
        terms: Terms,
        /// What.
        fault: NodeFault,
    },
    /// Moves the deadline of an outstanding lease, as far as its terms allow.
    RenewFault {
        /// The lease.
        lease: LeaseId,
        /// Which renewal of the lease this is, from 1.
        number: u32,
    },
    /// Undoes a fault now; one that is undone already is fine.
    ReleaseFault {
        /// The lease.
        lease: LeaseId,
    },
    /// Undoes every fault of the node, and removes what carries our name without a lease.
    HealFaults {
        /// Tells one request from another.
        request: LeaseId,
    },
}

/// Secrets travel beside steps, never in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretName {
    /// JSON `{"token": "abcdef.0123456789abcdef", "ca_pem": "..."}`; `ca_pem` is empty for init. Coordinator to node.
    JoinToken,
    /// A kubeconfig, YAML. Node to coordinator.
    Kubeconfig,
}

/// What may be done about a step whose outcome is unknown or partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairPolicy {
    /// Running it again is harmless.
    RerunSafe,
    /// Run again only while this node never served; else a person decides.
    RerunBeforeServing,
    /// A person decides.
    NeedsDecision,
}

impl NodeStep {
    /// Stable name for people, metrics and unit descriptions, for example `kubeadm_init/certs`.
    pub fn label(&self) -> String {
        match self {
            NodeStep::PrepareNode { .. } => "prepare_node".into(),
            NodeStep::ImportImages { .. } => "import_images".into(),
            NodeStep::KubeadmInit { phase, .. } => format!("kubeadm_init/{}", snake(phase)),
            NodeStep::MintKubeconfig { .. } => "mint_kubeconfig".into(),
            NodeStep::KubeadmJoin { phase, .. } => format!("kubeadm_join/{}", snake(phase)),
            NodeStep::InjectFault { fault, .. } => format!("inject_fault/{}", fault.kind()),
            NodeStep::RenewFault { number, .. } => format!("renew_fault/{number}"),
            NodeStep::ReleaseFault { .. } => "release_fault".into(),
            NodeStep::HealFaults { .. } => "heal_faults".into(),
        }
    }

    /// The secret that must be fetched before the step can start.
    pub fn needs_secret(&self) -> Option<SecretName> {
        match self {
            NodeStep::KubeadmInit {
                phase: InitPhase::BootstrapToken,
                ..
            }
            | NodeStep::KubeadmJoin { .. } => Some(SecretName::JoinToken),
            _ => None,
        }
    }

    /// The secret that the step yields on success.
    pub fn yields_secret(&self) -> Option<SecretName> {
        matches!(self, NodeStep::MintKubeconfig { .. }).then_some(SecretName::Kubeconfig)
    }

    /// What may be done when the outcome is unknown.
    pub fn repair_policy(&self) -> RepairPolicy {
        match self {
            NodeStep::KubeadmInit {
                phase: InitPhase::Etcd | InitPhase::ControlPlane | InitPhase::WaitControlPlane,
                ..
            } => RepairPolicy::RerunBeforeServing,
            _ => RepairPolicy::RerunSafe,
        }
    }

    /// The node's lane in which the step runs; one step at a time per lane.
    pub fn lane(&self) -> Lane {
        match self {
            NodeStep::ImportImages { .. } => Lane::Images,
            NodeStep::InjectFault { .. }
            | NodeStep::RenewFault { .. }
            | NodeStep::ReleaseFault { .. }
            | NodeStep::HealFaults { .. } => Lane::Faults,
            _ => Lane::Kubeadm,
        }
    }

    /// The idempotency key: same lab, node and content, same id.
    pub fn id(&self, lab: &str, node: &NodeName) -> StepId {
        step_id(lab, node.as_str(), &serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Hash of the parts that identify a step; each part is length-prefixed, so no two lists of parts collide.
pub fn step_id(lab: &str, target: &str, content: &[u8]) -> StepId {
    let mut hash = Sha256::new();
    for part in [
        b"drillyard/step/v1".as_slice(),
        lab.as_bytes(),
        target.as_bytes(),
        content,
    ] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    StepId(hash.finalize().into())
}

fn snake(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A lane of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// kubeadm and preparation.
    Kubeadm,
    /// Image imports.
    Images,
    /// Faults of drills.
    Faults,
}

/// An order to run one attempt of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOrder {
    /// Idempotency key.
    pub step: StepId,
    /// Which try, from 1.
    pub attempt: Attempt,
    /// What to do.
    pub body: NodeStep,
    /// How long it may take, in milliseconds; the unit's ceiling is half as much again.
    pub budget_ms: u64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StepOutcome {
    /// Done, and observed to be done.
    Succeeded {
        /// Milliseconds the unit ran (wall).
        run_ms: u64,
        /// CPU milliseconds the unit used; 0 when unknown.
        cpu_ms: u64,
    },
    /// Failed with a reason.
    Failed {
        /// Stable code, `DY-0xxx`.
        code: String,
        /// One line for people: cause first.
        message: String,
        /// Last lines of output, redacted, at most 4 KiB.
        output: String,
    },
    /// Nobody knows; a probe must tell.
    Unknown {
        /// Why it is unknown, for example `node rebooted`.
        reason: String,
    },
    /// Stopped on request.
    Cancelled,
}

/// What the operating system says of a step, whatever the journal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum ProbeResult {
    /// No trace of it.
    NotStarted,
    /// Some of it is there.
    Partial {
        /// What was found.
        detail: String,
    },
    /// All of it is there and works.
    Done,
    /// It is there and cannot work.
    Broken {
        /// What was found.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_depends_on_lab_node_and_content_only() {
        let step = NodeStep::ImportImages { role: Role::Worker };
        let a = NodeName::new("app1-cp").expect("valid");
        let b = NodeName::new("app2-cp").expect("valid");
        assert_eq!(step.id("l", &a), step.id("l", &a));
        assert_ne!(step.id("l", &a), step.id("l", &b));
        assert_ne!(step.id("l", &a), step.id("m", &a));
        assert_ne!(
            step.id("l", &a),
            NodeStep::ImportImages {
                role: Role::ControlPlane
            }
            .id("l", &a)
        );
    }

    #[test]
    fn tags_and_versions_refuse_what_could_reach_an_argv() {
        assert!(ImageTag::new("v1.14.5").is_ok());
        for bad in ["", "-x", "a b", "a:b", "a/b", "$(x)"] {
            assert!(ImageTag::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(KubernetesVersion::new("1.34.0").is_err());
    }
}
