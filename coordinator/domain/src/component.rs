//! A component folder's `component.yaml`: what is installed, what it needs, what it provides, how readiness is observed.

mod keeper;
mod rules;

pub use keeper::{Issuing, Keeper, Reader, VaultKeeper};

use crate::document::{self, DocumentError};
use model::Invalid;
use model::ids::{ClusterName, ComponentName, Digest};
use model::lab::Lab;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One component. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Always `drillyard/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `Component`.
    pub kind: String,
    /// Equal to the folder's name.
    pub name: ComponentName,
    /// Phase 1 to 8 whose gate names it; an earlier phase that needs it pulls it forward.
    pub phase: u8,
    /// Where it is installed.
    pub clusters: Clusters,
    /// Helm chart; either `chart`, or `bundled_manifests` or `manifests` or both of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// Folder of plain manifests in the bundle, applied before `manifests`; its version is that of what it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundled_manifests: Option<Chart>,
    /// Manifest files of the folder, applied in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<String>,
    /// Workloads (`KIND/NAME`, in `namespace`) whose pods mount what the manifests hold: kubelet looks at their volumes at
    /// once, not at its next round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remount: Vec<String>,
    /// Helm release name; the component's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Kubernetes namespace.
    pub namespace: String,
    /// Template files of the folder, later ones override earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Capabilities that must hold before it is installed: `x` (own cluster), `CLUSTER/x`, `management/x`, `*/x` (every
    /// cluster).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Capabilities that must hold before its readiness is observed, beyond `needs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ready_needs: Vec<String>,
    /// Capabilities of its own cluster that hold once it is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<String>,
    /// Checks that must all pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readiness: Vec<Readiness>,
    /// How long install and readiness usually take together.
    pub expected_seconds: u64,
    /// How long they may take together.
    pub budget_seconds: u64,
    /// Secrets made by the coordinator and handed to the templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ComponentSecret>,
    /// What the coordinator does for it for as long as it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper: Option<Keeper>,
    /// Contracts that it serves, `C1` to `C6`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contracts: Vec<String>,
    /// Digest of everything that is installed, per cluster: supplied by whoever rendered it, not part of the file.
    #[serde(skip)]
    pub inputs: BTreeMap<ClusterName, Digest>,
}

/// The word for the lab's first cluster.
const MANAGEMENT: &str = "management";

/// Where a component is installed: the word `all`, `management` or `applications`, or a list of clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ClustersText", into = "ClustersText")]
pub enum Clusters {
    /// Every cluster of the lab.
    All,
    /// The first cluster of the lab.
    Management,
    /// Every cluster of the lab but the first.
    Applications,
    /// These.
    Listed(Vec<ClusterName>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ClustersText {
    Word(String),
    List(Vec<String>),
}

impl TryFrom<ClustersText> for Clusters {
    type Error = Invalid;
    fn try_from(text: ClustersText) -> Result<Self, Invalid> {
        match text {
            ClustersText::Word(word) if word == "all" => Ok(Clusters::All),
            ClustersText::Word(word) if word == MANAGEMENT => Ok(Clusters::Management),
            ClustersText::Word(word) if word == "applications" => Ok(Clusters::Applications),
            ClustersText::Word(word) => Err(Invalid::new(
                "clusters",
                word,
                "must be the word all, management or applications, or a list of clusters",
            )),
            ClustersText::List(list) => list
                .into_iter()
                .map(ClusterName::new)
                .collect::<Result<_, _>>()
                .map(Clusters::Listed),
        }
    }
}

impl From<Clusters> for ClustersText {
    fn from(clusters: Clusters) -> Self {
        match clusters {
            Clusters::All => ClustersText::Word("all".into()),
            Clusters::Management => ClustersText::Word(MANAGEMENT.into()),
            Clusters::Applications => ClustersText::Word("applications".into()),
            Clusters::Listed(list) => ClustersText::List(list.into_iter().map(String::from).collect()),
        }
    }
}

/// A Helm chart at an exact version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// Name of the chart in the bundle.
    pub name: String,
    /// Exact version.
    pub version: String,
}

/// One observation that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case", deny_unknown_fields)]
pub enum Readiness {
    /// Every node of the cluster is registered and Ready.
    NodesReady {},
    /// A workload has all its replicas available at the current generation.
    WorkloadAvailable {
        /// Which kind.
        kind: WorkloadKind,
        /// Namespace; the component's when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Name of the object.
        name: String,
    },
    /// A resource kind is served by the API.
    ApiServed {
        /// For example `gateway.networking.k8s.io/v1`.
        api_version: String,
        /// For example `Gateway`.
        kind: String,
    },
    /// A condition in an object's status is `True`, of the object as it is now where it says so.
    Condition {
        /// For example `external-secrets.io/v1`.
        api_version: String,
        /// For example `ClusterSecretStore`.
        kind: String,
        /// Namespace; of an object of the cluster when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Name of the object.
        name: String,
        /// Type of the condition, for example `Ready`.
        condition: String,
    },
    /// A command in a container of the first pod of a workload prints what is expected.
    Exec {
        /// Namespace; the component's when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// `KIND/NAME`, for example `daemonset/cilium`.
        workload: String,
        /// Container; the first when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// Program and arguments; there is no shell.
        command: Vec<String>,
        /// Texts that the output must contain, every one.
        expect: Vec<String>,
        /// Whether every pod of the workload must answer so, not just the first.
        #[serde(default)]
        every_pod: bool,
    },
}

/// Kinds whose availability can be observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// apps/v1 Deployment
    Deployment,
    /// apps/v1 DaemonSet
    DaemonSet,
    /// apps/v1 StatefulSet
    StatefulSet,
}

/// A secret that the coordinator makes once and keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSecret {
    /// Name under which the templates see it.
    pub name: String,
    /// What it is.
    pub kind: SecretKind,
    /// Who shares it.
    pub scope: SecretScope,
    /// Of a certificate: the authority among the component's secrets that signs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Of a certificate: names that it is good for, beside the addresses of the cluster's nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// What kind of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// A certificate authority: certificate and key, PEM.
    Ca,
    /// A server's certificate and key, PEM.
    Certificate,
    /// Random text.
    Password,
}

/// Who shares a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretScope {
    /// One for the whole lab.
    Lab,
    /// One for each cluster.
    Cluster,
}

impl Component {
    /// Reads and checks a component file; `file` is named in errors, `folder` is the name that it must carry.
    pub fn from_yaml(file: &str, folder: &str, text: &str) -> Result<Self, DocumentError> {
        document::read(file, "component", text, |component| {
            rules::check(component, folder)
        })
    }

    /// The same component with the digest of what would be installed in `cluster`.
    #[must_use]
    pub fn with_inputs(mut self, cluster: ClusterName, digest: Digest) -> Self {
        self.inputs.insert(cluster, digest);
        self
    }

    /// The same component with the clusters of `lab` in place of the words that stand for them.
    #[must_use]
    pub fn placed(mut self, lab: &Lab) -> Self {
        let names = || lab.clusters.iter().map(|cluster| cluster.name.clone());
        self.clusters = match self.clusters {
            Clusters::Management => Clusters::Listed(names().take(1).collect()),
            Clusters::Applications => Clusters::Listed(names().skip(1).collect()),
            named => named,
        };
        if let Some(first) = names().next() {
            for need in self.needs.iter_mut().chain(&mut self.ready_needs) {
                if let Some(what) = need
                    .strip_prefix(MANAGEMENT)
                    .and_then(|rest| rest.strip_prefix('/'))
                {
                    *need = format!("{first}/{what}");
                }
            }
        }
        self
    }

    /// Whether it is installed in `cluster`; of a [`Component::placed`] one.
    pub fn runs_in(&self, cluster: &ClusterName) -> bool {
        match &self.clusters {
            Clusters::All => true,
            Clusters::Listed(list) => list.contains(cluster),
            Clusters::Management | Clusters::Applications => false,
        }
    }

    /// The Helm release name.
    pub fn release_name(&self) -> &str {
        self.release.as_deref().unwrap_or(self.name.as_str())
    }

    /// The chart's version, or `manifests`.
    pub fn version(&self) -> &str {
        self.chart
            .as_ref()
            .or(self.bundled_manifests.as_ref())
            .map_or("manifests", |chart| chart.version.as_str())
    }
}
